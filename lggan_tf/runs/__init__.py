"""What a run is: its folder, its config, its checkpoints, and what builds its parts."""

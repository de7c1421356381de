"""What happens around the steps of a run, one idea per file; `build.py` puts them together."""

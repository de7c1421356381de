"""Keras layers that do not know the project: convolutions, norms, SPADE, class-specific parts."""

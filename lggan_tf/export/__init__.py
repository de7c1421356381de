"""Trained generators as things to use: a function from labels to pixels, and SavedModels of it."""

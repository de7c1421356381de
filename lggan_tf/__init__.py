"""LGGAN (Tang et al., CVPR 2020) for Keras 3 and TensorFlow: maps to photos, view to view."""

__version__ = "0.1.0"

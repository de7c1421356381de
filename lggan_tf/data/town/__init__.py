"""The embedded data set: a town drawn from a seed, each place seen from street and air."""

from lggan_tf.data.town.palette import TOWN_CLASSES
from lggan_tf.data.town.place import Place, draw_place

__all__ = ["TOWN_CLASSES", "Place", "draw_place"]

"""The embedded town as a source. Drawing a place takes a while: wrap it in a `CachedSource`."""

import numpy as np

from lggan_tf.data.classes import builtin_classes
from lggan_tf.data.sample import Sample
from lggan_tf.data.town.processes import draw_beside

VAL_PLACES = 64


class TownSource:
    """Street views of the town, alone ("semantic") or with the view from above ("cross_view")."""

    def __init__(
        self,
        view: str,
        split: str,
        places: int,
        height: int,
        width: int,
        direction: str = "a2g",
        seed: int = 0,
    ):
        """Draws nothing yet.

        Args:
            view: "semantic" gives labels, image and instances of the street; "cross_view" gives
                labels and image of the target view, and the photo of the other view as source.
            split: "train" or "val"; val is the same `VAL_PLACES` places whatever `places` is.
            places: number of training places.
            height: pixels.
            width: pixels.
            direction: cross_view only: "a2g" generates the street, "g2a" the view from above.
            seed: which town.
        """
        self.view, self.direction = view, direction
        self.height, self.width = height, width
        count = {"train": places, "val": VAL_PLACES}[split]
        self.town_seed = seed if split == "train" else _held_out_seed(seed)
        self.classes = builtin_classes("town")
        self.names = tuple(f"{split}_{index:05d}" for index in range(count))
        third = {"semantic": "instances", "cross_view": "source"}[view]
        self.keys = frozenset({"labels", "image", third})

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.names)

    def load(self, index: int) -> Sample:
        """Sample `index`: see `lggan_tf.data.sample.Source`."""
        with_aerial = self.view == "cross_view"
        place = draw_beside(self.town_seed, index, self.height, self.width, with_aerial)
        if self.view == "semantic":
            return {
                "labels": place.street_labels,
                "image": place.street_image,
                "instances": place.street_instances,
            }
        street = {"labels": place.street_labels, "image": place.street_image}
        aerial = {"labels": place.aerial_labels, "image": place.aerial_image}
        target, other = (street, aerial) if self.direction == "a2g" else (aerial, street)
        return {**target, "source": other["image"]}


def _held_out_seed(seed: int) -> int:
    """A seed whose places are none of the training places, which are drawn from `seed` itself."""
    return int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])

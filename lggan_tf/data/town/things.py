"""The things a place is made of: x to the right, y along the street, z up, all in metres."""

from typing import NamedTuple

from lggan_tf.data.town.daylight import Daylight

NEAR, FAR = -14.0, 128.0  # the stretch of street that is built, along y; the camera stands at y = 0


class Street(NamedTuple):
    """The ground: bands beside the axis x = 0, crossed by a side street where `side_y` is set."""

    half_width: float
    verge: float
    pavement: float
    garden: float
    parking: tuple[bool, bool]
    side_y: float | None
    side_half: float
    side_left: bool
    side_right: bool
    zebra_y: tuple[float, ...]
    centre_line: str
    edge_line: bool
    asphalt: float
    slabs: str
    dryness: float

    @property
    def front(self) -> float:
        """Distance of the house fronts from the axis."""
        return self.half_width + self.verge + self.pavement + self.garden

    def in_side(self, side: int, y: float, margin: float = 0.0) -> bool:
        """Whether y lies in the mouth of the side street on that side (-1 left, 1 right)."""
        open_side = self.side_right if side > 0 else self.side_left
        return (
            self.side_y is not None and open_side and abs(y - self.side_y) < self.side_half + margin
        )

    def near_zebra(self, y: float, margin: float) -> bool:
        """Whether y lies within the margin of a crossing."""
        return any(abs(y - zebra) < margin for zebra in self.zebra_y)


class Building(NamedTuple):
    """A box with a roof; the windows sit on a grid of `bay` by `storey` metres."""

    x0: float
    x1: float
    y0: float
    y1: float
    height: float
    storey: float
    bay: float
    window_width: float
    sill: float
    head: float
    style: str
    wall: tuple[int, int, int]
    frame: tuple[int, int, int]
    door: tuple[int, int, int]
    roof: str
    roof_colour: tuple[int, int, int]
    pitch: float
    shop: bool
    awning: tuple[int, int, int] | None
    fascia: tuple[int, int, int] | None
    blank_ends: bool
    chimney: bool
    street_side: int
    salt: int


class Car(NamedTuple):
    """A car centred at (x, y), pointing along the unit vector (fx, fy)."""

    x: float
    y: float
    fx: float
    fy: float
    shape: str
    paint: tuple[int, int, int]


class Person(NamedTuple):
    """A person at (x, y), walking along y or, `across`, along x."""

    x: float
    y: float
    across: bool
    height: float
    stride: float
    coat: bool
    top: tuple[int, int, int]
    legs: tuple[int, int, int]
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]


class Tree(NamedTuple):
    """A tree, bush or hedge: crown blobs as rows (dx, dy, z, radius, radius upwards)."""

    x: float
    y: float
    trunk: float
    blobs: tuple[tuple[float, float, float, float, float], ...]
    leaf: tuple[int, int, int]
    salt: int


class Lamp(NamedTuple):
    """A street lamp whose arm reaches `reach` metres along x (the sign gives the side)."""

    x: float
    y: float
    height: float
    reach: float
    paint: tuple[int, int, int]


class Sign(NamedTuple):
    """A board facing the camera, its centre at height z, on a post unless it hangs from a wall."""

    x: float
    y: float
    z: float
    kind: str
    half_width: float
    half_height: float
    post: bool


class Camera(NamedTuple):
    """Street camera looking along y; focal length and vanishing point in shorter sides."""

    x: float
    height: float
    focal: float
    shift_x: float
    shift_y: float


class Layout(NamedTuple):
    """Everything in one place."""

    light: Daylight
    street: Street
    camera: Camera
    buildings: tuple[Building, ...]
    cars: tuple[Car, ...]
    persons: tuple[Person, ...]
    trees: tuple[Tree, ...]
    lamps: tuple[Lamp, ...]
    signs: tuple[Sign, ...]

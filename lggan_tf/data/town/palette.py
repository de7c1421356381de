"""The classes of the town and the paints its things are drawn with."""

import numpy as np

TOWN_CLASSES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("sky", (112, 176, 232)),
    ("building", (150, 92, 78)),
    ("window", (84, 214, 214)),
    ("road", (96, 84, 112)),
    ("marking", (255, 255, 255)),
    ("pavement", (214, 164, 190)),
    ("grass", (148, 206, 92)),
    ("tree", (44, 122, 58)),
    ("car", (36, 52, 190)),
    ("person", (226, 36, 60)),
    ("pole", (60, 60, 60)),
    ("sign", (250, 206, 40)),
)
"""(name, display colour) of every class; the position in the tuple is the class id."""

SKY, BUILDING, WINDOW, ROAD, MARKING, PAVEMENT, GRASS, TREE, CAR, PERSON, POLE, SIGN = range(12)

# Display colours (0..255), because that is how one picks them; `linear` turns them into light.
WALLS = {
    "brick": ((158, 84, 66), (178, 104, 78), (138, 74, 64), (186, 128, 96), (122, 88, 78)),
    "plaster": (
        (236, 216, 178),
        (232, 190, 142),
        (226, 168, 150),
        (190, 206, 212),
        (206, 216, 180),
        (242, 236, 222),
        (236, 204, 112),
        (168, 190, 210),
    ),
    "stone": ((202, 188, 162), (184, 176, 164), (212, 200, 178), (160, 154, 146)),
    "concrete": ((186, 186, 184), (168, 172, 178), (206, 204, 198), (142, 148, 156)),
    "boards": ((226, 226, 220), (132, 160, 178), (176, 84, 70), (104, 128, 110), (222, 200, 150)),
}
TILES = ((176, 88, 62), (156, 74, 58), (92, 96, 106), (118, 84, 72), (74, 78, 88), (190, 112, 78))
FLAT_ROOFS = ((150, 146, 140), (122, 122, 124), (176, 172, 164), (104, 110, 114))
FRAMES = ((246, 244, 238), (238, 236, 230), (90, 62, 48), (52, 58, 64), (70, 96, 84))
DOORS = ((132, 40, 40), (38, 70, 108), (48, 92, 66), (96, 62, 42), (40, 42, 48), (206, 160, 60))
AWNINGS = ((196, 52, 48), (44, 108, 78), (42, 82, 142), (222, 158, 48), (112, 52, 92))
PAINTS = (
    (232, 232, 230),
    (28, 30, 34),
    (164, 168, 174),
    (88, 92, 98),
    (190, 32, 36),
    (34, 74, 160),
    (28, 96, 78),
    (232, 182, 40),
    (214, 104, 36),
    (122, 170, 206),
)
CLOTHES = (
    (204, 48, 54),
    (44, 82, 156),
    (238, 232, 222),
    (236, 188, 60),
    (42, 44, 52),
    (62, 132, 96),
    (206, 112, 152),
    (128, 88, 150),
    (226, 126, 54),
)
TROUSERS = ((46, 58, 92), (40, 40, 46), (112, 98, 80), (70, 74, 82), (150, 136, 112))
SKINS = ((236, 196, 168), (212, 164, 128), (160, 110, 80), (108, 72, 52))
HAIRS = ((84, 58, 42), (52, 46, 46), (164, 120, 70), (196, 190, 184), (140, 74, 46))
LEAVES = {
    "summer": ((70, 112, 44), (86, 126, 52), (58, 98, 50), (100, 134, 58)),
    "spring": ((122, 160, 68), (138, 168, 78), (226, 176, 196), (104, 148, 66)),
    "autumn": ((196, 128, 44), (180, 86, 40), (150, 132, 52), (206, 160, 60)),
}
CONIFER = (46, 82, 56)
POSTS = ((72, 78, 82), (46, 70, 60), (38, 40, 44), (150, 154, 158))


def linear(colours: tuple | list | np.ndarray) -> np.ndarray:
    """Display colours 0..255, one `[3]` or several `[n, 3]`, to linear float32 `[3, n]`.

    Channels come first here and wherever the town computes light: numpy adds and multiplies three
    long rows several times faster than many rows of three.
    """
    table = np.atleast_2d(np.asarray(colours, np.float32)) / np.float32(255)
    return np.ascontiguousarray((table ** np.float32(2.2)).T)

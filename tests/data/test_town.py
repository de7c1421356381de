import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lggan_tf
from lggan_tf.data.town import TOWN_CLASSES, draw_place
from lggan_tf.data.town.cast import NOTHING, first_hits, sunlit
from lggan_tf.data.town.layout import draw_layout
from lggan_tf.data.town.scene import Material, Part, build_parts
from lggan_tf.data.town.solids import Ball, Rays, Solid, box
from lggan_tf.data.town.views import aerial_view, street_view
from lggan_tf.errors import UserError

ROOT = Path(lggan_tf.__file__).parents[1]
IDS = {name: number for number, (name, _) in enumerate(TOWN_CLASSES)}
GROUND = [IDS[name] for name in ("road", "marking", "pavement", "grass")]
THINGS = [IDS[name] for name in ("building", "tree", "car", "person", "pole", "sign")]


@pytest.fixture(scope="module")
def places():
    return [draw_place(3, index, 128, 128) for index in range(12)]


def digest(place):
    return hashlib.sha256(b"".join(part.tobytes() for part in place)).hexdigest()


def test_new_process_draws_the_same_bits_in_another_order():
    here = [digest(draw_place(5, index, 48, 64)) for index in range(3)]
    program = (
        "import hashlib\n"
        "from lggan_tf.data.town import draw_place\n"
        "for index in (2, 0, 1):\n"
        "    parts = [part.tobytes() for part in draw_place(5, index, 48, 64)]\n"
        "    print(index, hashlib.sha256(b''.join(parts)).hexdigest())\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    there = dict(line.split() for line in output.splitlines())
    assert [there[str(index)] for index in range(3)] == here


def test_no_tensorflow_is_imported():
    program = "import sys, lggan_tf.data.town; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_shapes_and_dtypes():
    place = draw_place(0, 0, 40, 72)
    assert place.street_image.shape == place.aerial_image.shape == (40, 72, 3)
    assert place.street_labels.shape == place.aerial_labels.shape == (40, 72)
    assert place.street_instances.shape == (40, 72)
    assert place.street_image.dtype == place.aerial_image.dtype == np.uint8
    assert place.street_labels.dtype == place.aerial_labels.dtype == np.uint8
    assert place.street_instances.dtype == np.uint16


def test_class_table_is_sound():
    assert len(TOWN_CLASSES) == 12
    assert len({name for name, _ in TOWN_CLASSES}) == len({rgb for _, rgb in TOWN_CLASSES}) == 12


def test_every_class_occurs_and_no_other(places):
    street = np.bincount(np.concatenate([p.street_labels.ravel() for p in places]))
    aerial = np.bincount(np.concatenate([p.aerial_labels.ravel() for p in places]))
    assert len(street) == len(aerial) == 12
    assert (street > 0).all()
    assert aerial[IDS["sky"]] == 0 and (aerial[1:] > 0).all()
    for name in ("person", "pole", "sign"):  # rare, but there is something to learn from
        assert 0.002 < street[IDS[name]] / street.sum() < 0.04


def test_places_differ():
    reference = draw_place(0, 0, 32, 32)
    for other in (draw_place(0, 1, 32, 32), draw_place(1, 0, 32, 32)):
        difference = reference.street_image.astype(int) - other.street_image
        assert np.abs(difference).mean() > 10
        assert (reference.aerial_labels != other.aerial_labels).mean() > 0.1


def test_instances_refine_labels(places):
    for place in places:
        thing = np.isin(place.street_labels, THINGS)
        assert ((place.street_instances > 0) == thing).all()
        pairs = np.unique(
            np.stack((place.street_instances[thing], place.street_labels[thing])), axis=1
        )
        assert len(np.unique(pairs[0])) == pairs.shape[1]
        assert pairs.shape[1] > 10


def test_size_changes_the_sampling_not_the_scene():
    for index in range(4):
        small, large = draw_place(3, index, 64, 64), draw_place(3, index, 128, 128)
        for view in ("street", "aerial"):
            labels = getattr(large, f"{view}_labels")[::2, ::2]
            assert (labels == getattr(small, f"{view}_labels")).mean() > 0.9
            image = getattr(large, f"{view}_image").astype(float)
            image = image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
            assert np.abs(image - getattr(small, f"{view}_image")).mean() < 8
        instances = large.street_instances[::2, ::2]
        assert (instances == small.street_instances).mean() > 0.9


def test_wide_place_continues_the_square_one():
    square, wide = draw_place(3, 1, 48, 48), draw_place(3, 1, 48, 96)
    assert (wide.street_labels[:, 24:72] == square.street_labels).mean() > 0.99
    assert (wide.aerial_labels[:, 24:72] == square.aerial_labels).mean() > 0.99


def ground_of_street_pixels(camera, size):
    """x, y of the ground seen by each pixel at or below the horizon, by similar triangles."""
    rows, columns = np.mgrid[0:size, 0:size] + 0.5
    right = (columns / size - 0.5 + camera.shift_x) / camera.focal
    down = (rows / size - 0.5 + camera.shift_y) / camera.focal
    with np.errstate(divide="ignore"):
        y = np.where(down > 0, camera.height / down, np.inf)
    return camera.x + right * np.where(down > 0, y, 0.0), y


def same_ground(index, place):
    """Rows and columns of street pixels, and of the aerial pixels that show the same ground."""
    x, y = ground_of_street_pixels(draw_layout(3, index).camera, 128)
    column, row = (x + 22.0) * 128 / 44, (45.0 - y) * 128 / 44
    seen = np.isin(place.street_labels, GROUND) & (row > 0) & (row < 128)
    seen &= (column > 0) & (column < 128) & (y < 20.0)
    above = row[seen].astype(int), column[seen].astype(int)
    known = np.isin(place.aerial_labels[above], GROUND)  # else below a tree, a car, a lamp
    return tuple(np.argwhere(seen)[known].T), (above[0][known], above[1][known])


def test_street_ground_is_the_aerial_ground(places):
    agreeing = total = 0
    for index, place in enumerate(places):
        street, aerial = same_ground(index, place)
        agreeing += (place.street_labels[street] == place.aerial_labels[aerial]).sum()
        total += len(street[0])
    assert total > 30_000
    assert agreeing / total > 0.93


def test_the_same_ground_lies_in_the_same_light_in_both_views(places):
    means = []
    for index, place in enumerate(places):
        street, aerial = same_ground(index, place)
        below = place.street_image[street].astype(float)
        above = place.aerial_image[aerial].astype(float)
        assert np.abs(below.mean(axis=0) - above.mean(axis=0)).max() < 18
        if draw_layout(3, index).light.sun.max() > 0:  # then shadows fall on the same spots
            assert np.corrcoef(below.mean(axis=1), above.mean(axis=1))[0, 1] > 0.45
        means.append(above.mean(axis=0))
    assert np.ptp(means, axis=0).min() > 60  # while places differ by much more


def test_cars_have_the_same_paint_in_both_views(places):
    street, aerial = [], []
    for index, place in enumerate(places):
        layout = draw_layout(3, index)
        numbers = {
            part.owner: part.instance
            for part in build_parts(layout)
            if part.material is Material.BODY
        }
        for owner, car in enumerate(layout.cars):
            pixels = place.street_image[place.street_instances == numbers[owner]]
            row, column = int((45.0 - car.y) * 128 / 44), int((car.x + 22.0) * 128 / 44)
            if len(pixels) < 60 or not (0 <= row < 128 and 0 <= column < 128):
                continue
            assert (place.street_labels[place.street_instances == numbers[owner]] == 8).all()
            if place.aerial_labels[row, column] == IDS["car"]:  # else below a tree
                street.append(pixels.mean(axis=0))
                aerial.append(place.aerial_image[row, column].astype(float))
    street, aerial = np.array(street), np.array(aerial)
    assert len(street) >= 12
    warmth = np.corrcoef(street[:, 0] - street[:, 2], aerial[:, 0] - aerial[:, 2])[0, 1]
    assert warmth > 0.8


def test_first_hits_skip_nothing():
    """Order, windows and culling must not change what a plain loop over all parts finds."""
    layout = draw_layout(3, 0)
    parts = build_parts(layout)
    for view in (street_view(layout.camera, 40, 40), aerial_view(40, 40)):
        depth, part_of, _ = first_hits(view, parts)
        nearest, owner = np.full((40, 40), np.inf), np.full((40, 40), NOTHING)
        for number, part in enumerate(parts):
            distance, _, met = part.shape.hit(view.rays)
            distance, met = (np.broadcast_to(value, (40, 40)) for value in (distance, met))
            closer = met & (distance > 0.3) & (distance < nearest)
            nearest[closer], owner[closer] = distance[closer], number
        assert np.array_equal(depth, nearest)
        assert (part_of == owner).mean() > 0.995  # two parts may share a face


def test_box_answers_like_the_general_solid():
    rng = np.random.default_rng(0)
    quick = box(-1.0, 2.0, 0.5, 3.0, 0.0, 1.5)
    planes = [
        (*normal, offset) for normal, offset in zip(quick.normals, quick.offsets, strict=True)
    ]
    slow = Solid(planes, quick.low, quick.high)
    rays = Rays(*rng.uniform(-4, 4, (3, 500)), *rng.normal(size=(3, 500)))
    for quickly, slowly in zip(quick.hit(rays), slow.hit(rays), strict=True):
        np.testing.assert_allclose(quickly, slowly, rtol=1e-5)
    assert np.array_equal(quick.shades(rays), slow.shades(rays))
    assert 20 < quick.hit(rays)[2].sum() < 480


def test_hits_in_closed_form():
    rays = Rays(*np.array([[0.0], [-5.0], [1.0]]), *np.array([[0.0], [1.0], [0.0]]))
    distance, face, met = box(-1, 1, 2, 3, 0, 2).hit(rays)
    assert met and distance == 7.0 and face == 2  # the side towards -y
    distance, _, met = Ball((0.0, 4.0, 1.0), (1.0, 3.0, 1.0)).hit(rays)
    assert met and distance == pytest.approx(6.0)
    assert not box(-1, 1, 2, 3, 1.5, 2).hit(rays)[2]


def test_shadow_of_a_box_under_a_sun_at_45_degrees():
    parts = [
        Part(box(-99, 99, -99, 99, -1, 0), Material.GROUND, 0, 3, 0),
        Part(box(0, 1, -1, 1, 0, 2), Material.POST, 0, 10, 1),
    ]
    x = np.array([-3.0, -2.2, -1.8, -0.5, 1.5, -1.0, 0.5], np.float32)
    y = np.array([0, 0, 0, 0, 0, 1.3, 0], np.float32)
    z = np.array([0, 0, 0, 0, 0, 0, 2.0], np.float32)
    up = np.zeros((3, 7), np.float32)
    up[2] = 1.0
    sun = np.array([1.0, 0.0, 1.0], np.float32) / np.float32(np.sqrt(2))
    # The sun stands towards +x: a box 2 m high throws 2 m of shadow towards -x, none elsewhere.
    expected = [True, True, False, False, True, True, True]
    assert sunlit(parts, np.stack((x, y, z)), up, sun).tolist() == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((-1, 0, 64, 64), "-1"), ((0, -2, 64, 64), "-2"), ((0, 0, 4, 64), "4 x 64")],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(UserError, match=named):
        draw_place(*arguments)


def test_the_view_from_above_can_be_left_out():
    both, one = draw_place(3, 5, 32, 32), draw_place(3, 5, 32, 32, with_aerial=False)
    np.testing.assert_array_equal(one.street_image, both.street_image)
    np.testing.assert_array_equal(one.street_labels, both.street_labels)
    assert one.aerial_image is None and one.aerial_labels is None

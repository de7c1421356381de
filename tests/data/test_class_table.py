import json

import numpy as np
import pytest

from lggan_tf.data.classes import ClassTable, builtin_classes, load_classes, parse_classes
from lggan_tf.errors import UserError

COLOURS = ((1, 2, 3), (4, 5, 6), (7, 8, 9), (255, 0, 128))


def as_data(count=3, **extra):
    rows = [{"id": i, "name": f"class {i}", "color": [i % 256, 0, 0]} for i in range(count)]
    return {"classes": rows, **extra}


def test_void_in_the_middle_moves_the_later_sub_generators_down():
    table = ClassTable(("sky", "void", "road", "car"), COLOURS, void_ids=(1,))
    assert table.num_labels == 4
    assert table.num_local == 3
    assert table.local_table() == (0, 3, 1, 2)


def test_several_voids_and_no_void():
    assert ClassTable(tuple("abcd"), COLOURS, (0, 3)).local_table() == (2, 0, 1, 2)
    assert ClassTable(tuple("abcd"), COLOURS).local_table() == (0, 1, 2, 3)


def test_palette_paints_a_label_map():
    table = ClassTable(tuple("abcd"), COLOURS)
    painted = table.palette[np.array([[3, 0]])]
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[255, 0, 128], [1, 2, 3]]]


@pytest.mark.parametrize(("count", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_more_than_256_ids_need_uint16(count, dtype):
    assert parse_classes(json.dumps(as_data(count)), "x").label_dtype == dtype


@pytest.mark.parametrize(
    "table",
    [
        ClassTable(tuple("abcd"), COLOURS),
        ClassTable(("straße", "b", "c", "d"), COLOURS, (1,), (255, 254)),
        ClassTable(tuple("abcd"), COLOURS, (3, 0)),
    ],
)
def test_json_round_trip(table):
    assert parse_classes(table.to_json(), "x") == table


def test_rows_may_stand_in_any_order(tmp_path):
    data = as_data(3, num_labels=3, num_classes=2, void_id=1, void_values=[255])
    data["classes"].reverse()
    file = tmp_path / "classes.json"
    file.write_text(json.dumps(data))
    table = load_classes(file)
    assert table.names == ("class 0", "class 1", "class 2")
    assert table.void_ids == (1,)
    assert table.void_values == (255,)


def changed(position, **fields):
    data = as_data()
    data["classes"][position] |= fields
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], 'no list "classes"'),
        ({"classes": []}, 'no list "classes"'),
        ({"classes": ["sky"]}, "entry 0"),
        (changed(2, id=1), "id 1 occurs twice"),
        (changed(2, id=3), "id 2 is missing"),
        (changed(1, id="1"), "'1'"),
        (changed(1, name=""), "id 1"),
        (changed(1, name="class 0"), "ids 0 and 1 are both called 'class 0'"),
        (changed(2, color=[0, 256, 0]), "id 2 is [0, 256, 0]"),
        (changed(2, color=[0, 0]), "id 2 is [0, 0]"),
        (changed(2, color="red"), "id 2 is 'red'"),
        (as_data(void_id=3), "void_id 3 is not one of the ids 0 to 2"),
        (as_data(void_id=-1), "void_id -1"),
        (as_data(void_id=[0, 1, 2]), "every id is void"),
        (as_data(void_values=[255]), "need a void_id"),
        (as_data(void_id=0, void_values=255), "void_values is 255"),
        (as_data(void_id=0, void_values=[2]), "void value 2 is also an id"),
        (as_data(num_labels=4), "num_labels is 4 but 3"),
        (as_data(num_classes=3, void_id=0), "num_classes is 3 but 2"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(data, words, tmp_path):
    file = tmp_path / "classes.json"
    file.write_text(json.dumps(data))
    with pytest.raises(UserError) as caught:
        load_classes(file)
    assert str(file) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_text_that_is_not_json(tmp_path):
    with pytest.raises(UserError, match="absent.json cannot be read"):
        load_classes(tmp_path / "absent.json")
    file = tmp_path / "classes.json"
    file.write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        load_classes(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not JSON"):
        load_classes(file)


def test_cityscapes_has_the_label_ids_and_one_void():
    table = builtin_classes("cityscapes")
    assert table.num_labels == 35
    assert table.num_local == 34
    assert table.void_ids == (34,)
    assert table.void_values == (255,)
    known = {7: "road", 11: "building", 21: "vegetation", 23: "sky", 26: "car", 33: "bicycle"}
    assert {label: table.names[label] for label in known} == known
    assert table.colours[26] == (0, 0, 142)
    assert table.colours[7] == (128, 64, 128)


def test_ade20k_counts_from_1_and_0_is_unknown():
    table = builtin_classes("ade20k")
    assert table.num_labels == 151
    assert table.void_ids == (0,)
    assert table.local_table()[:3] == (150, 0, 1)
    known = {1: "wall", 3: "sky", 13: "person", 21: "car", 100: "buffet", 150: "flag"}
    assert {label: table.names[label] for label in known} == known
    assert table.colours[3] == (6, 230, 230)
    assert table.colours[150] == (92, 0, 255)


def test_groups_are_those_of_the_cross_view_panels():
    table = builtin_classes("groups")
    assert table.names[4] == "sky"
    assert table.void_ids == (6,)
    assert table.num_local == 6


def test_town_table_has_no_void():
    table = builtin_classes("town")
    assert table.num_local == table.num_labels > 1
    assert table.palette.shape == (table.num_labels, 3)

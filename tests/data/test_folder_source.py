import numpy as np
import pytest
from grey_png import grey_png
from PIL import Image

from lggan_tf.data.classes import ClassTable, builtin_classes
from lggan_tf.data.folder_source import FolderSource, LabelFolderSource
from lggan_tf.data.images import read_ids, read_photo
from lggan_tf.data.layouts import ADE20K, CITYSCAPES
from lggan_tf.errors import UserError

CLASSES = ClassTable(
    ("sky", "road", "void"), ((0, 0, 255), (99, 99, 99), (0, 0, 0)), (2,), void_values=(255, 200)
)
PHOTO = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
LABELS = np.array([[0, 1, 2, 255, 200, 0]] * 4, np.uint8)
IDS = [[0, 1, 2, 2, 2, 0]] * 4


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def data_dir(tmp_path):
    """Two samples, b and a/c; photos are PNG, so that they are exact."""
    for name in ("b", "a/c"):
        save(tmp_path / f"images/train/{name}.png", PHOTO)
        save(tmp_path / f"labels/train/{name}.png", LABELS)
    return tmp_path


def test_samples_are_sorted_and_void_values_become_the_void_id(data_dir):
    source = FolderSource(data_dir, "train", CLASSES)
    assert len(source) == 2
    assert source.names == ("a/c", "b")
    assert source.keys == {"labels", "image"}
    sample = source.load(1)
    assert set(sample) == source.keys
    np.testing.assert_array_equal(sample["image"], PHOTO)
    assert sample["labels"].dtype == np.uint8
    assert sample["labels"].tolist() == IDS


def test_photos_of_several_kinds_become_rgb(data_dir):
    grey = np.full((4, 6), 77, np.uint8)
    save(data_dir / "images/train/b.png", grey)
    (data_dir / "images/train/a/c.png").unlink()
    save(data_dir / "images/train/a/c.JPEG", np.dstack([grey] * 3), quality=100)
    source = FolderSource(data_dir, "train", CLASSES)
    for index in (0, 1):
        image = source.load(index)["image"]
        assert image.shape == (4, 6, 3)
        np.testing.assert_array_equal(image, 77)


def test_palette_labels_are_ids(data_dir):
    picture = Image.fromarray(LABELS)
    picture.putpalette([9, 8, 7] * 256)
    picture.save(data_dir / "labels/train/b.png")
    with Image.open(data_dir / "labels/train/b.png") as saved:
        assert saved.mode == "P"
    assert FolderSource(data_dir, "train", CLASSES).load(1)["labels"].tolist() == IDS


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_bits_are_ids(tmp_path, bits):
    ids = (np.arange(6).reshape(2, 3) % min(2**bits, 3)).astype("uint8")
    picture = Image.fromarray(ids)
    picture.putpalette([9, 8, 7] * 2**bits)
    picture.save(tmp_path / "x.png", bits=bits)
    assert (tmp_path / "x.png").read_bytes()[24:26] == bytes([bits, 3])
    assert read_ids(tmp_path / "x.png").tolist() == ids.tolist()


def test_one_grey_bit_is_0_and_1(tmp_path):
    (tmp_path / "x.png").write_bytes(grey_png(np.array([[0, 1, 1]]), 1))
    assert read_ids(tmp_path / "x.png").tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("folder", ["labels", "instances"])
def test_grey_of_2_and_4_bits_is_refused(data_dir, folder, bits):
    """Readers multiply it by 85 and 17, and a rich table has such ids, too."""
    file = data_dir / folder / "train/b.png"
    if folder == "instances":
        for name in ("b", "a/c"):
            save(data_dir / folder / f"train/{name}.png", LABELS)
    file.write_bytes(grey_png(LABELS % 2**bits, bits))
    source = FolderSource(data_dir, "train", CLASSES, with_instances=folder == "instances")
    message = refused(lambda: source.load(1))
    assert f"{file} is a grey picture of {bits} bits" in message and "save it with 8" in message
    # A photo has no ids: there the stretching is what the format says.
    (data_dir / "images/train/b.png").write_bytes(grey_png(LABELS % 2**bits, bits))
    assert (
        read_photo(data_dir / "images/train/b.png").max()
        == 255 // (2**bits - 1) * (LABELS % 2**bits).max()
    )


def test_ids_above_255_are_read_from_16_bit_files_and_stay_uint16(tmp_path):
    many = ClassTable(tuple(map(str, range(1001))), ((0, 0, 0),) * 1001, (1000,), (65535,))
    save(tmp_path / "x.png", np.array([[0, 300], [999, 65535]], np.uint16))
    labels = LabelFolderSource(tmp_path, many).load(0)["labels"]
    assert labels.dtype == np.uint16
    assert labels.tolist() == [[0, 300], [999, 1000]]


def test_16_bit_instances(data_dir):
    instances = np.array([[0, 1, 255, 256, 26001, 65535]] * 4, np.uint16)
    for name in ("b", "a/c"):
        save(data_dir / f"instances/train/{name}.png", instances)
    assert FolderSource(data_dir, "train", CLASSES).keys == {"labels", "image"}
    source = FolderSource(data_dir, "train", CLASSES, with_instances=True)
    assert source.keys == {"labels", "image", "instances"}
    np.testing.assert_array_equal(source.load(0)["instances"], instances)


def test_sources_are_loaded_where_the_folder_exists(data_dir):
    for name in ("b", "a/c"):
        save(data_dir / f"sources/train/{name}.png", PHOTO[::2, ::2])
    source = FolderSource(data_dir, "train", CLASSES)
    assert source.keys == {"labels", "image", "source"}
    np.testing.assert_array_equal(source.load(0)["source"], PHOTO[::2, ::2])


def test_without_photos_none_need_exist(data_dir):
    (data_dir / "images/train/b.png").unlink()
    source = FolderSource(data_dir, "train", CLASSES, photos=False)
    assert source.keys == {"labels"}
    assert set(source.load(1)) == {"labels"}


def test_hidden_files_are_no_samples(data_dir):
    (data_dir / "images/train/._b.png").write_bytes(b"x")
    save(data_dir / "labels/train/.cache/b.png", LABELS)
    assert len(FolderSource(data_dir, "train", CLASSES)) == 2


def test_cityscapes_layout(tmp_path):
    stem = "aachen/aachen_000000_000019"
    save(tmp_path / f"leftImg8bit/val/{stem}_leftImg8bit.png", PHOTO)
    save(tmp_path / f"gtFine/val/{stem}_gtFine_labelIds.png", np.full((4, 6), 26, np.uint8))
    save(tmp_path / f"gtFine/val/{stem}_gtFine_color.png", PHOTO)
    save(tmp_path / f"gtFine/val/{stem}_gtFine_instanceIds.png", np.full((4, 6), 26001, np.uint16))
    source = FolderSource(tmp_path, "val", builtin_classes("cityscapes"), CITYSCAPES, True)
    assert source.names == (stem,)
    sample = source.load(0)
    assert (sample["labels"] == 26).all()
    assert (sample["instances"] == 26001).all()


def test_ade20k_layout_calls_the_splits_otherwise(tmp_path):
    save(tmp_path / "images/validation/ADE_val_00000001.jpg", PHOTO)
    save(tmp_path / "annotations/validation/ADE_val_00000001.png", np.full((4, 6), 150, np.uint8))
    source = FolderSource(tmp_path, "val", builtin_classes("ade20k"), ADE20K)
    assert (source.load(0)["labels"] == 150).all()
    with pytest.raises(UserError, match="no instance maps"):
        FolderSource(tmp_path, "val", builtin_classes("ade20k"), ADE20K, with_instances=True)


def test_label_folder_with_sources_and_instances(tmp_path):
    save(tmp_path / "maps/x/one.png", LABELS)
    save(tmp_path / "sources/x/one.jpg", PHOTO)
    save(tmp_path / "instances/x/one.png", LABELS)
    source = LabelFolderSource(
        tmp_path / "maps", CLASSES, tmp_path / "sources", tmp_path / "instances"
    )
    assert source.names == ("x/one",)
    assert set(source.load(0)) == source.keys == {"labels", "source", "instances"}


def refused(action):
    with pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_and_empty_folders(data_dir):
    message = refused(lambda: FolderSource(data_dir, "val", CLASSES))
    assert str(data_dir / "labels/val") in message
    (data_dir / "labels/val").mkdir()
    message = refused(lambda: FolderSource(data_dir, "val", CLASSES))
    assert str(data_dir / "labels/val") in message
    assert "*.png" in message
    message = refused(lambda: LabelFolderSource(data_dir / "nowhere", CLASSES))
    assert str(data_dir / "nowhere") in message


@pytest.mark.parametrize(
    ("gone", "left"),
    [("images", "labels/train/a/c.png"), ("labels", "images/train/a/c.png")],
)
def test_photo_and_label_map_must_come_in_pairs(data_dir, gone, left):
    (data_dir / gone / "train/a/c.png").unlink()
    message = refused(lambda: FolderSource(data_dir, "train", CLASSES))
    assert str(data_dir / left) in message
    assert str(data_dir / gone / "train") in message


def test_every_label_map_needs_its_instances_and_source(data_dir):
    save(data_dir / "instances/train/b.png", LABELS)
    message = refused(lambda: FolderSource(data_dir, "train", CLASSES, with_instances=True))
    assert str(data_dir / "labels/train/a/c.png") in message
    assert "instance map" in message
    save(data_dir / "sources/train/b.png", PHOTO)
    message = refused(lambda: FolderSource(data_dir, "train", CLASSES))
    assert str(data_dir / "labels/train/a/c.png") in message
    assert "source photo" in message


def test_two_photos_of_one_name(data_dir):
    save(data_dir / "images/train/b.jpg", PHOTO)
    message = refused(lambda: FolderSource(data_dir, "train", CLASSES))
    assert "b.jpg" in message
    assert "b.png" in message


def test_sizes_must_agree(data_dir):
    save(data_dir / "images/train/b.png", PHOTO[:3])
    source = FolderSource(data_dir, "train", CLASSES)
    message = refused(lambda: source.load(1))
    for words in ("6 x 3", "6 x 4", "images/train/b.png", "labels/train/b.png"):
        assert words in message


def test_value_that_is_no_id_is_named_with_its_pixel(data_dir):
    labels = LABELS.copy()
    labels[2, 5] = 17
    save(data_dir / "labels/train/b.png", labels)
    source = FolderSource(data_dir, "train", CLASSES)
    message = refused(lambda: source.load(1))
    for words in ("labels/train/b.png", "label id 17", "(x=5, y=2)", "0 to 2", "void_values"):
        assert words in message


def test_colour_pictures_are_no_label_maps(data_dir):
    save(data_dir / "labels/train/b.png", PHOTO)
    source = FolderSource(data_dir, "train", CLASSES)
    message = refused(lambda: source.load(1))
    for words in ("labels/train/b.png", "RGB", "ids"):
        assert words in message


@pytest.mark.parametrize("folder", ["images", "labels"])
@pytest.mark.parametrize("share", [0, 0.3, 0.7])
def test_cut_off_files_are_named(data_dir, folder, share):
    file = data_dir / folder / "train/b.png"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    source = FolderSource(data_dir, "train", CLASSES)
    assert str(file) in refused(lambda: source.load(1))


def test_damaged_and_foreign_files_are_named(data_dir):
    file = data_dir / "images/train/b.png"
    broken = bytearray(file.read_bytes())
    broken[45:60] = bytes(15)
    for content in (bytes(broken), b"not a picture"):
        file.write_bytes(content)
        assert str(file) in refused(lambda: FolderSource(data_dir, "train", CLASSES).load(1))
    file.unlink()
    save(file, np.zeros((4, 6), np.uint16))
    assert "8 bits" in refused(lambda: FolderSource(data_dir, "train", CLASSES).load(1))

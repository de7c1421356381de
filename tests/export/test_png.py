"""The signature that takes and gives encoded pictures."""

import io

import numpy as np
import pytest
import tensorflow as tf
from grey_png import grey_png
from PIL import Image

from lggan_tf.data.classes import ClassTable
from lggan_tf.data.images import read_labels
from lggan_tf.export import pictures
from lggan_tf.export.drawing import load_graph


def encoded(array, mode=None, form="PNG"):
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def draw(runs):
    """The cross-view run's graph: `draw` and `draw_png`, which traces per number of files."""
    graph, _ = load_graph(runs("cross_view").folder)
    specs = graph.signatures["png"][1]
    function = tf.function(graph.draw_png, input_signature=[specs])

    def draw_png(files):
        return function({n: tf.constant(v, tf.string) for n, v in files.items()})["image_bytes"]

    return graph, draw_png


@pytest.fixture
def files(random_input):
    """Two samples by input, as PNG files."""
    batch = random_input("cross_view", 2, 24, 32)
    return batch, {
        f"{n}_bytes": [encoded(v) for v in values.numpy()] for n, values in batch.items()
    }


def test_draws_what_the_pixels_draw(draw, files):
    graph, draw_png = draw
    batch, given = files
    drawn = draw_png(given).numpy()
    for content, expected in zip(drawn, graph.draw(batch)["image"].numpy(), strict=True):
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_jpeg_photos_and_void_values(draw, files):
    graph, draw_png = draw
    batch, given = files
    labels = batch["labels"].numpy()
    void = np.where(labels == 2, 255, labels).astype("uint8")
    given["labels_bytes"] = [encoded(void[0]), encoded(void[1].astype("uint16"))]
    given["source_bytes"] = [encoded(v, form="JPEG") for v in batch["source"].numpy()]
    # As training reads them; TensorFlow's fast transform is up to 7 levels away.
    photos = [np.asarray(Image.open(io.BytesIO(content))) for content in given["source_bytes"]]
    fast = [
        tf.io.decode_jpeg(content, dct_method="INTEGER_FAST") for content in given["source_bytes"]
    ]
    assert np.abs(np.asarray(fast, "int32") - photos).max() > 1
    expected = graph.draw(batch | {"source": np.stack(photos)})["image"]
    np.testing.assert_array_equal(
        np.stack([tf.io.decode_png(c) for c in draw_png(given).numpy()]), expected
    )


def test_reads_ids_as_the_data_pipeline_does(tmp_path):
    ids = np.random.default_rng(0).integers(0, 300, (5, 7)).astype("uint16")
    classes = ClassTable(tuple(map(str, range(300))), ((0, 0, 0),) * 300)
    small = (ids % 256).astype("uint8")
    for values, file in (
        (ids, encoded(ids)),
        (small, encoded(small)),
        (small % 2, encoded(small % 2 > 0)),
        (small % 2, grey_png(small % 2, 1)),
        (small, grey_png(small, 8)),
    ):
        (tmp_path / "a.png").write_bytes(file)
        content = tf.constant([(tmp_path / "a.png").read_bytes()])
        size = pictures.common_size(content)
        assert size.numpy().tolist() == [5, 7]
        found = pictures.decode_ids(content, "labels_bytes", size)[0]
        np.testing.assert_array_equal(found, read_labels(tmp_path / "a.png", classes))
        np.testing.assert_array_equal(found, values)


GREY = np.zeros((24, 32), "uint8")
RGB = np.zeros((24, 32, 3), "uint8")
SMALL = np.zeros((24, 16), "uint8")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("labels", b"", "labels_bytes must be PNG files"),
        ("labels", b"nonsense" * 9, "labels_bytes must be PNG files"),
        ("labels", encoded(RGB, form="JPEG"), "labels_bytes must be PNG files"),
        ("labels", encoded(RGB), "labels_bytes must be grey PNG of 1, 8 or 16 bits"),
        ("labels", encoded(GREY, "P"), "labels_bytes must be grey PNG of 1, 8 or 16 bits"),
        ("labels", encoded(GREY, "LA"), "labels_bytes must be grey PNG of 1, 8 or 16 bits"),
        ("labels", grey_png(GREY, 2), "labels_bytes must be grey PNG of 1, 8 or 16 bits"),
        ("labels", grey_png(GREY, 4), "labels_bytes must be grey PNG of 1, 8 or 16 bits"),
        ("labels", encoded(GREY + 4), "labels must be below 4, the number of ids, and one is"),
        ("labels", encoded(GREY.astype("uint16") + 256), "labels must be below 4, the number of"),
        ("labels", encoded(SMALL), "labels_bytes must be of one size, and heights and widths"),
        ("labels", encoded(GREY)[:-40], "Invalid PNG"),
        ("source", encoded(SMALL), "source_bytes must have the height and width of labels_bytes"),
        ("source", b"nonsense", "Unknown image file format"),
        ("colours", encoded(SMALL), "colours_bytes must have the height and width of labels_byt"),
    ],
    ids=range(15),  # not the bytes
)
def test_refuses_in_words(draw, files, name, content, words):
    given = files[1]
    given[f"{name}_bytes"] = [given[f"{name}_bytes"][0], content]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        draw[1](given)
    assert words in str(caught.value)


def test_refuses_an_empty_batch(draw):
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels_bytes holds no picture"):
        draw[1]({"labels_bytes": [], "source_bytes": [], "colours_bytes": []})

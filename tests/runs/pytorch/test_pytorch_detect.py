import numpy as np
import pytest

from lggan_tf.data.classes import ClassTable, builtin_classes
from lggan_tf.errors import UserError
from lggan_tf.runs.pytorch_detect import (
    CROSS_VIEW,
    MULTISCALE,
    PATCH,
    SEMANTIC,
    Found,
    class_settings,
    detect,
)
from lggan_tf.runs.pytorch_state import StateDict


@pytest.fixture
def found(authors):
    def get(kind, part="generator", **extra):
        state = authors(kind).states[part]
        return detect(StateDict("net.pth", state | extra))

    return get


@pytest.mark.parametrize(
    ("kind", "part", "network", "channels", "heads", "classified", "recipe"),
    [
        ("groups", "generator", SEMANTIC, 151, 52, 51, "ade20k"),
        pytest.param(
            *("semantic", "generator", SEMANTIC, 36, 35, 35, "cityscapes"), marks=pytest.mark.slow
        ),
        pytest.param(*("town", "generator", SEMANTIC, 12, 12, 12, ""), marks=pytest.mark.slow),
        ("cross_view", "generator", CROSS_VIEW, 6, 6, 0, "dayton_a2g_256"),
        ("cross_view", "discriminator_source", PATCH, 6, 0, 0, ""),
        ("groups", "discriminator_semantic", MULTISCALE, 154, 0, 0, ""),
    ],
)
def test_keys_and_shapes_tell_the_network(
    found, kind, part, network, channels, heads, classified, recipe
):
    what = found(kind, part)
    assert (what.kind, what.channels, what.heads) == (network, channels, heads)
    assert (what.classified, what.recipe) == (classified, recipe)


@pytest.mark.parametrize("kind", ["groups", "cross_view"])
def test_settings_are_those_of_the_network(authors, found, kind):
    """Of all parts: what detection says is what the networks were built from."""
    flat = authors(kind).config.to_flat()
    for part in authors(kind).states:
        told = found(kind, part).settings
        assert len(told) >= 3
        assert told == {name: flat[name] for name in told}


def test_more_is_told_where_there_is_more(found):
    assert found("groups", **{"up_4.conv_0.bias": np.ones(2)}).settings["latent_stride"] == 128
    assert "latent_stride" not in found("groups").settings


def test_a_spare_class_head_does_not_change_what_a_network_is(found):
    spare = {"deconv5_7.weight": np.ones((3, 4, 7, 7)), "deconv5_7.bias": np.ones(3)}
    assert found("cross_view", **spare).recipe == "dayton_a2g_256"


@pytest.mark.parametrize("tensors", [{}, {"features.0.weight": np.ones(3), "b": np.ones(2)}])
def test_other_networks_are_named_by_their_keys(tensors):
    with pytest.raises(UserError) as caught:
        detect(StateDict("net.pth", tensors))
    first = "features.0.weight, b" if tensors else "none at all"
    assert f"net.pth holds none of the authors' networks: its first keys are {first}" in str(
        caught.value
    )


def test_a_file_without_the_tensor_that_tells_the_width():
    with pytest.raises(UserError, match="net.pth has no tensor conv1.weight"):
        detect(StateDict("net.pth", {"deconv5_global.bias": np.ones(3)}))


GREY = ClassTable(tuple("abcde"), tuple((i, i, i) for i in range(5)), (1,))


def semantic(channels, heads, classified):
    return Found(SEMANTIC, {}, channels, heads, classified)


@pytest.mark.parametrize(
    ("table", "found", "void_channel", "told"),
    [
        (builtin_classes("cityscapes"), semantic(36, 35, 35), True, (True, True, 0)),
        (builtin_classes("ade20k"), semantic(151, 52, 51), True, (False, True, 52)),
        (GREY, semantic(5, 4, 4), True, (False, False, 0)),
        (GREY, semantic(6, 5, 5), True, (True, True, 0)),
        (GREY, semantic(4, 4, 4), False, (False, False, 0)),
        (GREY, semantic(5, 3, 2), True, (False, True, 3)),
        (GREY, semantic(5, 3, 0), True, (False, True, 3)),
        (builtin_classes("town"), semantic(12, 5, 4), True, (False, False, 5)),
    ],
)
def test_edges_and_local_classes(table, found, void_channel, told):
    settings = class_settings(found, table, void_channel)
    assert tuple(settings.values()) == told
    assert list(settings) == ["edges", "void_is_class", "local_classes"]


@pytest.mark.parametrize("found", [semantic(7, 5, 5), semantic(4, 4, 4), semantic(5, 6, 6)])
def test_a_class_table_that_does_not_fit(found):
    with pytest.raises(UserError, match="class table with its 5 ids cannot have given"):
        class_settings(found, GREY, True)

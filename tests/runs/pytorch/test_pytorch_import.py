"""Small networks of ours under the authors' keys, and back: a run with the same weights."""

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator
from lggan_tf.runs.pytorch_import import import_run
from lggan_tf.runs.pytorch_names import generator_slots, module_of, state_of
from lggan_tf.runs.pytorch_settings import open_states, run_config

# What the import is not told by the files, beside the size of the perceptual loss.
GIVEN = {"town": {"dataset": "town_semantic", "latent_stride": 16}}


@pytest.fixture
def imported(saved, tmp_path):
    """Kind, settings -> (report, run folder)."""

    def run(kind, paper_exact=True, paths=None, recipe=None, **given):
        paths = paths or saved(kind)
        if kind == "cross_view":
            d1, d2 = (paths.get(f"discriminator_{view}", "") for view in ("source", "semantic"))
            parts = open_states([paths["generator"]], d1, d2)
            recipe = recipe or {
                "dataset": "panels",
                "discriminator_views": "semantic,source",
                "lambda_class": 0.0,
                "lambda_feature_matching": 0.0,
            }
        else:
            parts = open_states(list(paths.values())[::-1])
        given = GIVEN.get(kind, {}) | given
        recipe = recipe or {"dataset": {"semantic": "cityscapes"}.get(kind, "ade20k")}
        config, classes = run_config(parts, recipe, given, paper_exact)
        folder = RunFolder(tmp_path / "runs" / "new")
        return import_run(parts, config, classes, folder), folder

    return run


@pytest.mark.parametrize("kind", ["semantic", "groups", "town", "cross_view"])
def test_a_run_with_the_same_weights_bit_by_bit(authors, imported, kind):
    report, folder = imported(kind)
    wanted = authors(kind)
    assert {r.part for r in report} == set(wanted.states)
    assert all(r.ignored == {} for r in report)
    prepare, generator, step = load_generator(folder)
    assert step == 0
    found = state_of(generator_slots(generator))
    assert found.keys() == wanted.states["generator"].keys()
    for key, value in wanted.states["generator"].items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    assert prepare.get_config() | {"name": ""} == wanted.prepare.get_config() | {"name": ""}
    # And it draws what they draw.
    rng = np.random.default_rng(0)
    side = generator.side_multiple * (1 if kind != "cross_view" else 8)
    batch = {"labels": rng.integers(0, prepare.num_labels, (1, side, side), "uint8")}
    batch["edges"] = batch["labels"] % 2
    batch |= {n: rng.integers(0, 255, (1, side, side, 3), "uint8") for n in ("source", "colours")}
    ours, theirs = generator(prepare(batch)), wanted.generator(wanted.prepare(batch))
    np.testing.assert_allclose(ours["image"], theirs["image"], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "views"), [("town", ["semantic"]), ("cross_view", ["semantic", "source"])]
)
def test_discriminators_are_in_the_checkpoint_each_for_its_view(authors, imported, kind, views):
    """Under the numbers by which `Checkpoints` knows their variables."""
    _, folder = imported(kind)
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folder.checkpoints))
    held = {name.partition("/")[0] for name in reader.get_variable_to_shape_map()}
    assert {f"discriminator_{view}" for view in views} | {"generator", "step"} <= held
    assert not any("optimizer" in name for name in held)
    for view in views:
        first = "model.0" if kind == "cross_view" else "discriminator_0.model0.0"
        kernel = authors(kind).states[f"discriminator_{view}"][f"{first}.weight"]
        name = f"discriminator_{view}/v0000/.ATTRIBUTES/VARIABLE_VALUE"
        np.testing.assert_array_equal(reader.get_tensor(name), kernel.transpose(2, 3, 1, 0))


def test_parameters_are_counted_by_the_authors_modules(authors, imported):
    report, _ = imported("semantic")
    for part in report:
        state = authors("semantic").states[part.part]
        learnt = ("weight", "bias", "weight_orig")
        expected = {}
        for key, value in state.items():
            if key.rpartition(".")[2] in learnt:
                module = module_of(key)
                expected[module] = expected.get(module, 0) + value.size
        assert part.parameters == expected
    (generator,) = (part for part in report if part.part == "generator")
    assert {"conv1", "resnet_blocks*", "deconv5_*", "deconv5_attention", "up_3"} <= set(
        generator.parameters
    )


def test_what_the_authors_never_use_is_named(imported, saved):
    spare = {f"deconv5_7.{name}": np.ones(3) for name in ("weight", "bias")}
    counters = {f"model.3.{name}": np.ones(8) for name in ("running_mean", "running_var")}
    paths = saved("cross_view", generator=spare, discriminator_source=counters)
    report, _ = imported("cross_view", paths=paths)
    ignored = {part.part: list(part.ignored) for part in report}
    assert ignored == {
        "generator": list(spare),
        "discriminator_source": list(counters),
        "discriminator_semantic": [],
    }


EXACT = ("l1_local_slip", "bicubic_labels", "wrap_pixels", "early_decay")


@pytest.mark.parametrize(
    ("kind", "on"),
    [("semantic", EXACT[:1]), ("groups", ()), ("town", ()), ("cross_view", EXACT[1:])],
)
def test_what_reproduces_the_authors_code_is_set_where_it_belongs(imported, kind, on):
    flat = imported(kind)[1].read_config().to_flat()
    assert tuple(name for name in EXACT if flat[name]) == on


def test_the_sound_behaviour_can_be_had(imported):
    flat = imported("cross_view", paper_exact=False)[1].read_config().to_flat()
    assert not any(flat[name] for name in EXACT)


def test_each_can_be_turned_off_alone(imported):
    flat = imported("cross_view", wrap_pixels=False)[1].read_config().to_flat()
    assert (flat["wrap_pixels"], flat["early_decay"]) == (False, True)


def test_a_generator_alone(authors, imported, saved):
    paths = {"generator": saved("semantic")["generator"]}
    report, folder = imported("semantic", paths=paths)
    assert [part.part for part in report] == ["generator"]
    assert folder.read_config().views == ("semantic",)


def spoilt(key, change):
    return lambda states: states["generator"].__setitem__(key, change(states["generator"][key]))


REFUSED = {
    "a missing tensor": (
        lambda states: states["generator"].pop("conv3.bias"),
        {},
        "generator.npz has no tensor conv3.bias",
    ),
    "a missing tensor of D": (
        lambda states: states["discriminator_semantic"].pop("discriminator_1.model2.0.0.weight_u"),
        {},
        "discriminator_semantic.npz has no tensor discriminator_1.model2.0.0.weight_u",
    ),
    "one too many": (
        lambda states: states["generator"].update({"conv6.weight": np.ones(2)}),
        {},
        "generator.npz holds conv6.weight, which the network",
    ),
    "another shape": (
        spoilt("deconv9.weight", lambda w: w[:, :-1]),
        {},
        "deconv9.weight has the shape (3, 35, 3, 3), but the network that the settings describe "
        "has (3, 36, 3, 3) there",
    ),
    "not a number": (
        spoilt("up_2.conv_0.bias", lambda b: b * np.nan),
        {},
        "up_2.conv_0.bias holds other than finite numbers",
    ),
    "another width": (
        lambda states: None,
        {"filters": 8},
        "--filters=8 does not fit",
    ),
    "another stride with other tensors": (
        lambda states: None,
        {"latent_stride": 128, "image_width": 128, "image_height": 128},
        "has no tensor up_4.conv_0.weight_orig",
    ),
    "other classes": (
        lambda states: None,
        {"dataset": "cityscapes"},
        "12 input channels and 12 class heads, which the class table with its 35 ids",
    ),
    "no class table": (
        lambda states: None,
        {"dataset": "folder", "data_dir": "", "classes_file": ""},
        "of no data set known here: give --classes_file, or --dataset and --data_dir",
    ),
    "a view that is not judged": (
        lambda states: None,
        {"discriminator_views": "", "lambda_gan": 0.0, "lambda_feature_matching": 0.0},
        "is a discriminator for the view semantic, which --discriminator_views= leaves out",
    ),
    "settings that do not fit together": (
        lambda states: None,
        {"image_width": 40},
        "--image_width=40 is not a positive multiple of 16",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_named_and_nothing_is_written(authors, imported, tmp_path, what):
    spoil, given, words = REFUSED[what]
    states = {part: dict(state) for part, state in authors("town").states.items()}
    spoil(states)
    paths = {part: str(tmp_path / f"{part}.npz") for part in states}
    for part, state in states.items():
        np.savez(paths[part], **state)
    with pytest.raises(UserError) as caught:
        imported("town", paths=paths, recipe={"dataset": "town_semantic"}, **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_files_that_do_not_go_together(saved, tmp_path):
    cross, town = saved("cross_view"), {}
    for part, path in cross.items():
        cross[part] = path.replace(".npz", "_cross.npz")
        (tmp_path / f"{part}.npz").rename(cross[part])
    town = saved("town")
    g, d1, d2 = (cross[p] for p in ("generator", "discriminator_source", "discriminator_semantic"))
    for arguments, words in (
        (([g, d1],), "whose keys do not tell which one: give it as --d1"),
        (([g], town["discriminator_semantic"]), "holds a multiscale discriminator, not a cross"),
        (([g, town["generator"]],), "both hold a semantic generator"),
        (([town["discriminator_semantic"]],), "--weights names no generator"),
        (([g, town["discriminator_semantic"]],), "does not belong to the cross-view generator"),
        (([town["generator"]], d1), "does not belong to the semantic generator"),
        ((["missing.npz"],), "missing.npz cannot be read"),
    ):
        with pytest.raises(UserError) as caught:
            open_states(*arguments)
        assert words in str(caught.value)
    with np.load(d2) as stored:
        wide = {key: stored[key] for key in stored.files}
    wide["model.0.weight"] = wide["model.0.weight"].repeat(2, axis=0)
    np.savez(d2, **wide)
    with pytest.raises(UserError, match="discriminators of different width or depth"):
        open_states([g], d1, d2)


def test_a_place_that_is_taken_or_cannot_be_written(imported, saved, tmp_path, monkeypatch):
    imported("town")
    with pytest.raises(UserError, match="runs/new exists already; choose another --run_dir"):
        imported("town")
    (tmp_path / "runs").rename(tmp_path / "before")
    (tmp_path / "runs").write_text("x")
    with pytest.raises(UserError, match="cannot write .*choose another --run_dir"):
        imported("town")
    (tmp_path / "runs").unlink()

    def full(*_):
        raise UserError("cannot save a checkpoint")

    monkeypatch.setattr("lggan_tf.runs.checkpoints.Checkpoints.save", full)
    with pytest.raises(UserError, match="cannot save a checkpoint"):
        imported("town")
    assert list((tmp_path / "runs").iterdir()) == []

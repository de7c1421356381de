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

# In place of the recipe that the tool chooses, and what the files of the town do not tell.
RECIPES = {
    "semantic": {"dataset": "cityscapes"},
    "groups": {"dataset": "ade20k"},
    "town": {"dataset": "town_semantic", "latent_stride": 16},
    "cross_view": {
        "dataset": "panels",
        "discriminator_views": "semantic,source",
        "lambda_class": 0.0,
        "lambda_feature_matching": 0.0,
    },
}


def settings(kind, paths, paper_exact=True, **given):
    """Parts, config and class table of the files."""
    if kind == "cross_view":
        d1, d2 = (paths.get(f"discriminator_{view}", "") for view in ("source", "semantic"))
        parts = open_states([paths["generator"]], d1, d2)
    else:
        parts = open_states(list(paths.values())[::-1])
        given = ({"dataset": "town_semantic"} if kind == "town" else {}) | given
    return parts, *run_config(parts, RECIPES[kind], given, paper_exact)


@pytest.fixture(scope="module")
def imported(authors, tmp_path_factory):
    """Kind -> (report, folder of the run), imported when first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            root, paths = tmp_path_factory.mktemp(kind), {}
            for part, state in authors(kind).states.items():
                paths[part] = str(root / f"{part}.npz")
                np.savez(paths[part], **state)
            folder = RunFolder(root / "runs" / "new")
            made[kind] = import_run(*settings(kind, paths), folder), folder
        return made[kind]

    return get


# A SPADE generator takes Keras some ten seconds to build: one kind is enough for a quick run.
SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("semantic", "town")]


@pytest.mark.parametrize("kind", ["groups", "cross_view", *SLOW])
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
    ("kind", "views"), [("groups", ["semantic"]), ("cross_view", ["semantic", "source"])]
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
    report, _ = imported("groups")
    for part in report:
        state = authors("groups").states[part.part]
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


def test_what_the_authors_never_use_is_named(saved, tmp_path):
    spare = {f"deconv5_7.{name}": np.ones(3) for name in ("weight", "bias")}
    counters = {f"model.3.{name}": np.ones(8) for name in ("running_mean", "running_var")}
    paths = saved("cross_view", generator=spare, discriminator_source=counters)
    report = import_run(*settings("cross_view", paths), RunFolder(tmp_path / "run"))
    ignored = {part.part: list(part.ignored) for part in report}
    assert ignored == {
        "generator": list(spare),
        "discriminator_source": list(counters),
        "discriminator_semantic": [],
    }


EXACT = ("l1_local_slip", "bicubic_labels", "wrap_pixels", "early_decay", "paper_exact")


@pytest.mark.parametrize(
    ("kind", "on"),
    [
        ("groups", EXACT[4:]),
        ("cross_view", EXACT[1:]),
        pytest.param("semantic", (EXACT[0], EXACT[4]), marks=pytest.mark.slow),
        pytest.param("town", EXACT[4:], marks=pytest.mark.slow),
    ],
)
def test_what_reproduces_the_authors_code_is_set_where_it_belongs(saved, kind, on):
    def turned_on(**changed):
        flat = settings(kind, paths, **changed)[1].to_flat()
        return tuple(name for name in EXACT if flat[name])

    paths = saved(kind)
    assert turned_on() == on
    assert turned_on(paper_exact=False) == ()
    # Their semantic trainer moves G first, whatever the classes.
    order = settings(kind, paths)[1].train.update_order
    assert order == ("discriminator_first" if kind == "cross_view" else "generator_first")
    for name in set(on) - {"paper_exact"}:
        assert turned_on(**{name: False}) == tuple(n for n in on if n != name)


def test_a_generator_alone(saved, tmp_path):
    """Its discriminators are still part of the run: training makes them."""
    paths = {"generator": saved("cross_view")["generator"]}
    folder = RunFolder(tmp_path / "run")
    report = import_run(*settings("cross_view", paths), folder)
    assert [part.part for part in report] == ["generator"]
    assert folder.read_config().views == ("semantic", "source")
    assert load_generator(folder)[2] == 0


def spoilt(key, change):
    return lambda states: states["generator"].__setitem__(key, change(states["generator"][key]))


# Kind of network, what is done to its files, settings -> words.
REFUSED = {
    "a missing tensor": (
        "cross_view",
        lambda states: states["generator"].pop("conv3.bias"),
        {},
        "generator.npz has no tensor conv3.bias",
    ),
    "a missing tensor of D": (
        "cross_view",
        lambda states: states["discriminator_semantic"].pop("model.5.bias"),
        {},
        "discriminator_semantic.npz has no tensor model.5.bias",
    ),
    "one too many": (
        "cross_view",
        lambda states: states["generator"].update({"conv6.weight": np.ones(2)}),
        {},
        "generator.npz holds conv6.weight, which the network",
    ),
    "another shape": (
        "cross_view",
        spoilt("deconv5_2.weight", lambda w: w[:, :-1]),
        {},
        "deconv5_2.weight has the shape (3, 3, 7, 7), but the network that the settings describe "
        "has (3, 4, 7, 7) there",
    ),
    "not a number": (
        "cross_view",
        spoilt("deconv4_global.bias", lambda b: b * np.nan),
        {},
        "deconv4_global.bias holds other than finite numbers",
    ),
    "another width": ("groups", lambda states: None, {"filters": 8}, "--filters=8 does not fit"),
    "other classes": (
        "groups",
        lambda states: None,
        {"dataset": "cityscapes"},
        "151 input channels and 52 class heads, which the class table with its 35 ids",
    ),
    "no class table": (
        "groups",
        spoilt("conv1.weight", lambda w: w[:, :-1]),
        {},
        "150 input channels, of no data set known here: give --classes_file, or --dataset and "
        "--data_dir",
    ),
    "a view that is not judged": (
        "groups",
        lambda states: None,
        {"discriminator_views": "", "lambda_gan": 0.0, "lambda_feature_matching": 0.0},
        "is a discriminator for the view semantic, which --discriminator_views= leaves out",
    ),
    "settings that do not fit together": (
        "groups",
        lambda states: None,
        {"image_width": 40},
        "--image_width=40 is not a positive multiple of 32",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_named_and_nothing_is_written(authors, tmp_path, what):
    kind, spoil, given, words = REFUSED[what]
    states = {part: dict(state) for part, state in authors(kind).states.items()}
    spoil(states)
    paths = {part: str(tmp_path / f"{part}.npz") for part in states}
    for part, state in states.items():
        np.savez(paths[part], **state)
    with pytest.raises(UserError) as caught:
        import_run(*settings(kind, paths, **given), RunFolder(tmp_path / "runs" / "new"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_files_that_do_not_go_together(saved, tmp_path):
    cross = saved("cross_view")
    for part, path in cross.items():
        cross[part] = path.replace(".npz", "_cross.npz")
        (tmp_path / f"{part}.npz").rename(cross[part])
    ade = saved("groups")
    g, d1, d2 = (cross[p] for p in ("generator", "discriminator_source", "discriminator_semantic"))
    for arguments, words in (
        (([g, d1],), "whose keys do not tell which one: give it as --d1"),
        (([g], ade["discriminator_semantic"]), "holds a multiscale discriminator, not a cross"),
        (([g, ade["generator"]],), "both hold a semantic generator"),
        (([ade["discriminator_semantic"]],), "--weights names no generator"),
        (([g, ade["discriminator_semantic"]],), "does not belong to the cross-view generator"),
        (([ade["generator"]], d1), "does not belong to the semantic generator"),
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


def test_a_place_that_is_taken_or_cannot_be_written(saved, tmp_path, monkeypatch):
    found = settings("cross_view", saved("cross_view"))
    with pytest.raises(UserError, match=f"{tmp_path} exists already; choose another --run_dir"):
        import_run(*found, RunFolder(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write .*choose another --run_dir"):
        import_run(*found, RunFolder(tmp_path / "file" / "run"))

    def full(*_):
        raise UserError("cannot save a checkpoint")

    monkeypatch.setattr("lggan_tf.runs.checkpoints.Checkpoints.save", full)
    found = settings("cross_view", saved("cross_view"))
    with pytest.raises(UserError, match="cannot save a checkpoint"):
        import_run(*found, RunFolder(tmp_path / "runs" / "new"))
    assert list((tmp_path / "runs").iterdir()) == []

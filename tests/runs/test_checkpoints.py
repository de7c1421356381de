from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator


def step_variable(value=0):
    return tf.Variable(value, dtype=tf.int64)


def everything(model):
    """Every array that a run needs to go on, by name."""
    parts = {"g": model.generator, "g_opt": model.generator_optimizer}
    parts |= {f"d_{view}": d for view, d in model.discriminators.items()}
    parts["d_opt"] = model.discriminator_optimizer
    return {
        f"{part}/{number}/{variable.path}": np.array(variable)
        for part, network in parts.items()
        for number, variable in enumerate(network.variables)
    }


@pytest.fixture(scope="module")
def folder(trained, settings, classes, tmp_path_factory):
    """A run with one checkpoint, of step 7."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "a")
    folder.create(Config.from_flat(settings), classes)
    assert Checkpoints(folder, trained, step_variable(7)).save() == str(
        folder.checkpoints / "ckpt-7"
    )
    return folder


def test_a_fresh_model_becomes_the_saved_one_bit_by_bit(folder, trained, build, batch):
    fresh, step = build(seed=2), step_variable()
    before = everything(fresh)
    assert Checkpoints(folder, fresh, step).restore() == 7 == int(step.numpy())
    wanted, found = everything(trained), everything(fresh)
    assert len(wanted) == len(found) > 500
    for a, b, (name, old) in zip(wanted.values(), found.values(), before.items(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
        # Only biases that stand before a norm, and rates, may be what they were.
        assert not np.array_equal(b, old) or name.endswith(("bias", "learning_rate")) or not b.any()
    terms, expected = fresh.step(batch), trained.step(batch)
    for name in expected:
        np.testing.assert_allclose(terms[name], expected[name], rtol=1e-5)


def test_the_generator_alone(folder, trained, build, batch):
    """From the files, without the model that wrote them."""
    saved = build(seed=3)
    Checkpoints(folder, saved, step_variable()).restore()
    prepare, generator, step = load_generator(folder)
    assert step == 7
    drawn = generator(prepare({"labels": batch["labels"]}), training=False)
    np.testing.assert_array_equal(drawn["image"], saved(batch)["image"])


@pytest.mark.parametrize(
    "changed", [{"residual_blocks": 2}, {"residual_blocks": 0}, {"classes": 3}]
)
def test_another_architecture_is_refused(folder, build, changed):
    if "classes" in changed:
        grey = tuple((i, i, i) for i in range(4))
        model = build(ClassTable(("a", "b", "c", "void"), grey, (3,)))
    else:
        model = build(**changed)
    with pytest.raises(UserError) as caught:
        Checkpoints(folder, model, step_variable()).restore()
    assert f"the checkpoint {folder.checkpoints / 'ckpt-7'} does not fit this run" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [".data", ".index"])
def test_a_damaged_checkpoint_is_refused(folder, trained, tmp_path, kind):
    copy = RunFolder(tmp_path)
    copy.checkpoints.mkdir()
    for file in folder.checkpoints.iterdir():
        content = file.read_bytes()
        cut = kind in file.name
        (copy.checkpoints / file.name).write_bytes(content[: len(content) // 2] if cut else content)
    with pytest.raises(
        UserError, match=r"no checkpoint in .* is whole \(ckpt-7 \(ckpt-7.*not as it was written"
    ):
        Checkpoints(copy, trained, step_variable()).restore()


def test_a_damaged_one_is_reported_and_the_one_before_is_restored(folder, trained, tmp_path):
    copy, lines = RunFolder(tmp_path), []
    copy.checkpoints.mkdir()
    for file in folder.checkpoints.glob("ckpt-*"):
        (copy.checkpoints / file.name).write_bytes(file.read_bytes())
    step = step_variable(9)
    Checkpoints(copy, trained, step).save()
    (copy.checkpoints / "ckpt-9.index").write_bytes(b"nothing")
    assert Checkpoints(copy, trained, step, say=lines.append).restore() == 7
    assert lines == [
        "damaged and left out: ckpt-9 (ckpt-9.index is not as it was written); ckpt-7 is used"
    ]


def test_without_a_checkpoint(trained, tmp_path):
    checkpoints = Checkpoints(RunFolder(tmp_path), trained, step_variable())
    assert checkpoints.latest is None
    with pytest.raises(UserError) as caught:
        checkpoints.restore()
    assert str(caught.value) == f"{tmp_path} has no checkpoint yet; train it first"


def test_the_newest_are_kept(trained, tmp_path):
    folder, step = RunFolder(tmp_path), step_variable()
    checkpoints = Checkpoints(folder, trained, step, keep=2)
    for number in (5, 10, 15):
        step.assign(number)
        checkpoints.save()
    assert sorted(p.stem for p in folder.checkpoints.glob("*.index")) == ["ckpt-10", "ckpt-15"]
    assert checkpoints.latest == str(folder.checkpoints / "ckpt-15")
    # A process that comes later keeps count of those before it.
    later = Checkpoints(folder, trained, step, keep=2)
    step.assign(20)
    later.save()
    assert sorted(p.stem for p in folder.checkpoints.glob("*.index")) == ["ckpt-15", "ckpt-20"]


def test_a_place_that_cannot_be_written(trained, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot save a checkpoint in .*choose another --run_dir"):
        Checkpoints(RunFolder(tmp_path / "file"), trained, step_variable()).save()


def held(folder):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folder.checkpoints))
    return {name.partition("/")[0] for name in reader.get_variable_to_shape_map()}


# No SPADE, which takes Keras long to build.
CHEAP = {"global_generator": "resnet", "discriminator": "patch"}


@pytest.fixture(scope="module")
def source(build):
    return build(seed=1, **CHEAP)


@pytest.fixture
def start(source, tmp_path):
    """A checkpoint of step 0 without optimizers, as an import writes it; with or without D."""

    def make(with_judges):
        folder = RunFolder(tmp_path / "start")
        judges = source.discriminators if with_judges else {}
        parts = SimpleNamespace(compiled=False, generator=source.generator, discriminators=judges)
        Checkpoints(folder, parts, step_variable()).save()
        return folder

    return make


@pytest.mark.parametrize("with_judges", [True, False])
def test_a_checkpoint_without_optimizers_is_a_start(source, build, start, with_judges):
    """What it holds is taken, the rest stays as it was made, and the next one holds everything."""
    folder, fresh = start(with_judges), build(seed=2, **CHEAP)
    before, checkpoints = everything(fresh), Checkpoints(folder, fresh, step_variable())
    optimizers = ("generator_optimizer", "discriminator_optimizer")
    assert checkpoints.missing == (() if with_judges else ("discriminator_semantic",)) + optimizers
    assert checkpoints.restore() == 0
    wanted, found = everything(source), everything(fresh)
    for a, (name, b), old in zip(wanted.values(), found.items(), before.values(), strict=True):
        is_held = name.startswith("g/") or (with_judges and name.startswith("d_semantic/"))
        np.testing.assert_array_equal(b, a if is_held else old, err_msg=name)
        kernels = "kernel" in name and "opt" not in name
        assert not kernels or np.array_equal(b, old) != is_held, name
    checkpoints.save()
    assert {"generator", "discriminator_semantic", *optimizers} <= held(folder)
    assert Checkpoints(folder, fresh, step_variable()).missing == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"filters": 8},
        # A discriminator in the checkpoint that this model has not.
        {"discriminator_views": "", "lambda_gan": 0.0, "lambda_feature_matching": 0.0},
    ],
)
def test_a_start_of_another_architecture_is_refused(start, build, changed):
    with pytest.raises(UserError, match="ckpt-0 does not fit this run"):
        Checkpoints(start(True), build(**CHEAP | changed), step_variable()).restore()

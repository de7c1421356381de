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
    with pytest.raises(UserError, match="ckpt-7 does not fit this run"):
        Checkpoints(copy, trained, step_variable()).restore()


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

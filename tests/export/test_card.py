import json
import shutil

import pytest

from lggan_tf.errors import UserError
from lggan_tf.export import card as cards
from lggan_tf.export.saved_model import export_saved_model
from lggan_tf.runs.folder import RunFolder


@pytest.fixture
def folder(runs, tmp_path):
    """A copy of the run that a test may add to."""
    return RunFolder(shutil.copytree(runs("cross_view").folder.path, tmp_path / "run"))


def test_card_of_an_exported_model(runs, folder, tmp_path):
    scores = {"mean_l1": 0.25, "feature_distance": 0.5}
    (folder.path / "metrics.json").write_text(json.dumps(scores))
    version = export_saved_model(folder, tmp_path / "models", "street")
    card = json.loads((version / "assets.extra" / "card.json").read_text())
    run = runs("cross_view")
    assert (card["name"], card["step"], card["trained_at"]) == ("street", 12, [32, 32])
    assert card["parameters"] == sum(v.numpy().size for v in run.generator.variables)
    assert card["scores"] == scores
    assert card["settings"] == run.folder.read_config().to_flat()
    assert card["signatures"]["png"] == ["labels_bytes", "colours_bytes", "source_bytes"]
    assert card["code_sha256"] == cards.code_hash()
    text = (version / "assets.extra" / "card.md").read_text()
    assert text == cards.as_markdown(card)
    for words in (
        "# street\n",
        "after 12 steps at 32 x 32 pixels",
        "- labels: [batch, height, width] uint8, the class ids of classes.json, 0 to 3.",
        "- Height and width are multiples of 4 and at least 8.",
        "- source: [batch, height, width, 3] uint8, RGB photo of the source view.",
        '"mean_l1": 0.25',
        "| `filters` | 4 |",
    ):
        assert words in text
    assert "| `flip` |" not in text  # as it is by default


def test_broken_metrics_stop_the_export(folder, tmp_path):
    (folder.path / "metrics.json").write_text("{")
    with pytest.raises(UserError, match="metrics.json is not JSON .*; mend or remove it"):
        export_saved_model(folder, tmp_path / "models", "street")
    assert not (tmp_path / "models").exists()


def test_the_hash_is_of_paths_and_contents(tmp_path, monkeypatch):
    monkeypatch.setattr(cards.lggan_tf, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "a").mkdir()
    seen = set()
    for name, content in (("a/b.py", "x"), ("a/b.py", "y"), ("a/c.json", "x"), ("a/d.txt", "x")):
        (tmp_path / name).write_text(content)
        seen.add(cards.code_hash())
    assert len(seen) == 3  # text files do not count

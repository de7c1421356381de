"""Nothing is written over what is read, however both are spelt."""

import pytest
from PIL import Image

from lggan_tf.bin import generate, runner, train
from lggan_tf.bin.places import check_output_apart
from lggan_tf.errors import UserError


@pytest.fixture
def maps(tmp_path, monkeypatch):
    (tmp_path / "maps" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "maps")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "maps"


@pytest.mark.parametrize(
    "output", ["maps", "maps/", "./maps", "maps/../maps", "link", "maps/sub", "link/new/deep", "."]
)
def test_spellings_of_a_place(maps, output):
    apart = output == "."
    if apart:
        check_output_apart("output_dir", output, {"--labels_dir": "maps"})
        return
    for folder in ("maps", "link", maps):
        with pytest.raises(UserError, match=f"--output_dir={output} is .* --labels_dir="):
            check_output_apart("output_dir", output, {"--sources_dir": "", "--labels_dir": folder})


@pytest.mark.parametrize("flag", ["labels_dir", "sources_dir", "instances_dir"])
def test_lggan_generate_leaves_its_inputs_alone(maps, capsys, flag):
    Image.new("L", (8, 8)).save(maps / "a.png")
    before = (maps / "a.png").read_bytes()
    arguments = ["--model=M", f"--{flag}=maps", "--output_dir=link"]
    with pytest.raises(SystemExit) as ended:
        runner.run(generate.main, generate.define, ["lggan-generate", *arguments])
    assert ended.value.code == 2
    assert f"--output_dir=link is the same folder as --{flag}=maps" in capsys.readouterr().err
    assert (maps / "a.png").read_bytes() == before


@pytest.mark.parametrize("run_dir", ["maps", "maps/runs/new"])
def test_lggan_train_writes_no_run_among_its_data(maps, capsys, run_dir):
    arguments = ["--dataset=folder", "--data_dir=maps", f"--run_dir={run_dir}"]
    with pytest.raises(SystemExit) as ended:
        runner.run(train.main, train.define, ["lggan-train", "--lambda_perceptual=0", *arguments])
    assert ended.value.code == 2
    assert f"--run_dir={run_dir} is " in capsys.readouterr().err
    assert [path.name for path in maps.iterdir()] == ["sub"]

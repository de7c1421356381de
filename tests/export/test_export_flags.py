"""The command line of TFLite exports."""

import pytest

from lggan_tf.bin import export, runner
from lggan_tf.export import tflite, tflite_check


@pytest.fixture
def called(runs, capsys):
    """Arguments -> exit code, stdout, stderr of `lggan-export` on the cross-view run."""

    def call(*arguments):
        run_dir = runs("cross_view").folder.path
        with pytest.raises(SystemExit) as caught:
            argv = ["lggan-export", f"--run_dir={run_dir}", *arguments]
            runner.run(export.main, export.define, argv)
        return caught.value.code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quantize=int8"], "--quantize has no meaning for --format=saved_model; leave it out"),
        (["--height=64"], "--height has no meaning for --format=saved_model; leave it out"),
        (["--format=tflite", "--savedmodels_dir=x"], "--savedmodels_dir has no meaning for"),
        (["--format=tflite", "--min_psnr=3"], "--min_psnr is the bound of --quantize=int8"),
        (["--format=tflite", "--quantize=int4"], "should be one of <none|float16|dynamic|int16x8"),
    ],
)
def test_flags_that_do_not_go_together(called, arguments, words):
    code, _, err = called(*arguments)
    assert code == 2 and words in err and len(err.splitlines()) == 1


def test_file_and_findings(called, runs, monkeypatch, tmp_path):
    given = []
    found = tflite_check.Findings(2_000_000, 8, 41.23, 0.02, 12.3, 2, ("ADD", "CAST"), ("ADD",))
    monkeypatch.setattr(tflite, "export_tflite", lambda *args: given.append(args) or found)
    options = ("--format=tflite", "--quantize=int16x8", "--width=64", "--name=street")
    code, out, err = called(*options, f"--tflite_dir={tmp_path}")
    file = tmp_path / "street_32x64_int16x8.tflite"
    assert (code, err) == (0, "") and given[0][1:] == (file, "int16x8", 32, 64, 20.0, "latest")
    assert f"exported {file}: 2.00 MB, 41.2 dB and at most 0.02 from the SavedModel on 8" in out
    assert "12.3 ms per image on 2 threads" in out
    assert out.splitlines()[-1] == "operators that compute in float32: ADD"

"""What the environment says about Keras, and the binaries."""

import pytest

from lggan_tf.bin import generate, quiet, runner
from lggan_tf.errors import UserError


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_keras_2_by_environment_is_refused_in_a_sentence(monkeypatch, capsys, value):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
    with pytest.raises(UserError, match=f"TF_USE_LEGACY_KERAS={value} asks .* unset it"):
        quiet.load_tensorflow()
    arguments = ["lggan-generate", "--model=M", "--labels_dir=L", "--output_dir=O"]
    with pytest.raises(SystemExit) as ended:
        runner.run(generate.main, generate.define, arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lggan-generate: error: TF_USE_LEGACY_KERAS=")

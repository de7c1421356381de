#!/usr/bin/env bash
# keras.layers.BatchNormalization(synchronized=True) takes the variance as the mean of squares minus the square of the
# mean, also on one device; without `synchronized` it takes the mean of squared differences. Where the mean is large
# against the deviation the first loses the variance altogether in float32, and the layer's output is anything.
#
# Seen with tensorflow 2.21.0, keras 3.15.1, numpy 2.4.6 on a CPU (x86-64): of 4096 values around 100 with a deviation
# of 0.01 (variance 1.0e-4) the plain layer finds 1.0e-4. The synchronized one is off by more than half of it, and its
# output's deviation, which should be 0.95 (epsilon 1e-5), is off by more than 0.2.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

values = (100 + 0.01 * np.random.default_rng(0).standard_normal((1, 64, 64, 1))).astype("float32")
true = values.astype("float64").var()
found, spread = {}, {}
for synchronized in (False, True):
    layer = keras.layers.BatchNormalization(
        momentum=0.0, epsilon=1e-5, center=False, scale=False, synchronized=synchronized
    )
    spread[synchronized] = float(np.std(layer(values, training=True)))
    found[synchronized] = float(layer.moving_variance[0])
print(f"keras {keras.__version__}: true variance {true:.3g}")
for synchronized in (False, True):
    print(f"synchronized={synchronized}: {found[synchronized]:.3g}, output deviates {spread[synchronized]:.3g}")
assert abs(found[False] / true - 1) < 0.05 and abs(spread[False] - 0.95) < 0.01
assert abs(found[True] / true - 1) > 0.5 and abs(spread[True] - 0.95) > 0.2
PYTHON

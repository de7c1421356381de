"""The two ways in which the authors draw kernels."""

import math

import keras

STDDEV = 0.02


def kernel_initializer(name: str) -> keras.initializers.Initializer:
    """A new initializer, so that no two kernels share their random numbers.

    "normal": N(0, 0.02), cross-view and all residual blocks. "xavier": Glorot normal, not
    truncated, with gain 0.02, the rest of semantic synthesis (spec, sections 3 and 6). Biases start
    at 0 in both.
    """
    if name == "normal":
        return keras.initializers.RandomNormal(stddev=STDDEV)
    if name == "xavier":
        return keras.initializers.VarianceScaling(STDDEV**2, "fan_avg", "untruncated_normal")
    raise ValueError(f"no initializer is called {name!r}; use 'normal' or 'xavier'")


def class_kernel_initializer(
    name: str, kernel_shape: tuple[int, ...]
) -> keras.initializers.Initializer:
    """The same for a stack `[classes, height, width, in, out]`; fans count one kernel only.

    Args:
        name: "normal" or "xavier".
        kernel_shape: `(height, width, in, out)` of one class's kernel.
    """
    if name == "normal":
        return keras.initializers.RandomNormal(stddev=STDDEV)
    if name != "xavier":
        raise ValueError(f"no initializer is called {name!r}; use 'normal' or 'xavier'")
    height, width, channels, filters = kernel_shape
    deviation = STDDEV * math.sqrt(2.0 / (height * width * (channels + filters)))
    return keras.initializers.RandomNormal(stddev=deviation)

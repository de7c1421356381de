"""What a step tells beside its losses: names begin with `metric/`, and no total holds them.

Values are a device's share, as those of the losses are: they add up to the value of the batch.
"""

import tensorflow as tf

from lggan_tf.losses.objective import Judged


def metric_names(views: tuple[str, ...], has_weight_map: bool) -> tuple[str, ...]:
    """Names of all metrics of a step, in order."""
    kinds = [f"metric/accuracy_{kind}_{view}" for view in views for kind in ("fake", "real")]
    branches = ["metric/weight_global", "metric/weight_local"] if has_weight_map else []
    networks = ["generator"] + ["discriminator"] * bool(views)
    return (*kinds, *branches, *(f"metric/gradient_norm_{name}" for name in networks))


def accuracies(gan_loss: str, fakes: Judged, reals: Judged, parts: int = 1) -> dict[str, tf.Tensor]:
    """Share of the patches that D takes for what they are, per view, 0 to 1.

    Half of them if it guesses. A mean over scales and drawn images; the photo counts as often as
    it was judged.

    Args:
        gan_loss: "least_squares" wants 0 and 1 and is right on either side of 1/2; the others are
            right on either side of 0.
        fakes: D's opinion of the drawn images.
        reals: that of the photo, per drawn image.
        parts: of how many equal parts of the device's share this is one.
    """
    limit = 0.5 if gan_loss == "least_squares" else 0.0
    found = {}
    for view in fakes:
        for kind, judged in (("fake", fakes[view]), ("real", reals[view])):
            rights = [
                tf.reduce_mean(tf.cast((maps[-1] > limit) == (kind == "real"), "float32"))
                for scales in judged.values()
                for maps in scales
            ]
            found[f"metric/accuracy_{kind}_{view}"] = _share(tf.add_n(rights) / len(rights), parts)
    return found


def weight_means(outputs: dict[str, tf.Tensor], parts: int = 1) -> dict[str, tf.Tensor]:
    """Mean of each branch's weight over the batch, 0 to 1; nothing where one branch draws alone."""
    names = ("weight_global", "weight_local")
    return {
        f"metric/{name}": _share(tf.reduce_mean(tf.cast(outputs[name], "float32")), parts)
        for name in names
        if name in outputs
    }


def _share(value: tf.Tensor, parts: int) -> tf.Tensor:
    return value / (tf.distribute.get_strategy().num_replicas_in_sync * parts)

"""What the discriminators say of drawn images and photos (paper, section 3.4)."""

import tensorflow as tf

from lggan_tf.losses.objective import Judged


def judge(
    discriminators: dict,
    prepared: dict[str, tf.Tensor],
    images: dict[str, tf.Tensor],
    groups: list[list[str]],
    training: bool,
    with_real: bool = True,
    drawn_for: dict[str, tf.Tensor] | None = None,
) -> tuple[Judged, Judged]:
    """Every view's opinion of the drawn images and, per drawn image, of the photo.

    Args:
        discriminators: by view.
        prepared: the prepared batch (`Prepare.call`), with its photo.
        images: drawn images `[B,H,W,3]` by name.
        groups: names of images that are judged in one pass, each with the photo.
        training: whether spectral vectors move.
        with_real: whether the photo is judged; None stands for each opinion if not.
        drawn_for: the prepared batch that the images were drawn for, if it is another one.
    """
    drawn_for = drawn_for or prepared
    fakes, reals = {}, {}
    for view, discriminator in discriminators.items():
        fakes[view], reals[view] = {}, {}
        for group in groups:
            shown = [_seen(view, drawn_for, images[name]) for name in group]
            if with_real:
                shown.append(_seen(view, prepared, prepared["image"]))
            scales = discriminator(tf.concat(shown, 0), training=training)
            parts = [[tf.split(maps, len(shown)) for maps in scale] for scale in scales]
            opinions = [[[maps[i] for maps in scale] for scale in parts] for i in range(len(shown))]
            fakes[view] |= dict(zip(group, opinions, strict=False))
            reals[view] |= dict.fromkeys(group, opinions[-1] if with_real else None)
    return fakes, reals


def _seen(view, prepared, image):
    """What the discriminator of a view sees, `[B,H,W,C]`: its condition, if any, and the image."""
    if view == "image":
        return image
    return tf.concat([prepared[view], tf.cast(image, prepared[view].dtype)], axis=-1)

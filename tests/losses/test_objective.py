import dataclasses

import pytest
import tensorflow as tf

from lggan_tf.losses.objective import Objective, drawn_images

NAMES = ("image", "image_global", "image_local")
NOTHING = Objective(
    lambda_gan=0, lambda_feature_matching=0, lambda_l1_local=0, lambda_class=0, lambda_perceptual=0
)
CROSS_VIEW = Objective(
    "cross_entropy", 1.0, 0.5, lambda_feature_matching=0, lambda_l1=100, lambda_l1_local=100,
    lambda_class=0, lambda_perceptual=10, lambda_tv=1e-6,
)  # fmt: skip
LABELS = tf.constant([[[0, 1], [1, 2]]])  # 2 is void
PHOTO = tf.ones([1, 2, 2, 3])


class Features:
    """A feature network whose two maps are the image and twice the image."""

    layer_weights = (1.0, 0.5)

    def __call__(self, images):
        return [images, 2 * images]


def outputs(names=NAMES, **values):
    """Images of constant values: image 0, image_global 0.5, image_local -1 unless given."""
    values = {"image": 0.0, "image_global": 0.5, "image_local": -1.0} | values
    drawn = {name: tf.fill([1, 2, 2, 3], values[name]) for name in names}
    extras = {"class_l1": tf.constant([0.75]), "class_logits": tf.zeros([1, 2, 2])}
    return drawn | extras


def judged(views, names=NAMES, feature=1.0, logit=3.0):
    scale = [tf.fill([1, 2, 2, 4], feature), tf.fill([1, 1, 1, 1], logit)]
    return {view: {name: [scale, scale] for name in names} for view in views}


def generator_terms(objective, views, names=NAMES, **settings):
    return objective.generator_terms(
        outputs(names, **settings), PHOTO, LABELS, judged(views, names),
        judged(views, names, feature=0.0, logit=-5.0), Features(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        CROSS_VIEW,
        NOTHING,
        dataclasses.replace(NOTHING, lambda_gan=1),
        dataclasses.replace(NOTHING, lambda_feature_matching=1),
        Objective("least_squares", *[1.0] * 8),
    ],
)
@pytest.mark.parametrize("views", [("semantic",), ("source", "semantic"), ()])
def test_names_are_those_of_the_terms(objective, views):
    """In their order, too: Keras' metrics, TensorBoard's tags and the terminal rely on it."""
    by_d = objective.discriminator_terms(judged(views), judged(views))
    by_g = generator_terms(objective, views)
    totals = ("g_total", "d_total") if views else ("g_total",)
    assert objective.term_names(views) == (*by_d, *by_g, *totals)
    for value in (*by_d.values(), *by_g.values()):
        assert value.shape == () and value.dtype == tf.float32


def test_every_generator_term_by_head():
    """image 0, global 0.5, local -1, photo 1: distances 1, 0.5 and 2, 3.5 in all."""
    terms = generator_terms(Objective("hinge", 2, 1, 10, 100, 3, 5, 7, 11), ("semantic",))
    expected = {
        "gan_semantic": 2 * 3 * -3.0,
        "feature_matching_semantic": 10 * 3 * 1.0,
        "l1": 100 * 3.5,
        "l1_local": 3 * 0.75,
        "class": 5 * 0.693147,
        # Weights 1 and 0.5 of a distance and of twice that.
        "perceptual": 7 * 2 * 3.5,
        "tv": 0.0,
    }
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(expected)


def test_total_variation_is_of_all_images():
    drawn = outputs() | {"image_local": tf.reshape(tf.range(12.0), [1, 2, 2, 3])}
    objective = dataclasses.replace(NOTHING, lambda_tv=0.5)
    terms = objective.generator_terms(drawn, PHOTO, LABELS, {}, {})
    # Neighbours differ by 3 sideways and by 6 downwards: 6 pairs each.
    assert list(terms) == ["tv"] and float(terms["tv"]) == 0.5 * (6 * 3 + 6 * 6)


def test_discriminator_terms_by_head():
    """Hinge: logits of 0.5 cost 1.5 as fake and 0.25 as real; the photo counts per drawn image."""
    fakes, reals = judged(("source",), logit=0.5), judged(("source",), logit=0.75)
    terms = Objective(lambda_discriminator=0.5).discriminator_terms(fakes, reals)
    expected = {"d_source_fake": 0.5 * 3 * 1.5, "d_source_real": 0.5 * 3 * 0.25}
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(expected)


def test_views_are_separate_terms():
    fakes = judged(("source",), logit=1.0) | judged(("semantic",), logit=2.0)
    objective = dataclasses.replace(NOTHING, lambda_gan=1)
    terms = objective.generator_terms(outputs(), PHOTO, LABELS, fakes, {})
    assert terms == {"gan_source": -3.0, "gan_semantic": -6.0}


def test_a_weight_of_zero_builds_nothing():
    """Neither discriminators nor feature network nor class L1 are looked at."""

    def never(_):
        raise AssertionError("the feature network was called")

    only = {"image": tf.zeros([1, 2, 2, 3])}
    assert NOTHING.generator_terms(only, PHOTO, LABELS, judged(("semantic",)), {}, never) == {}
    terms = dataclasses.replace(NOTHING, lambda_l1=1).generator_terms(only, PHOTO, LABELS, {}, {})
    assert terms == {"l1": 1.0}
    # Without feature matching, D's opinion of the photo is not needed for G.
    reals = {"semantic": dict.fromkeys(NAMES)}
    gan = dataclasses.replace(NOTHING, lambda_gan=1)
    terms = gan.generator_terms(outputs(), PHOTO, LABELS, judged(("semantic",)), reals)
    assert terms == {"gan_semantic": -9.0}


@pytest.mark.parametrize("branch", ["global", "local"])
def test_a_single_branch_counts_once(branch):
    names = ("image", f"image_{branch}")
    drawn = outputs(names, **dict.fromkeys(names, 0.25))
    assert list(drawn_images(drawn)) == ["image"]
    objective = dataclasses.replace(NOTHING, lambda_l1=1)
    assert objective.generator_terms(drawn, PHOTO, LABELS, {}, {}) == {"l1": 0.75}
    assert list(drawn_images(outputs())) == list(NAMES)


def test_half_precision_outputs_give_float32_terms():
    drawn = {name: tf.cast(value, "bfloat16") for name, value in outputs().items()}
    objective = dataclasses.replace(
        NOTHING, lambda_l1=1, lambda_l1_local=1, lambda_class=1, lambda_tv=1
    )
    terms = objective.generator_terms(drawn, tf.cast(PHOTO, "bfloat16"), LABELS, {}, {})
    assert len(terms) == 4 and all(value.dtype == tf.float32 for value in terms.values())
    assert float(terms["l1"]) == 3.5


def test_void_alone_gives_no_class_loss():
    objective = dataclasses.replace(NOTHING, lambda_class=1)
    terms = objective.generator_terms(outputs(), PHOTO, tf.fill([1, 2, 2], 2), {}, {})
    assert terms == {"class": 0.0}


def test_class_weights_by_head():
    """Class 0 is right at 3/4, class 1 at 1/2: (ln 4/3 + 3 ln 2) / 4 with weights 1 and 3."""
    drawn = outputs() | {"class_logits": tf.math.log([[[3.0, 1.0], [1.0, 1.0]]])}
    losses = [
        dataclasses.replace(NOTHING, lambda_class=2, class_weights=weights).generator_terms(
            drawn, PHOTO, LABELS, {}, {}
        )["class"]
        for weights in (None, (1.0, 1.0), (1.0, 3.0))
    ]
    assert losses[0] == losses[1]
    assert float(losses[0]) == pytest.approx(2 * (0.287682 + 0.693147) / 2, rel=1e-5)
    assert float(losses[2]) == pytest.approx(2 * (0.287682 + 3 * 0.693147) / 4, rel=1e-5)

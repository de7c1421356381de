import pytest

from lggan_tf.training.advice import (
    PATIENCE,
    Advice,
    collapsed_weight_map,
    winning_discriminator,
)

MAP = "metric/weight_global"


def accuracies(fake, real):
    return {"metric/accuracy_fake_source": fake, "metric/accuracy_real_source": real}


def told(advice, values, step=0, every=50):
    """Steps at which something is said, the means being `values` one after the other."""
    found = []
    for value in values:
        step += every
        found += [step] * len(advice.look(step, value))
    return found


def test_a_collapsed_map_is_told_once_until_it_has_recovered():
    advice = Advice([collapsed_weight_map()])
    lasting = [{MAP: 0.99}] * 20
    assert told(advice, lasting) == [PATIENCE]
    # It trembles around the limit: nothing new.
    assert told(advice, [{MAP: m} for m in (0.97, 0.99, 0.95) * 10], 1000) == []
    assert told(advice, lasting, 3000) == []
    # It recovers, and collapses again, to the other side.
    assert told(advice, [{MAP: 0.7}], 5000) == []
    assert told(advice, [{MAP: 0.001}] * 20, 5050) == [5050 + PATIENCE]


def test_what_passes_soon_is_not_told():
    advice = Advice([collapsed_weight_map()])
    short = [{MAP: 0.99}] * (PATIENCE // 50 - 1) + [{MAP: 0.8}]
    assert told(advice, short * 5) == []


def test_patience_is_counted_in_steps_from_where_the_run_goes_on():
    advice = Advice([collapsed_weight_map()], step=10_000)
    assert told(advice, [{MAP: 1.0}] * 3, 10_000, every=PATIENCE) == [10_000 + PATIENCE]


def test_a_discriminator_wins_if_it_is_right_on_both():
    assert told(Advice([winning_discriminator("source")]), [accuracies(1.0, 0.97)] * 20) == []
    assert told(Advice([winning_discriminator("source")]), [accuracies(0.5, 1.0)] * 20) == []
    advice = Advice([winning_discriminator("source"), collapsed_weight_map()])
    assert told(advice, [accuracies(1.0, 0.99)] * 20) == [PATIENCE]


@pytest.mark.parametrize(
    ("condition", "means", "words"),
    [
        (
            winning_discriminator("source"),
            accuracies(1.0, 0.985),
            ["D_source wins completely", "100% of the drawn", "--discriminator_learning_rate"],
        ),
        (
            collapsed_weight_map(),
            {MAP: 0.996},
            ["gives 99.6% of the image to the global branch, so the local one", "--lambda_l1"],
        ),
        (
            collapsed_weight_map(),
            {MAP: 0.004},
            ["gives 99.6% of the image to the local branch, so the global one", "--fusion=uniform"],
        ),
    ],
)
def test_words_say_what_and_what_to_try(condition, means, words):
    advice = Advice([condition])
    (sentence,) = advice.look(PATIENCE, means)
    assert sentence.startswith("warning: ") and "\n" not in sentence
    for part in words:
        assert part in sentence


def test_nothing_to_look_at():
    """One branch alone, or no discriminator."""
    advice = Advice([winning_discriminator("source"), collapsed_weight_map()])
    assert told(advice, [{"g_total": 1.0}] * 20) == []

import pytest

from lggan_tf.training.callbacks.advice import (
    PATIENCE,
    Advice,
    collapsed_weight_map,
    winning_discriminator,
)
from lggan_tf.training.callbacks.report import Report

MAP = "metric/weight_global"


def accuracies(fake, real):
    return {"metric/accuracy_fake_source": fake, "metric/accuracy_real_source": real}


def report(step, terms):
    return Report(step, 1, terms, 0.1, 5.0, 40.0, 0.0)


class Told:
    """An `Advice` and what it says."""

    def __init__(self, *conditions):
        self.lines = []
        self.advice = Advice(conditions, self.lines.append)
        self.advice.on_train_begin()

    def steps(self, values, step=0, every=50):
        """Steps at which something is said, the means being `values` one after the other."""
        found = []
        for value in values:
            step += every
            before = len(self.lines)
            self.advice.on_report(report(step, value))
            found += [step] * (len(self.lines) - before)
        return found


def test_a_collapsed_map_is_told_once_until_it_has_recovered():
    told, lasting = Told(collapsed_weight_map()), [{MAP: 0.99}] * 20
    # It is there from the report at step 50 on.
    assert told.steps(lasting) == [50 + PATIENCE]
    # It trembles around the limit: nothing new.
    assert told.steps([{MAP: m} for m in (0.97, 0.99, 0.95) * 10], 1000) == []
    assert told.steps(lasting, 3000) == []
    # It recovers, and collapses again, to the other side.
    assert told.steps([{MAP: 0.7}], 5000) == []
    assert told.steps([{MAP: 0.001}] * 20, 5050) == [5100 + PATIENCE]


def test_what_passes_soon_is_not_told():
    short = [{MAP: 0.99}] * (PATIENCE // 50) + [{MAP: 0.8}]
    assert Told(collapsed_weight_map()).steps(short * 5) == []


def test_patience_is_counted_in_steps():
    told = Told(collapsed_weight_map())
    assert told.steps([{MAP: 1.0}] * 3, 10_000, every=PATIENCE) == [10_000 + 2 * PATIENCE]


def test_a_discriminator_wins_if_it_is_right_on_both():
    for unlike in (accuracies(1.0, 0.97), accuracies(0.5, 1.0)):
        assert Told(winning_discriminator("source")).steps([unlike] * 20) == []
    told = Told(winning_discriminator("source"), collapsed_weight_map())
    assert told.steps([accuracies(1.0, 0.99)] * 20) == [50 + PATIENCE]


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
    told = Told(condition)
    told.steps([means] * 2, every=PATIENCE)
    (sentence,) = told.lines
    assert sentence.startswith("warning: ") and "\n" not in sentence
    for part in words:
        assert part in sentence


def test_nothing_to_look_at():
    """One branch alone, or no discriminator."""
    told = Told(winning_discriminator("source"), collapsed_weight_map())
    assert told.steps([{"g_total": 1.0}] * 20) == []

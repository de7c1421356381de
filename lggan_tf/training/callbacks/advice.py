"""Warnings in words from the means that a run reports: what goes wrong, and what to try.

A condition has to hold for a while before it is told, and has to have gone before it is told again:
means tremble around any limit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lggan_tf.training.callbacks.report import Report, Reporter

PATIENCE = 300  # steps


@dataclass(frozen=True)
class Condition:
    """Something that may go wrong.

    Attributes:
        badness: reported means -> 0 (all is well) to 1 (as bad as can be), None if it cannot be
            told.
        bad: from here on it counts as there.
        well: down to here it counts as gone.
        words: reported means -> what to say.
    """

    badness: Callable[[dict[str, float]], float | None]
    bad: float
    well: float
    words: Callable[[dict[str, float]], str]


class Advice(Reporter):
    """Tells each condition once per occurrence.

    Args:
        conditions: what to look for.
        say: where sentences go.
    """

    def __init__(self, conditions: Iterable[Condition], say: Callable[[str], None]):
        super().__init__()
        self._conditions, self._say = tuple(conditions), say

    def on_train_begin(self, logs=None):
        """Nothing holds yet."""
        # Since when each condition holds, and whether it has been told.
        self._since: list[int | None] = [None] * len(self._conditions)
        self._told = [False] * len(self._conditions)

    def on_report(self, report: Report) -> None:
        """Looks at the means since the last report."""
        for i, condition in enumerate(self._conditions):
            badness = condition.badness(report.terms)
            if badness is None or badness <= condition.well:
                self._told[i] = False
            if badness is None or badness < condition.bad:
                self._since[i] = None
                continue
            if self._since[i] is None:
                self._since[i] = report.step
            if report.step - self._since[i] >= PATIENCE and not self._told[i]:
                self._told[i] = True
                self._say(condition.words(report.terms))


def winning_discriminator(view: str) -> Condition:
    """D of a view tells photos from drawn images without mistakes: G hears nothing but no."""
    fake, real = f"metric/accuracy_fake_{view}", f"metric/accuracy_real_{view}"

    def badness(means):
        return min(means[fake], means[real]) if fake in means else None

    def words(means):
        return (
            f"warning: D_{view} wins completely: it takes {means[fake]:.0%} of the drawn and "
            f"{means[real]:.0%} of the real patches for what they are, so G learns little from it; "
            "if the pictures stop improving, start again with a lower "
            "--discriminator_learning_rate or a larger --lambda_feature_matching, which teaches G "
            "all the same"
        )

    return Condition(badness, 0.98, 0.9, words)


def collapsed_weight_map() -> Condition:
    """The fusion gives all of the image to one branch (paper, discussion of its limits)."""
    name = "metric/weight_global"

    def badness(means):
        return max(means[name], 1 - means[name]) if name in means else None

    def words(means):
        winner, share = ("global", means[name])
        if share < 0.5:
            winner, share = "local", 1 - share
        loser = "local" if winner == "global" else "global"
        return (
            f"warning: the weight map gives {share:.1%} of the image to the {winner} branch, so "
            f"the {loser} one hardly learns from the fused image; start again with a lower "
            "--generator_learning_rate, with a larger --lambda_l1, which teaches every branch by "
            "itself, or with --fusion=uniform"
        )

    return Condition(badness, 0.98, 0.9, words)

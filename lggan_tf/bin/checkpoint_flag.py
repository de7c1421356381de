"""`--checkpoint`: which one of a run, where a binary loads a trained generator."""

from absl import flags


def define(flag_values: flags.FlagValues) -> None:
    """Defines `--checkpoint`."""
    flags.DEFINE_enum(
        "checkpoint",
        "latest",
        ["latest", "best"],
        "Which checkpoint of the run; best: by its --best_metric.",
        flag_values=flag_values,
    )

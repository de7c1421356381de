"""A run's settings for the HParams tab of TensorBoard, beside its means."""

from tensorboard.plugins.hparams import api

from lggan_tf.config import Config


def write_hyperparameters(config: Config, trial: str) -> None:
    """Writes all settings with the default summary writer.

    Args:
        config: of the run.
        trial: the run's name in the tab.
    """
    # A resumed run writes them again under the same name, and the tab shows one row.
    api.hparams(config.to_flat(), trial_id=trial)

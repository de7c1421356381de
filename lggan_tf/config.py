"""What a run is: four sections of settings (`lggan_tf.settings`) in one `Config`.

A run keeps its `Config` as `config.json`. Checks that need one setting alone or several together
are in `Config.check`, in the words of the flags. Only `runs` and the binaries read a `Config`;
layers, networks, losses and data take plain arguments.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from lggan_tf.errors import UserError
from lggan_tf.settings import DataConfig, LossConfig, ModelConfig, TrainConfig

# How long a run goes on, which it may change later.
LENGTH = ("epochs", "decay_epochs")
SECTIONS = {"data": DataConfig, "model": ModelConfig, "loss": LossConfig, "train": TrainConfig}


def all_fields() -> dict[str, tuple[str, dataclasses.Field]]:
    """Every setting: its flat name -> (its section, its field).

    Raises:
        AssertionError: two sections declare the same name.
    """
    found: dict[str, tuple[str, dataclasses.Field]] = {}
    for section, cls in SECTIONS.items():
        for field in dataclasses.fields(cls):
            assert field.name not in found, f"two settings are called {field.name}"
            found[field.name] = (section, field)
    return found


@dataclass(frozen=True)
class Config:
    """All settings of a run. `Config.from_flat({...}).check()` is how one is made."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()

    @classmethod
    def from_flat(cls, values: dict[str, Any]) -> "Config":
        """A config from flat names; those not named keep their defaults.

        Raises:
            UserError: a name that no setting has, or a value of another type.
        """
        known = all_fields()
        sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for name, value in values.items():
            if name not in known:
                raise UserError(f"there is no setting called {name!r}")
            section, field = known[name]
            try:
                sections[section][name] = field.type(value)
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"the setting {name} is {value!r}, which is no {field.type.__name__}"
                ) from error
        return cls(**{name: SECTIONS[name](**chosen) for name, chosen in sections.items()})

    def to_flat(self) -> dict[str, Any]:
        """Every setting by its flat name, in declared order."""
        return {k: v for section in SECTIONS for k, v in vars(getattr(self, section)).items()}

    def to_json(self) -> str:
        """The text of `config.json`."""
        return json.dumps({name: vars(getattr(self, name)) for name in SECTIONS}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, file: str) -> "Config":
        """The inverse of `to_json`; `file` is for the message.

        Raises:
            UserError: the text is no config of this version.
        """
        try:
            nested = json.loads(text)
            flat = {k: v for section in nested.values() for k, v in section.items()}
        except (ValueError, AttributeError) as error:
            raise UserError(
                f"{file} is not a run's config.json ({error}); point to a run folder"
            ) from error
        try:
            return cls.from_flat(flat)
        except UserError as error:
            raise UserError(f"{file}: {error}; it was written by another version") from error

    @property
    def views(self) -> tuple[str, ...]:
        """The views that discriminators judge, in declared order."""
        return tuple(v.strip() for v in self.model.discriminator_views.split(",") if v.strip())

    @property
    def profiled_steps(self) -> tuple[int, int] | None:
        """First and last step of the profile, if one is asked for.

        Raises:
            UserError: `profile_steps` does not name two steps.
        """
        text = self.train.profile_steps
        if not text:
            return None
        try:
            first, last = (int(number) for number in text.split(","))
        except ValueError:
            first, last = 0, 0
        if not 1 <= first <= last:
            raise UserError(
                f"--profile_steps={text} is not a first and a last step, counted from 1, such as "
                "10,20"
            )
        return first, last

    @property
    def is_cross_view(self) -> bool:
        """Whether samples carry a photo of a source view."""
        return self.data.dataset in ("town_cross_view", "panels")

    @property
    def side_multiple(self) -> int:
        """Image sides must be multiples of this many pixels."""
        spade = self.model.global_generator == "spade" and self.model.branches != "local"
        return self.model.latent_stride if spade else 4

    def check(self) -> "Config":
        """Returns self if the settings fit together.

        Raises:
            UserError: one sentence on the first that does not, in the words of the flags.
        """
        for name, (section, field) in all_fields().items():
            value, choices = getattr(getattr(self, section), name), field.metadata["choices"]
            if choices and value not in choices:
                raise UserError(f"--{name}={value} is not one of {', '.join(choices)}")
        data, model, loss, train = self.data, self.model, self.loss, self.train
        if data.dataset not in ("town_semantic", "town_cross_view") and not data.data_dir:
            raise UserError(f"--dataset={data.dataset} needs --data_dir, the folder with its files")
        if model.latent_stride not in (16, 32, 64, 128):
            raise UserError(f"--latent_stride={model.latent_stride} is not 16, 32, 64 or 128")
        for name, side in (("image_height", data.image_height), ("image_width", data.image_width)):
            if side <= 0 or side % self.side_multiple:
                raise UserError(
                    f"--{name}={side} is not a positive multiple of {self.side_multiple}, which "
                    f"--global_generator={model.global_generator} "
                    f"--latent_stride={model.latent_stride} demands"
                )
        if data.bicubic_labels and data.dataset != "panels":
            raise UserError(
                f"--bicubic_labels is for the grey label panels of --dataset=panels, not for "
                f"--dataset={data.dataset}"
            )
        if data.local_classes < 0:
            raise UserError(f"--local_classes={data.local_classes} must not be negative")
        if (data.load_height > 0) != (data.load_width > 0):
            raise UserError("--load_height and --load_width go together: give both or neither")
        if data.load_height and (
            data.load_height < data.image_height or data.load_width < data.image_width
        ):
            raise UserError(
                f"--load_height={data.load_height} --load_width={data.load_width} is smaller than "
                f"the crop of "
                f"{data.image_height} x {data.image_width}"
            )
        for view in self.views:
            if view not in ("semantic", "source", "image"):
                raise UserError(
                    f"--discriminator_views={model.discriminator_views}: no view is called "
                    f"{view!r}; use semantic, source and image"
                )
            if view == "source" and not self.is_cross_view:
                raise UserError(
                    f"--discriminator_views names source, but --dataset={data.dataset} has no "
                    "source view; use image for a discriminator that sees the image alone"
                )
        if not self.views and (loss.lambda_gan or loss.lambda_feature_matching):
            raise UserError(
                "--discriminator_views is empty, so --lambda_gan and --lambda_feature_matching "
                "must be 0"
            )
        if model.branches == "global" and (loss.lambda_class or loss.lambda_l1_local):
            raise UserError(
                "--branches=global has no class images: set --lambda_class=0 --lambda_l1_local=0"
            )
        if (
            loss.lambda_perceptual > 0
            and loss.perceptual_network == "vgg19"
            and not loss.perceptual_weights
        ):
            raise UserError(
                f"--lambda_perceptual={loss.lambda_perceptual:g} with --perceptual_network=vgg19 "
                f"needs "
                "--perceptual_weights, a VGG19 weights file; set it, choose another network, or "
                "set the weight to 0"
            )
        if bool(loss.teacher) != bool(loss.lambda_distillation):
            raise UserError(
                f"--teacher={loss.teacher} and --lambda_distillation={loss.lambda_distillation:g} "
                "go together: give both or neither"
            )
        if loss.teacher and (train.jit_compile or train.strategy == "tpu"):
            raise UserError("--teacher goes neither with --jit_compile nor with --strategy=tpu")
        for name in ("global_batch_size", "filters", "spade_hidden", "log_every", "sample_every",
                     "checkpoint_every", "keep", "town_places", "discriminator_filters",
                     "discriminator_layers", "discriminator_scales", "accumulate_steps",
                     "steps_per_execution", "discriminator_steps"):  # fmt: skip
            if self.to_flat()[name] < 1:
                raise UserError(f"--{name}={self.to_flat()[name]} must be at least 1")
        for name, value in self.to_flat().items():
            if (name.startswith("lambda_") or name == "clip_norm") and value < 0:
                raise UserError(f"--{name}={value:g} must not be negative")
        _ = self.profiled_steps
        if not 0 <= train.class_balance <= 1:
            raise UserError(f"--class_balance={train.class_balance:g} is not between 0 and 1")
        if train.strategy == "tpu" and model.implementation != "dense":
            raise UserError("--strategy=tpu needs --implementation=dense: TPUs want fixed shapes")
        if not 0 <= train.ema_decay < 1:
            raise UserError(f"--ema_decay={train.ema_decay:g} must be at least 0 and below 1")
        if train.pool_size and train.pool_size < train.global_batch_size:
            raise UserError(
                f"--pool_size={train.pool_size} must be 0 or at least "
                f"--global_batch_size={train.global_batch_size}"
            )
        if train.accumulate_steps > 1 and (train.pool_size or train.discriminator_steps > 1):
            raise UserError(
                f"--accumulate_steps={train.accumulate_steps} does not go with --pool_size and "
                "--discriminator_steps: set it to 1, or leave those two out"
            )
        if model.local_rank < 0:
            raise UserError(f"--local_rank={model.local_rank} must not be negative")
        if not 0 <= train.seed < 2**32:
            raise UserError(f"--seed={train.seed} must be between 0 and {2**32 - 1}")
        if train.epochs + train.decay_epochs < 1:
            raise UserError("--epochs and --decay_epochs are both 0: there is nothing to train")
        return self

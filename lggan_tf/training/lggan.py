"""LGGAN as a Keras model, with one training step for `fit` and for the loop.

Data is the compact batch (`lggan_tf.data.prepare`). `step` is pure: it returns a device's share of
every term; `train_step` wraps it with Keras' running means.
"""

import dataclasses
from types import SimpleNamespace

import keras
import tensorflow as tf

import lggan_tf.runs.adam  # noqa: F401  a saved optimizer names its class
import lggan_tf.runs.schedule  # noqa: F401  and that of its rate
from lggan_tf.data.prepare import Prepare
from lggan_tf.losses.objective import Objective, drawn_images
from lggan_tf.networks.discriminator import MultiscaleDiscriminator
from lggan_tf.networks.generator import Generator
from lggan_tf.runs.weight_average import WeightAverage
from lggan_tf.training import step_parts
from lggan_tf.training.accumulated_step import accumulated_step
from lggan_tf.training.callbacks.fit_check import FitCheck
from lggan_tf.training.callbacks.joint_rate import JointRate
from lggan_tf.training.compact_batch import check_integers, compact_batch
from lggan_tf.training.guard import Guard
from lggan_tf.training.image_pool import ImagePool
from lggan_tf.training.step_metrics import accuracies, metric_names, weight_means
from lggan_tf.training.update import restore_unless, with_loss_scale


@keras.saving.register_keras_serializable(package="lggan_tf")
class LGGAN(keras.Model):
    """The whole of the paper: E, G_g, G_l, G_w, D_s and D_i.

    Args:
        prepare: from the compact batch to what the networks see.
        generator: E, G_g, G_l and G_w.
        discriminators: view -> discriminator; "semantic" is D_s, "source" is D_i, "image" is a
            D_i that sees no condition. May be empty.
        update_order: "discriminator_first" (one forward pass serves both updates; the authors'
            cross-view) or "generator_first" (D then judges a second pass of the updated G; the
            authors' semantic synthesis).
        joint_passes: whether D judges fused, global, local image and photo in one pass. Without
            spectral normalisation the result is the same; with it, the authors' separate passes
            move the spectral vectors once per image.
        average: the moving average of G's weights, which then draws in `call` and `test_step`; or
            None.
        pool: earlier drawn images for D's updates, or None.
        discriminator_steps: updates of D in a step, all on its batch and its drawn images.
    """

    def __init__(
        self,
        prepare: Prepare,
        generator: Generator,
        discriminators: dict[str, MultiscaleDiscriminator],
        update_order: str = "discriminator_first",
        joint_passes: bool = True,
        average: WeightAverage | None = None,
        pool: ImagePool | None = None,
        discriminator_steps: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.prepare, self.generator = prepare, generator
        self.discriminators = dict(discriminators)
        self.update_order, self.joint_passes = update_order, joint_passes
        self.average, self.pool, self.discriminator_steps = average, pool, discriminator_steps
        self.objective = None
        self.untracked = SimpleNamespace(features=None, teacher=None, means={}, guard=None)

    def compile(
        self,
        generator_optimizer="adam",
        discriminator_optimizer="adam",
        objective: Objective | None = None,
        features=None,
        accumulate_steps: int = 1,
        clip_norm: float = 0.0,
        teacher=None,
        **kwargs,
    ):
        """Sets the two optimizers and the objective, and creates all variables.

        Args:
            generator_optimizer: Keras optimizer of G.
            discriminator_optimizer: Keras optimizer of all discriminators.
            objective: loss terms and weights; the paper's if None.
            features: feature network of the perceptual loss (`lggan_tf.backbones.load_features`);
                needed if its weight is above 0. It is not part of the model and not saved with it.
            accumulate_steps: parts in which a device does its share of a batch, one after the
                other. The update is that of the whole batch, but for batch statistics.
            clip_norm: largest global norm of G's gradient and of the discriminators', each over
                the whole batch; 0: any.
            teacher: from the compact batch to a trained model's images by name
                (`lggan_tf.runs.teacher`); needed if the weight of `distillation` is above 0. Like
                `features` not saved.
            **kwargs: passed on to `keras.Model.compile`. `jit_compile` is False unless given; True
                sets the generator's `implementation` to "dense", which stays.

        Raises:
            ValueError: the objective has a perceptual term and there is no feature network, or
                one of distillation and there is no teacher; an optimizer has `use_ema`.
        """
        optimizers = [
            keras.optimizers.get(optimizer)
            for optimizer in (generator_optimizer, discriminator_optimizer)
        ]
        if any(getattr(o, "inner_optimizer", o).use_ema for o in optimizers):
            raise ValueError(
                "use_ema of an optimizer averages the weights of one network, and only at the end "
                "of fit: leave it out, and give LGGAN average=WeightAverage(decay)"
            )
        if self.generator.compute_dtype == "float16":
            optimizers = [with_loss_scale(optimizer) for optimizer in optimizers]
        own = {"jit_compile": False, "auto_scale_loss": False}
        super().compile(optimizer=optimizers[0], **own | kwargs)
        self.accumulate_steps, self.clip_norm = accumulate_steps, clip_norm
        if self.jit_compile:
            # XLA has no shapes that depend on labels.
            self.generator.implementation = "dense"
        self.discriminator_optimizer = optimizers[1]
        self.objective = objective or Objective()
        if self.objective.lambda_perceptual and features is None:
            raise ValueError(
                "the objective has a perceptual term: pass features=load_features(...) to "
                "compile, or set lambda_perceptual=0"
            )
        if self.objective.lambda_distillation and teacher is None:
            raise ValueError("the objective has a term of distillation: pass teacher= to compile")
        views = tuple(self.discriminators)
        names = self.objective.term_names(views) + metric_names(
            views, self.generator.branches == "both"
        )
        # None is part of the model: Keras saves what attributes hold, not what is behind them.
        means = {name: keras.metrics.Mean(name) for name in names}
        guard = Guard(self._updates(views))
        self.untracked = SimpleNamespace(
            features=features, teacher=teacher, means=means, guard=guard
        )
        # Now, not in `fit`: under a strategy Keras would build on symbolic tensors, and G's
        # optimizer for D's variables as well.
        self.build()
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)

    def get_compile_config(self):
        """What `compile` was called with; Keras saves it.

        None with a perceptual term or one of distillation: feature network and teacher are not in
        the file, so a loaded model has to be compiled anew.
        """
        borrowed = self.objective and (
            self.objective.lambda_perceptual or self.objective.lambda_distillation
        )
        if not self.compiled or borrowed:
            return None
        serialize = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
            "objective": dataclasses.asdict(self.objective),
            "accumulate_steps": self.accumulate_steps,
            "clip_norm": self.clip_norm,
        }

    def compile_from_config(self, config):
        """Compiles a loaded model as it was saved."""
        restore = keras.saving.deserialize_keras_object
        self.compile(
            restore(config["generator_optimizer"]),
            restore(config["discriminator_optimizer"]),
            Objective(**config["objective"]),
            accumulate_steps=config["accumulate_steps"],
            clip_norm=config["clip_norm"],
        )

    @property
    def generator_optimizer(self) -> keras.optimizers.Optimizer:
        """G's optimizer."""
        return self.optimizer

    @property
    def guard(self) -> Guard:
        """What keeps updates that are not finite out, and remembers the first."""
        return self.untracked.guard

    @property
    def discriminator_variables(self) -> list:
        """Trainable variables of all discriminators."""
        return [v for d in self.discriminators.values() for v in d.trainable_variables]

    @property
    def state(self) -> dict[str, keras.layers.Layer]:
        """What a checkpoint has to hold beside networks and optimizers."""
        parts = {"average": self.average, "pool": self.pool}
        return {name: part for name, part in parts.items() if part is not None}

    def build(self, input_shape=None):
        """Creates all variables that do not exist yet."""
        if not self.generator.built:
            self.generator.build(self.prepare.shapes)
        for view, discriminator in self.discriminators.items():
            if not discriminator.built:
                discriminator.build(self.prepare.judged_shape(view))
        if self.average is not None:
            self.average.follow(self.generator)
        if self.pool is not None:
            images = ("image", "image_global", "image_local")
            both = self.generator.branches == "both"
            self.pool.create(images if both else images[:1], self.prepare.batch_channels)

    def call(self, batch, training=None):
        """The compact batch -> the generator's outputs (`Generator.call`)."""
        if tf.executing_eagerly():
            check_integers(batch)
        inputs = step_parts.networks_input(self.prepare(batch))
        return self.generator(inputs, training=True) if training else self._draw(inputs)

    def step(self, batch) -> dict[str, tf.Tensor]:
        """One update of D and of G on a device's part of the batch.

        Returns:
            This device's share of every weighted term, of `g_total`, of `d_total` and of the
            metrics (`lggan_tf.training.step_metrics`).
        """
        self.guard.begin_step()
        moving = self._moving
        before = [tf.identity(variable.value) for variable in moving]
        terms = accumulated_step(self, batch) if self.accumulate_steps > 1 else self._step(batch)
        # As the guard keeps the updates out: who looks later finds all as it was.
        restore_unless(self.guard.is_fine, moving, before)
        if self.average is not None:
            self.average.update(self.generator, self.guard.is_fine)
        return terms

    @property
    def _moving(self):
        """What a step moves beside the optimizers and the average."""
        parts = [self.generator, *self.discriminators.values()]
        parts += [self.pool] if self.pool is not None else []
        return [variable for part in parts for variable in part.non_trainable_variables]

    def _step(self, batch) -> dict[str, tf.Tensor]:
        prepared = step_parts.with_targets(self, batch)
        inputs = step_parts.networks_input(prepared)
        discriminator_first = self.update_order == "discriminator_first"
        tape, terms = tf.GradientTape(), {}
        with tape:
            outputs = self.generator(
                inputs, training=True, **step_parts.class_targets(self, prepared)
            )
        if discriminator_first:
            terms |= self._update_discriminators(batch, prepared, outputs)
        with tape:
            own = step_parts.generator_terms(self, prepared, outputs, training=True)
            total = tf.add_n(list(own.values()))
            scaled = self.generator_optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, self.generator.trainable_variables)
        metrics = step_parts.update_generator(self, own, gradients) | weight_means(outputs)
        if not discriminator_first:
            again = self.generator(inputs, training=True)
            terms |= self._update_discriminators(batch, prepared, again)
        return terms | own | {"g_total": total} | metrics

    def fit(self, *args, callbacks=(), **kwargs):
        """`keras.Model.fit`, of compact batches.

        A callback that changes the learning rate changes that of all networks alike.

        Raises:
            FloatingPointError: at the end of an epoch with a loss or gradient that is not finite.
            TypeError, ValueError: the data are no compact batches (`compact_batch`).
        """
        own = [FitCheck(), *(callbacks or ()), JointRate()]
        return super().fit(*args, callbacks=own, **kwargs)

    def train_step(self, data):
        """`step`, with means over the epoch as Keras shows them."""
        # Of data of unknown length `fit` finds the end by a step without any: nothing may run then,
        # neither what counts nor what moves without looking at the batch.
        batch = compact_batch(data)
        with tf.control_dependencies(tf.nest.flatten(batch)):
            return self._track(self.step(batch))

    def test_step(self, data):
        """The same terms and metrics without an update, all networks in inference mode."""
        batch = compact_batch(data)
        with tf.control_dependencies(tf.nest.flatten(batch)):  # as in `train_step`
            return self._track(self._judged(batch))

    def predict_step(self, data):
        """The generator's outputs."""
        return self(compact_batch(data), training=False)

    def _judged(self, data):
        """The terms and metrics of a batch, without an update."""
        prepared = step_parts.with_targets(self, data)
        outputs = self._draw(
            step_parts.networks_input(prepared), **step_parts.class_targets(self, prepared)
        )
        own = step_parts.generator_terms(self, prepared, outputs, training=False)
        terms = own | {"g_total": tf.add_n(list(own.values()))} | weight_means(outputs)
        if self.discriminators:
            opinions = step_parts.opinions(self, prepared, drawn_images(outputs), training=False)
            judged = self.objective.discriminator_terms(*opinions)
            terms |= judged | {"d_total": tf.add_n(list(judged.values()))}
            terms |= accuracies(self.objective.gan_loss, *opinions)
        return terms

    @property
    def metrics(self):
        """The running means."""
        return list(self.untracked.means.values())

    def _updates(self, views):
        """Network -> the loss terms of its update, in the order of the updates."""
        names = [n for n in self.objective.term_names(views) if not n.endswith("_total")]
        of_d = tuple(name for name in names if name.startswith("d_"))
        order = {"discriminator": of_d} if of_d else {}
        own = {"generator": tuple(name for name in names if name not in of_d)}
        return order | own if self.update_order == "discriminator_first" else own | order

    def _draw(self, inputs, **targets):
        if self.average is None:
            return self.generator(inputs, training=False, **targets)
        return self.average.draw(self.generator, inputs, **targets)

    def _update_discriminators(self, batch, prepared, outputs):
        if not self.discriminators:
            return {}
        images, drawn_for = drawn_images(outputs), prepared
        if self.pool is not None:
            earlier, images = self.pool.exchange(batch, images)
            drawn_for = self.prepare(earlier)
        for _ in range(self.discriminator_steps):
            terms, gradients = step_parts.discriminator_gradients(
                self, prepared, images, drawn_for=drawn_for
            )
            terms |= step_parts.update_discriminators(self, terms, gradients)
        return terms

    def _track(self, terms):
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for name, value in terms.items():
            # Shares are summed over devices, Keras' means are averaged over them.
            self.untracked.means[name].update_state(value * replicas)
        return {name: self.untracked.means[name].result() for name in terms}

    def get_config(self):
        """Constructor arguments."""
        serialize = keras.saving.serialize_keras_object
        own = {
            "prepare": serialize(self.prepare),
            "generator": serialize(self.generator),
            "discriminators": {view: serialize(d) for view, d in self.discriminators.items()},
            "update_order": self.update_order,
            "joint_passes": self.joint_passes,
            "average": serialize(self.average),
            "pool": serialize(self.pool),
            "discriminator_steps": self.discriminator_steps,
        }
        return super().get_config() | own

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        restore = keras.saving.deserialize_keras_object
        parts = ("prepare", "generator", "average", "pool")
        own = {name: restore(config.pop(name)) for name in parts}
        views = config.pop("discriminators")
        return cls(**own, discriminators={view: restore(d) for view, d in views.items()}, **config)

"""The settings of a run, one dataclass per section.

A setting is declared here once (name, type, default, help, choices); the command-line flags are
made from these fields (`lggan_tf.bin.config_flags`). Names are flat: no two fields share one.
`lggan_tf.config` puts the sections together and checks them.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

DATASETS = ("town_semantic", "town_cross_view", "folder", "cityscapes", "ade20k", "panels")


def setting(default: Any, text: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its default, its help (with unit) and, for words, its legal values."""
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from and what is done to pixels before and behind the networks."""

    dataset: str = setting("town_semantic", "Kind of data set.", DATASETS)
    data_dir: str = setting("", "Folder of the data set (town_* needs none).")
    classes_file: str = setting(
        "", "classes.json; empty: the data set's own table or DATA_DIR/classes.json."
    )
    image_height: int = setting(256, "Height of the images that the networks see, pixels.")
    image_width: int = setting(256, "Width of the images that the networks see, pixels.")
    load_height: int = setting(0, "Height to resize to before the random crop, pixels; 0: no crop.")
    load_width: int = setting(0, "Width to resize to before the random crop, pixels; 0: no crop.")
    flip: bool = setting(True, "Mirror half of the training samples, all maps of a sample alike.")
    edges: bool = setting(False, "Feed instance edges as one more channel (needs instance maps).")
    semantic_input: str = setting(
        "one_hot", "How D_s and the generator see the semantic map.", ("one_hot", "colours")
    )
    void_channel: bool = setting(True, "Give void a one-hot channel of its own.")
    void_is_class: bool = setting(
        False, "Give void ids sub-generators like all others, as the authors' code does."
    )
    local_classes: int = setting(
        0,
        "Number of sub-generators; the last serves all remaining ids together and is not "
        "classified (the authors' ADE20K: 52 for 151 ids). 0: one per class.",
    )
    bicubic_labels: bool = setting(
        False,
        "Label panels: resize their grey values bicubically and let only exact multiples of ten "
        "belong to a group, as the authors' code does.",
    )
    wrap_pixels: bool = setting(
        False,
        "Cast drawn images to 8 bits without rounding and clipping, as the authors' cross-view "
        "code does: what leaves [-1, 1] wraps around.",
    )
    direction: str = setting(
        "a2g",
        "Cross-view: a2g makes the street view from the aerial one, g2a the reverse.",
        ("a2g", "g2a"),
    )
    town_places: int = setting(768, "Number of training places of the embedded town.")
    cache: bool = setting(False, "Keep decoded samples in memory (the town always does).")


@dataclass(frozen=True)
class ModelConfig:
    """Networks E, G_g, G_l, G_w, D_s and D_i (paper sections 3.1 to 3.4)."""

    filters: int = setting(64, "Channels of the generator at full size (the authors' ngf).")
    residual_blocks: int = setting(9, "Number of residual blocks.")
    residual_blocks_in: str = setting(
        "local",
        "Where the residual blocks stand: shared encoder or local branch.",
        ("encoder", "local"),
    )
    global_generator: str = setting(
        "spade", "Kind of the global generator G_g.", ("spade", "resnet")
    )
    spade_hidden: int = setting(128, "Channels of SPADE's hidden layer.")
    latent_stride: int = setting(
        32, "Image side over the side of SPADE's smallest map: 16, 32, 64 or 128."
    )
    branches: str = setting("both", "Which branches draw the image.", ("both", "global", "local"))
    local_rank: int = setting(
        0,
        "Channels of a projection that all sub-generators share and apply first; 0: none, as in "
        "the paper. A few make the sub-generators cheap where they are computed densely, as in "
        "TFLite.",
    )
    merge: str = setting("conv", "How class images become the local image.", ("sum", "conv"))
    fusion: str = setting("learned", "How the branches are fused.", ("learned", "uniform"))
    implementation: str = setting(
        "auto",
        "auto: compute what depends on labels alone once per distinct window, and class images "
        "where their pixels are. dense: everything everywhere, as XLA, TFLite and TPUs need it. "
        "The images are the same.",
        ("auto", "dense"),
    )
    discriminator: str = setting(
        "multiscale", "Kind of the discriminators.", ("multiscale", "patch")
    )
    discriminator_views: str = setting(
        "semantic",
        "Comma-separated discriminators, by what they see beside the image: semantic (D_s), source "
        "(D_i), image (D_i that sees the image alone, where there is no source view).",
    )
    discriminator_filters: int = setting(64, "Channels of the discriminators' first layer.")
    discriminator_layers: int = setting(
        4, "Convolutions of a discriminator before its prediction (authors: multiscale 4, patch 4)."
    )
    discriminator_scales: int = setting(2, "Scales of the multiscale discriminator.")
    initializer: str = setting(
        "xavier",
        "Kernels at the start: xavier (gain 0.02) or normal (deviation 0.02).",
        ("xavier", "normal"),
    )


@dataclass(frozen=True)
class LossConfig:
    """Names and weights of the loss terms; a weight of 0 builds nothing."""

    gan_loss: str = setting(
        "hinge", "Adversarial loss.", ("hinge", "cross_entropy", "least_squares")
    )
    lambda_gan: float = setting(1.0, "Weight of the adversarial terms of the generator, per view.")
    lambda_discriminator: float = setting(
        1.0, "Weight of the discriminators' own loss (authors: semantic 1, cross-view 0.5)."
    )
    lambda_feature_matching: float = setting(10.0, "Weight of feature matching in D.")
    lambda_l1: float = setting(0.0, "Weight of the pixel L1 of the fused, global and local images.")
    lambda_l1_local: float = setting(1.0, "Weight of the L1 of the class images.")
    l1_local_slip: bool = setting(
        False,
        "Train class image 27 against the map of class 26 in the L1 of the class images, as the "
        "authors' Cityscapes code does.",
    )
    lambda_class: float = setting(1.0, "Weight of the classification of class-specific features.")
    lambda_perceptual: float = setting(10.0, "Weight of the perceptual loss.")
    lambda_tv: float = setting(0.0, "Weight of the total variation (a sum over pixels).")
    lambda_distillation: float = setting(
        0.0,
        "Weight of the pixel L1 between the fused, global and local images and those of --teacher.",
    )
    teacher: str = setting(
        "", "SavedModel of lggan-export, NAME or NAME/VERSION, whose images G learns to draw."
    )
    perceptual_network: str = setting(
        "vgg19",
        "Feature network of the perceptual loss.",
        ("vgg19", "vgg19_keras", "efficientnet_lite0"),
    )
    perceptual_weights: str = setting(
        "", "Weights file of the feature network (vgg19: needed; vgg19_keras: optional)."
    )


@dataclass(frozen=True)
class TrainConfig:
    """How a run trains, saves and reports."""

    global_batch_size: int = setting(8, "Images per step, over all devices.")
    epochs: int = setting(100, "Epochs at the full learning rate.")
    decay_epochs: int = setting(
        100, "Epochs over which the learning rate then falls linearly to 0."
    )
    decay_per: str = setting(
        "step",
        "Let the learning rate fall with every step, or in stairs of an epoch.",
        ("step", "epoch"),
    )
    early_decay: bool = setting(
        False,
        "Let the learning rate fall one epoch early, in stairs of an epoch and to 0 in the last, "
        "as the authors' cross-view code does.",
    )
    paper_exact: bool = setting(
        False,
        "Train and save as the authors' code does where nothing else tells: Adam's epsilon behind "
        "the bias correction, discriminators that judge one image at a time (which moves spectral "
        "vectors more often), pixels without their fraction.",
    )
    generator_learning_rate: float = setting(1e-4, "Learning rate of G.")
    discriminator_learning_rate: float = setting(4e-4, "Learning rate of the discriminators.")
    beta_1: float = setting(0.0, "Adam's decay of the first moment.")
    beta_2: float = setting(0.9, "Adam's decay of the second moment.")
    update_order: str = setting(
        "discriminator_first",
        "discriminator_first: one forward pass serves both updates; generator_first: D judges a "
        "second pass.",
        ("discriminator_first", "generator_first"),
    )
    discriminator_steps: int = setting(
        1, "Updates of D for each of G, all on the same batch and drawn images."
    )
    ema_decay: float = setting(
        0.0,
        "Decay per step of the moving average of G's weights, which then draws samples and is what "
        "is exported, e.g. 0.999; 0: none, as in the paper.",
    )
    pool_size: int = setting(
        0,
        "Drawn images of earlier steps that D is shown in place of half of the new ones; 0: none.",
    )
    warm_start: str = setting(
        "", "Folder of another run: start from its weights, as far as they fit these networks."
    )
    best_metric: str = setting(
        "none",
        "Keep the best checkpoint as well, by this score on the held-out samples that are drawn, "
        "taken at each checkpoint.",
        ("none", "mean_l1", "psnr", "ssim"),
    )
    deterministic: bool = setting(
        False,
        "Use deterministic operations alone, which are slower: the same command gives the same "
        "weights, bit for bit, on one device of the same kind.",
    )
    precision: str = setting(
        "float32",
        "Arithmetic of the networks; weights, losses and statistics stay float32.",
        ("float32", "mixed_bfloat16", "mixed_float16"),
    )
    clip_norm: float = setting(
        0.0, "Largest norm of G's gradient and of the discriminators', over all devices; 0: any."
    )
    accumulate_steps: int = setting(
        1,
        "Parts in which a device does its share of a step, one after the other, to save memory; "
        "the update is that of all images.",
    )
    jit_compile: bool = setting(
        False, "Compile the step with XLA (one device, or GPUs); sets --implementation=dense."
    )
    steps_per_execution: int = setting(
        1, "Steps in one call of the compiled step; reports come after whole calls."
    )
    strategy: str = setting(
        "auto",
        "Devices: auto takes all GPUs of all hosts in TF_CONFIG, one a single device, mirrored all "
        "of this host, multi_worker those of the hosts in TF_CONFIG.",
        ("auto", "one", "mirrored", "multi_worker", "tpu"),
    )
    seed: int = setting(0, "Seed of weights, data order and augmentation.")
    max_train_minutes: float = setting(
        0.0, "Stop after this many minutes of wall time; 0: no limit."
    )
    log_every: int = setting(50, "Steps between lines on the terminal and TensorBoard scalars.")
    sample_every: int = setting(500, "Steps between image grids.")
    checkpoint_every: int = setting(1000, "Steps between checkpoints.")
    keep: int = setting(2, "Number of checkpoints kept.")
    class_balance: float = setting(
        0.0,
        "Rare classes, strength from 0 (off) to 1: draw samples that show them more often, and let "
        "them weigh more in the class and l1_local terms. 0.5 is a place to start.",
    )
    profile_steps: str = setting(
        "",
        "FIRST,LAST: record a profile of these steps, counted from 1, for TensorBoard's profile "
        "plugin; a few after the first ones. Empty: none.",
    )

"""Compares trained models with the honest baseline on held-out images.

    python tools/compare_with_baseline.py --models=runs/town_semantic,runs/camvid_small

The baseline paints each pixel with the mean colour that its class has over the training set. For
both, against the photos of the val split: mean L1 and PSNR (images in [-1, 1]), SSIM, distance of
EfficientNet-Lite0 features (the extra `features`; not LPIPS, and never seen in training unless the
recipe has a perceptual term with that network), and gradient magnitude beside the photos' own.
Writes baseline.json into a run's folder and prints a Markdown table.
"""

import json
from pathlib import Path

from absl import flags

from lggan_tf.bin import quiet, runner
from lggan_tf.errors import UserError


def define(flag_values: flags.FlagValues) -> None:
    """Which models, and how much of the data."""
    flags.DEFINE_list("models", [], "Run folders or SavedModels.", flag_values=flag_values)
    flags.DEFINE_integer("batch_size", 8, "Images at a time.", 1, flag_values=flag_values)


def compare(path: str, batch_size: int, features) -> dict[str, dict[str, float]]:
    """Scores of the model, the baseline and the photos themselves, means over the val images."""
    import numpy as np

    from lggan_tf.data.pipeline import evaluation_batches
    from lggan_tf.data.user_errors import raised_as_user_error
    from lggan_tf.export.drawing import open_drawing
    from lggan_tf.metrics.class_mean_colour import ClassMeanColour
    from lggan_tf.metrics.feature_distance import feature_distance
    from lggan_tf.metrics.gradient_magnitude import gradient_magnitude
    from lggan_tf.metrics.mean_l1 import mean_l1
    from lggan_tf.metrics.psnr import psnr
    from lggan_tf.metrics.ssim import ssim
    from lggan_tf.runs.build import build_source, build_transform

    drawing = open_drawing(path)
    transform = build_transform(drawing.config, drawing.classes, training=False)
    baseline = ClassMeanColour(drawing.classes.num_labels)
    rows: dict[str, list] = {"fused": [], "baseline": [], "photo": []}
    with raised_as_user_error():
        train = build_source(drawing.config, "train")
        for batch in evaluation_batches(train, transform, batch_size):
            baseline.update(batch["image"].numpy(), batch["labels"].numpy())
        for batch in evaluation_batches(build_source(drawing.config, "val"), transform, batch_size):
            photo = batch.pop("image").numpy().astype("float32") / 127.5 - 1.0
            wanted = features(photo)
            shown = {
                "fused": drawing.draw(batch).numpy().astype("float32") / 127.5 - 1.0,
                "baseline": baseline.paint(batch["labels"].numpy()),
                "photo": photo,
            }
            for name, image in shown.items():
                scores = {
                    "mean_l1": mean_l1(image, photo),
                    "feature_distance": feature_distance(features(image), wanted),
                    "gradient_magnitude": gradient_magnitude(image),
                    "ssim": ssim(image, photo),
                }
                if name != "photo":
                    scores["psnr"] = psnr(image, photo)
                rows[name].append({key: np.asarray(value) for key, value in scores.items()})
    return {
        name: {k: float(np.concatenate([r[k] for r in parts]).mean()) for k in parts[0]}
        for name, parts in rows.items()
    }


def main(flag_values: flags.FlagValues) -> None:
    """Prints a row per image kind and model."""
    if not flag_values["models"].value:
        raise UserError("--models is missing: run folders or SavedModels, separated by commas")
    quiet.load_tensorflow()
    from lggan_tf.backbones.load import load_features
    from lggan_tf.runs.folder import RunFolder, write_atomically

    features = load_features("efficientnet_lite0")
    print("| model | image | mean L1 | feature distance | gradient magnitude | SSIM | PSNR (dB) |")
    print("|---|---|---|---|---|---|---|")
    for path in flag_values["models"].value:
        results = compare(path, flag_values["batch_size"].value, features)
        for kind, scores in results.items():
            print(
                f"| {Path(path).name} | {kind} | {scores['mean_l1']:.4f} "
                f"| {scores['feature_distance']:.4f} | {scores['gradient_magnitude']:.4f} "
                f"| {scores['ssim']:.4f} | {scores.get('psnr', float('inf')):.2f} |",
                flush=True,
            )
        if RunFolder(path).exists:
            write_atomically(Path(path) / "baseline.json", json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    runner.run(main, define)

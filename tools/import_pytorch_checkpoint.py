"""Makes a run of weights that the authors' PyTorch code has trained.

    python tools/import_pytorch_checkpoint.py --weights=net_G.pth --run_dir=runs/released
    python tools/import_pytorch_checkpoint.py --weights=net_G.pth,net_D.pth --run_dir=runs/city
    python tools/import_pytorch_checkpoint.py --weights=G.pth --d1=D1.pth --d2=D2.pth --run_dir=NEW

Files are .pth (read by torch where it is installed: pip install 'lggan-tf[torch]', a build for the
CPU is enough; else by a reader of our own), .npz or .safetensors. Which network a file holds is
told by its keys: the cross-view generator, the semantic generators of Cityscapes and ADE20K or of
other classes, and the multiscale discriminator, which go to --weights in any order. The two
cross-view discriminators have the same keys: --d1 is net_D1, which sees the source image, --d2
net_D2, which sees the semantic map. Discriminators may be left out; training then makes new ones.

Shapes tell width, depth and classes. What they do not tell comes from the recipe cityscapes, ade20k
or dayton_a2g_256, whichever fits the generator, or from --recipe and the flags of lggan-train. With
--paper_exact (the default) the run also reproduces what else the authors' code does, and keeps that
as a setting: --update_order=generator_first for semantic synthesis, --l1_local_slip for Cityscapes,
--bicubic_labels, --wrap_pixels and --early_decay for cross-view.

The run is ready for lggan-generate --model=RUN_DIR and lggan-export --run_dir=RUN_DIR. Training
starts from it with lggan-train --run_dir=RUN_DIR --data_dir=DATA --perceptual_weights=FILE.
"""

from typing import Any

from absl import flags

from lggan_tf.bin import config_flags, quiet, recipes, runner
from lggan_tf.errors import UserError


def define(flag_values: flags.FlagValues) -> None:
    """Which files, where to, and every setting."""
    recipes.define(flag_values)
    flags.DEFINE_list(
        "weights", [], "A generator and its multiscale discriminator.", flag_values=flag_values
    )
    for name, text in (
        ("d1", "Cross-view discriminator that sees the source image (net_D1)."),
        ("d2", "Cross-view discriminator that sees the semantic map (net_D2)."),
        ("run_dir", "Folder of the new run; must not exist yet."),
    ):
        flags.DEFINE_string(name, "", text, flag_values=flag_values)
    config_flags.define(flag_values)
    flag_values.set_default("paper_exact", True)


def recipe_settings(name: str) -> dict[str, Any]:
    """What a recipe says, by setting; nothing for an empty name."""
    values = flags.FlagValues()
    recipes.define(values)
    config_flags.define(values)
    values(["recipe", *(recipes.expand([f"--recipe={name}"], values) if name else [])])
    return config_flags.given(values)


def describe(imported) -> str:
    """A file's network, the parameters of its modules as a table, and the keys not used."""
    counts = imported.parameters
    width = max(map(len, counts))
    lines = [f"{imported.file}: {imported.kind}, becomes {imported.part}", ""]
    lines += [f"  {module:{width}s} {count:>12,}" for module, count in counts.items()]
    lines += [f"  {'in all':{width}s} {sum(counts.values()):>12,}", ""]
    for reason in dict.fromkeys(imported.ignored.values()):
        keys = [key for key, why in imported.ignored.items() if why == reason]
        lines.append(f"  ignored, {reason}: {', '.join(keys)}")
    return "\n".join([*lines, ""] if imported.ignored else lines)


def main(flag_values: flags.FlagValues) -> None:
    """Reads, finds out, fills, writes, reports."""
    for name in ("weights", "run_dir"):
        if not flag_values[name].value:
            raise UserError(f"--{name} is missing")
    quiet.load_tensorflow()
    from lggan_tf.runs.folder import RunFolder
    from lggan_tf.runs.pytorch_import import import_run
    from lggan_tf.runs.pytorch_settings import open_states, run_config

    folder = RunFolder(flag_values["run_dir"].value)
    parts = open_states(
        flag_values["weights"].value, flag_values["d1"].value, flag_values["d2"].value
    )
    recipe = "" if flag_values["recipe"].value else parts["generator"].found.recipe
    config, classes = run_config(
        parts,
        recipe_settings(recipe),
        config_flags.given(flag_values),
        flag_values["paper_exact"].value,
    )
    report = import_run(parts, config, classes, folder)
    for imported in report:
        print(describe(imported))
    held = {imported.part for imported in report}
    for view in config.views:
        if f"discriminator_{view}" not in held:
            print(f"no discriminator for the view {view}: training would start a new one")
    print(f"imported into {folder.path}; its settings are in {folder.config_file}")


if __name__ == "__main__":
    runner.run(main, define)

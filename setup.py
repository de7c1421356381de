"""The one build step that setup.cfg cannot say: a wheel carries the recipes of `flags` inside it.

They become `lggan_tf/recipes`. An editable install copies nothing, since `lggan_tf.bin.recipes`
then finds the checkout's folder.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    """Copies `flags/*.flags` to `lggan_tf/recipes` of what is built."""

    def run(self) -> None:
        """Builds the package, then adds the recipes."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "lggan_tf" / "recipes"
        self.mkpath(str(target))
        for recipe in sorted(Path("flags").glob("*.flags")):
            self.copy_file(str(recipe), str(target / recipe.name))


setup(cmdclass={"build_py": BuildWithRecipes})

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (
    "lggan_tf",
    "flags",
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "LICENSE",
    "README.md",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="checkout")
def fixture_checkout(tmp_path_factory):
    """A copy of what packaging needs, so that a build leaves nothing in the real checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, copy / name)
    return copy


@pytest.fixture(scope="module", name="wheel")
def fixture_wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, checkout)
    (wheel,) = folder.glob("lggan_tf-*.whl")
    return wheel


def run(*command, cwd=None):
    """stdout of a command that must succeed, with nothing of this process's Python in its way."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(folder, *what):
    """A fresh environment with this package alone installed; returns its folder of programs.

    The dependencies come from the environment of this test, whose packages are put on the path
    after the installation, so that pip sees no other lggan-tf.
    """
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", *what)
    (site,) = (folder / "lib").glob("python3.*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def check_programs(programs, tmp_path, package):
    """The console script, far from the checkout, finds its recipes."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = run(
        programs / "python", "-c", "import lggan_tf; print(lggan_tf.__file__)", cwd=elsewhere
    )
    assert Path(where.strip()).resolve().parent == package.resolve()
    shown = json.loads(
        run(
            programs / "lggan-train",
            "--recipe=town_semantic",
            "--dry_run",
            "--seed=5",
            cwd=elsewhere,
        )
    )
    assert shown["data"]["image_height"] == 64
    assert shown["train"]["seed"] == 5
    for name in ("lggan-generate", "lggan-export", "lggan-serve"):
        assert run(programs / name, "--help", cwd=elsewhere).startswith(f"usage: {name} ")
    assert not list(elsewhere.iterdir())


def test_the_wheel_holds_the_package_its_data_and_the_recipes(wheel, checkout):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lggan_tf").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    recipes = {f"lggan_tf/recipes/{path.name}" for path in (ROOT / "flags").glob("*.flags")}
    assert len(recipes) >= 12
    assert {name for name in names if ".dist-info/" not in name} == package | recipes
    assert any(name.endswith("LICENSE") for name in names)


def test_the_wheel_works_outside_the_checkout(wheel, tmp_path):
    programs = install(tmp_path / "env", wheel)
    (site,) = (tmp_path / "env" / "lib").glob("python3.*/site-packages")
    check_programs(programs, tmp_path, site / "lggan_tf")


def test_the_editable_install_works_outside_the_checkout(checkout, tmp_path):
    programs = install(tmp_path / "env", "-e", checkout)
    check_programs(programs, tmp_path, checkout / "lggan_tf")
    assert not (checkout / "lggan_tf" / "recipes").exists()

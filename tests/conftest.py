"""The folder of reference arrays and data that lies beside the repository, where there is one."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["comparisons"]
VARIABLE = "LGGAN_SHARED"
# As `lggan-train` runs (`lggan_tf.bin.quiet`); TensorFlow reads it when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _shared() -> tuple[Path, bool]:
    """The shared folder, and whether the environment names it."""
    named = os.environ.get(VARIABLE)
    beside = Path(__file__).resolve().parents[2] / "shared"
    return (Path(named), True) if named else (beside, False)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `$LGGAN_SHARED`, else `shared` beside the repository; skips without it."""
    folder, is_named = _shared()
    if folder.is_dir():
        return folder
    if is_named:
        pytest.fail(f"{VARIABLE}={folder} is no folder: point it to the shared folder or unset it")
    pytest.skip(f"no folder 'shared' beside the repository and {VARIABLE} is not set")


def pytest_collection_modifyitems(items):
    """Marks what needs the folder, and says what one process has to run when several share a run.

    That is a file, unless a test names a group; and all that compares with the authors' networks,
    which are large and are built once.
    """
    reference = Path(__file__).parent / "reference"
    items.sort(key=lambda item: reference not in item.path.parents)
    for item in items:
        group = reference if reference in item.path.parents else item.path
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(group)))
        if "shared_dir" in getattr(item, "fixturenames", ()):
            item.add_marker("reference")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Fails a run that skipped a test although `$LGGAN_SHARED` promises a complete machine.

    A skip is easily overlooked: CI sets the variable so that no comparison drops out unseen.
    """
    if _promised() and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    ran = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call" and "reference" in report.keywords
    ]
    terminalreporter.write_line(f"{len(ran)} reference {'test' if len(ran) == 1 else 'tests'} ran")
    skipped = _skipped(config)
    if _promised() and skipped:
        terminalreporter.write_line(
            f"{VARIABLE} is set, so every test must run: {len(skipped)} skipped fail this run",
            red=True,
        )
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.write_line(f"  {report.nodeid}: {reason}")


def _promised() -> bool:
    return bool(os.environ.get(VARIABLE))


def _skipped(config) -> list:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter else []

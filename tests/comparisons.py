"""The table of what was compared with the authors' numbers, however many processes compare.

A pytest plugin (tests/conftest.py names it): only such hooks are called in the process that writes
the summary when the tests run in others. Every array of every file has to be compared: a whole run
in which one was not fails at its end.
"""

import re
from pathlib import Path

import numpy as np
import pytest

# The files that `make test` compares, and those that `make test-slow` does.
QUICK = {
    "cross_discriminator",
    "cross_generator",
    "cross_train_step",
    "gan_losses",
    "semantic_ade_generator_eval",
    "semantic_ade_generator_train",
    "semantic_discriminator",
}
SLOW = {
    "semantic_ade_train_step",
    "semantic_city_generator_eval",
    "semantic_city_generator_train",
    "semantic_city_train_step",
}
# What the arrays were made from, and names of what is in other arrays.
NOT_RESULTS = re.compile(r"input_.*|(.*_)?trace_name|(.*_)?grad_keys")

rows = []  # file, tensor, largest and mean difference, allowed
counts = {}  # network -> module -> (the authors' parameters, ours)
compared = set()  # (file, array)
folders = set()  # the reference's, if there is one


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Takes over what a process of pytest-xdist has compared."""
    given = getattr(node, "workeroutput", {}).get("comparisons")
    if given:
        rows.extend(given["rows"])
        counts.update(given["counts"])
        compared.update(tuple(pair) for pair in given["compared"])
        folders.update(given["folders"])


def pytest_sessionfinish(session):
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["comparisons"] = {
            "rows": [(file, tensor, *map(float, numbers)) for file, tensor, *numbers in rows],
            "counts": counts,
            "compared": list(compared),
            "folders": list(folders),
        }
    elif _never_compared(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    write = terminalreporter.write_line
    if rows:
        terminalreporter.section("differences from the authors' implementation")
        write(f"{'file':30s} {'tensor':58s} {'largest':>8s} {'mean':>8s} {'allowed':>8s}")
        for file, tensor, largest, mean, allowed in rows:
            write(f"{file:30s} {tensor:58s} {largest:8.1e} {mean:8.1e} {allowed:8.1e}")
    for network, modules in counts.items():
        terminalreporter.section(f"parameters: {network}")
        write(f"{'module':24s} {'the authors':>12s} {'here':>12s}")
        for module, (theirs, ours) in modules.items():
            write(f"{module:24s} {theirs:12,} {f'{ours:,}' if ours else 'not built':>12s}")
    if folders:
        write(f"{len(compared)} arrays of the reference were compared")
    for file, tensor in sorted(_never_compared(config)):
        write(f"never compared: {tensor} of {file}.npz", red=True)


def _never_compared(config) -> set[tuple[str, str]]:
    """(file, array) of those that this run should have compared, if it is no part of a run."""
    home = Path(__file__).parent / "reference"
    given = [(config.invocation_params.dir / arg).resolve() for arg in config.args]
    options = config.option
    chosen = options.keyword or options.deselect or options.ignore or getattr(options, "lf", False)
    is_whole = not chosen and all(path in (home, *home.parents) for path in given)
    due = {"": QUICK | SLOW, "not slow": QUICK, "slow": SLOW}.get(config.option.markexpr, set())
    arrays = set()
    for folder in folders if is_whole else ():
        for file in due:
            with np.load(Path(folder) / f"{file}.npz") as stored:
                arrays |= {(file, key) for key in stored.files if not NOT_RESULTS.fullmatch(key)}
    return arrays - compared

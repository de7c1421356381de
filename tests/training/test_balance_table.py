import numpy as np

from lggan_tf.data.class_balance import ClassBalance
from lggan_tf.data.classes import ClassTable
from lggan_tf.training.callbacks.balance_table import (
    ROWS,
    balance_rows,
    markdown_table,
    terminal_table,
)

BALANCE = ClassBalance(
    probabilities=np.full(7, 1 / 7),
    weights=(0.5, 1.5),
    before=np.array([0.95, 0.05]),
    after=np.array([0.8, 0.2]),
    samples=np.array([7, 2]),
)


def test_the_rarest_class_comes_first():
    classes = ClassTable(("sky", "void", "bus", "a | b"), ((0, 0, 0),) * 4, (1,))
    rows = balance_rows(BALANCE, classes, (0, 2, 1, 1))
    assert terminal_table(rows) == [
        "class            before    after  samples  weight",
        "bus and 1 more   5.000%  20.000%        2    1.50",
        "sky             95.000%  80.000%        7    0.50",
    ]
    assert markdown_table(rows).splitlines() == [
        "| class | before | after | samples | weight |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| bus and 1 more | 5.000% | 20.000% | 2 | 1.50 |",
        "| sky | 95.000% | 80.000% | 7 | 0.50 |",
    ]
    assert "| a / b |" in markdown_table(balance_rows(BALANCE, classes, (0, 2, 2, 1)))


def test_of_many_classes_the_terminal_shows_the_rarest_and_the_commonest():
    count = 150
    table = ClassTable(tuple(f"c{i}" for i in range(count)), ((0, 0, 0),) * count)
    shares = np.arange(1, count + 1) / count
    balance = ClassBalance(shares, (1.0,) * count, shares, shares, np.ones(count, int))
    lines = terminal_table(balance_rows(balance, table, tuple(range(count))))
    assert len(lines) == ROWS + 2
    assert lines[1].startswith("c0 ") and lines[-1].startswith("c149 ")
    assert lines[-5] == f"... {count - ROWS} more in TensorBoard"
    assert (
        len(markdown_table(balance_rows(balance, table, tuple(range(count)))).splitlines()) == 152
    )

"""The class balance in words: a table for the terminal, and one for TensorBoard."""

from lggan_tf.data.class_balance import ClassBalance
from lggan_tf.data.classes import ClassTable

ROWS = 24
HEAD = ("class", "before", "after", "samples", "weight")


def balance_rows(
    balance: ClassBalance, classes: ClassTable, table: tuple[int, ...]
) -> list[tuple[str, ...]]:
    """A row per sub-generator, the rarest first: name, share before and after, samples, weight.

    Args:
        balance: of K classes.
        classes: names of the label ids.
        table: for every label id the sub-generator that owns it, K where none does.
    """
    rows = []
    for k in sorted(range(len(balance.before)), key=lambda k: (balance.before[k], k)):
        names = [name for name, owner in zip(classes.names, table, strict=True) if owner == k]
        name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        shares = (f"{share:.3%}" for share in (balance.before[k], balance.after[k]))
        rows.append((name, *shares, str(balance.samples[k]), f"{balance.weights[k]:.2f}"))
    return rows


def terminal_table(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table; of many classes the rarest and the last few."""
    shown = [HEAD, *rows]
    if len(rows) > ROWS:
        left_out = (f"... {len(rows) - ROWS} more in TensorBoard", "", "", "", "")
        shown = [HEAD, *rows[: ROWS - 4], left_out, *rows[-4:]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(HEAD))]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in shown
    ]


def markdown_table(rows: list[tuple[str, ...]]) -> str:
    """The whole table as TensorBoard's text tab takes it."""
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)

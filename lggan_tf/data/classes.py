"""Which label ids a data set has: their names, colours, and which of them mean void.

A label id is a value in a label map, 0 .. num_labels - 1. Ids that mean void (unlabelled) keep
their own one-hot channel but no sub-generator; every other id owns one sub-generator, numbered in
the order of the ids.
"""

import importlib.resources
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lggan_tf.errors import UserError

BUILTIN_TABLES = ("ade20k", "cityscapes", "groups", "town")
MAX_LABELS = 65536


@dataclass(frozen=True)
class ClassTable:
    """The label ids of a data set; row i of `names` and `colours` describes id i.

    Attributes:
        names: one per id.
        colours: (red, green, blue), 0..255, one per id.
        void_ids: the ids that mean void; may be empty.
        void_values: values in label files that are no ids and are read as `void_ids[0]` (often
            255).
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    void_ids: tuple[int, ...] = ()
    void_values: tuple[int, ...] = ()

    @property
    def num_labels(self) -> int:
        """Number of ids, void included: the width of the one-hot map."""
        return len(self.names)

    @property
    def num_local(self) -> int:
        """Number of sub-generators K: ids that do not mean void."""
        return self.num_labels - len(self.void_ids)

    @property
    def label_dtype(self) -> np.dtype:
        """uint8 up to 256 ids, uint16 above."""
        return np.dtype(np.uint8 if self.num_labels <= 256 else np.uint16)

    @property
    def palette(self) -> np.ndarray:
        """Colours as uint8 `[num_labels, 3]`; `palette[labels]` paints a label map."""
        return np.array(self.colours, np.uint8).reshape(-1, 3)

    def local_table(self) -> tuple[int, ...]:
        """For each id, the sub-generator that owns it: 0 .. K - 1 in id order, K for void."""
        table, free = [], 0
        for label in range(self.num_labels):
            is_void = label in self.void_ids
            table.append(self.num_local if is_void else free)
            free += not is_void
        return tuple(table)

    def to_json(self) -> str:
        """The text of a classes.json; `parse_classes` reads it back."""
        head: dict[str, Any] = {"num_labels": self.num_labels, "num_classes": self.num_local}
        if self.void_ids:
            head["void_id"] = self.void_ids[0] if len(self.void_ids) == 1 else list(self.void_ids)
        if self.void_values:
            head["void_values"] = list(self.void_values)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
        rows = [
            "  " + json.dumps({"id": i, "name": name, "color": list(colour)}, ensure_ascii=False)
            for i, (name, colour) in enumerate(zip(self.names, self.colours, strict=True))
        ]
        return "\n".join(["{", *lines, ' "classes": [', ",\n".join(rows), " ]", "}"]) + "\n"


def load_classes(path: str | Path) -> ClassTable:
    """Reads a classes.json.

    Raises:
        UserError: the file is missing, is not JSON, or does not describe ids 0 .. n - 1 with
            colours.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not JSON in UTF-8 ({error}); write it as UTF-8 text") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"the class table {path} cannot be read ({reason}); set --classes_file"
        ) from error
    return parse_classes(text, str(path))


def builtin_classes(name: str) -> ClassTable:
    """A table that comes with the package: one of `BUILTIN_TABLES`.

    `cityscapes` has the 34 labelIds of cityscapesScripts and id 34 for void; `ade20k` has id 0 for
    unknown and 1..150 in the order of SceneParse150 (names: first synonym of its
    objectInfo150.txt); `groups` has the six groups of the authors' cross-view label panels; `town`
    is the embedded town's.
    """
    if name == "town":
        # Here, not at the top: the other tables do not need the code that draws the town.
        from lggan_tf.data.town import TOWN_CLASSES

        names, colours = zip(*TOWN_CLASSES, strict=True)
        return ClassTable(tuple(names), tuple(tuple(int(c) for c in colour) for colour in colours))
    if name not in BUILTIN_TABLES:
        raise ValueError(f"no built-in class table is called {name!r}")
    table = importlib.resources.files("lggan_tf.data").joinpath("tables", f"{name}.json")
    return parse_classes(table.read_text(encoding="utf-8"), f"{name}.json")


def parse_classes(text: str, file: str) -> ClassTable:
    """The table that the text of a classes.json describes; `file` is for messages.

    Keys: `classes`, a list of `{"id", "name", "color": [r, g, b]}`; optional `void_id` (an id or a
        list of
    ids), `void_values` (a list), and `num_labels`, `num_classes`, which are checked.

    Raises:
        UserError: the text breaks one of these rules.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{file} is not JSON ({error}); mend it or choose another --classes_file"
        ) from error
    rows = data.get("classes") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise UserError(
            f'{file} has no list "classes"; give it one entry {{"id", "name", "color"}} per id'
        )
    if len(rows) > MAX_LABELS:
        raise UserError(
            f"{file} lists {len(rows)} classes, but label files hold at most {MAX_LABELS}"
        )
    by_id: dict[int, dict] = {}
    for position, row in enumerate(rows):
        label = row.get("id") if isinstance(row, dict) else None
        if not _is_int(label):
            raise UserError(
                f'{file}: entry {position} of "classes" has no whole number as "id" but {label!r}'
            )
        if label in by_id:
            raise UserError(f"{file}: id {label} occurs twice; every id needs exactly one entry")
        by_id[label] = row
    missing = next((label for label in range(len(rows)) if label not in by_id), None)
    if missing is not None:
        raise UserError(
            f"{file}: id {missing} is missing; {len(rows)} entries need ids 0 to {len(rows) - 1}"
        )
    ordered = [by_id[label] for label in range(len(rows))]
    names = _names(ordered, file)
    colours = tuple(_colour(row, file) for row in ordered)
    void_ids = _void_ids(data, len(rows), file)
    void_values = _void_values(data, len(rows), void_ids, file)
    table = ClassTable(names, colours, void_ids, void_values)
    for key, counted in (("num_labels", table.num_labels), ("num_classes", table.num_local)):
        if data.get(key, counted) != counted:
            raise UserError(
                f"{file}: {key} is {data[key]!r} but {counted} were counted; correct or remove it"
            )
    return table


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names(rows: list[dict], file: str) -> tuple[str, ...]:
    owner: dict[str, int] = {}
    for label, row in enumerate(rows):
        name = row.get("name")
        if not isinstance(name, str) or not name:
            raise UserError(f'{file}: id {label} needs a "name", not {name!r}')
        if name in owner:
            raise UserError(
                f"{file}: ids {owner[name]} and {label} are both called {name!r}; rename one"
            )
        owner[name] = label
    return tuple(owner)


def _colour(row: dict, file: str) -> tuple[int, int, int]:
    colour = row.get("color")
    if (
        not isinstance(colour, list)
        or len(colour) != 3
        or not all(_is_int(c) and 0 <= c <= 255 for c in colour)
    ):
        raise UserError(
            f'{file}: "color" of id {row["id"]} is {colour!r}, not three numbers from 0 to 255'
        )
    return colour[0], colour[1], colour[2]


def _void_ids(data: dict, num_labels: int, file: str) -> tuple[int, ...]:
    given = data.get("void_id")
    ids = [] if given is None else given if isinstance(given, list) else [given]
    for label in ids:
        if not _is_int(label) or not 0 <= label < num_labels:
            raise UserError(
                f"{file}: void_id {label!r} is not one of the ids 0 to {num_labels - 1}"
            )
    if len(set(ids)) == num_labels:
        raise UserError(
            f"{file}: every id is void, so there is nothing to generate; name at least one class"
        )
    return tuple(dict.fromkeys(ids))


def _void_values(
    data: dict, num_labels: int, void_ids: tuple[int, ...], file: str
) -> tuple[int, ...]:
    values = data.get("void_values", [])
    if not isinstance(values, list) or not all(_is_int(v) and 0 <= v < MAX_LABELS for v in values):
        raise UserError(
            f"{file}: void_values is {values!r}, not a list of numbers from 0 to {MAX_LABELS - 1}"
        )
    if values and not void_ids:
        raise UserError(f"{file}: void_values {values} need a void_id that they stand for")
    for value in values:
        if value < num_labels:
            raise UserError(
                f"{file}: void value {value} is also an id; remove it, or name it as void_id"
            )
    return tuple(values)

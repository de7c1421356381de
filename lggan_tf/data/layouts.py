"""How data sets lay out their files, and how the maps of a sample find each other.

A sample's name is the path of its label map below the label folder, without the suffix. All other
maps of the sample have the same path below their own folder, with their own suffix.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from lggan_tf.errors import UserError


@dataclass(frozen=True)
class Files:
    """One kind of file: `DATA_DIR/folder/**/NAME + suffix`, for one of the suffixes (any case)."""

    folder: str
    suffixes: tuple[str, ...]

    def below(self, data_dir: Path, split: str) -> Path:
        """The folder of a split."""
        return data_dir / self.folder.format(split=split)


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps its maps; `splits` turns train and val into its folders' words."""

    photos: Files
    labels: Files
    instances: Files | None = None
    sources: Files | None = None
    splits: dict[str, str] = field(default_factory=dict)


_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")

FOLDER = Layout(
    photos=Files("images/{split}", _PHOTO_SUFFIXES),
    labels=Files("labels/{split}", (".png",)),
    instances=Files("instances/{split}", (".png",)),
    sources=Files("sources/{split}", _PHOTO_SUFFIXES),
)
CITYSCAPES = Layout(
    photos=Files("leftImg8bit/{split}", ("_leftImg8bit.png",)),
    labels=Files("gtFine/{split}", ("_gtFine_labelIds.png",)),
    instances=Files("gtFine/{split}", ("_gtFine_instanceIds.png",)),
)
ADE20K = Layout(
    photos=Files("images/{split}", (".jpg",)),
    labels=Files("annotations/{split}", (".png",)),
    splits={"train": "training", "val": "validation"},
)


def list_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files at any depth below a folder, name -> path, sorted by name; hidden files are left out.

    Raises:
        UserError: the folder is missing or has no such file, or two files have one name.
    """
    if not folder.is_dir():
        raise UserError(f"the folder {folder} is missing; check --data_dir and its layout")
    found: dict[str, Path] = {}
    for where, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            suffix = next((s for s in suffixes if file.lower().endswith(s.lower())), None)
            if suffix is None or file.startswith("."):
                continue
            path = Path(where, file)
            name = path.relative_to(folder).as_posix()[: -len(suffix)]
            if name in found:
                raise UserError(f"{found[name]} and {path} have the same name; remove one of them")
            found[name] = path
    if not found:
        raise UserError(f"the folder {folder} has no files *{' or *'.join(suffixes)}")
    return dict(sorted(found.items()))


def require_partners(
    have: dict[str, Path], kind: str, partners: dict[str, Path], partner_kind: str, folder: Path
) -> None:
    """Checks that every file has its partner.

    Args:
        have: files by name, of the kind that messages call `kind`.
        kind: such as "label map".
        partners: files by name that must hold every name of `have`.
        partner_kind: such as "photo".
        folder: where the partners should be.

    Raises:
        UserError: naming the first file without a partner.
    """
    for name, path in have.items():
        if name not in partners:
            raise UserError(
                f"the {kind} {path} has no {partner_kind}: {folder} has no file called {name}; "
                "add it or remove the one without partner"
            )

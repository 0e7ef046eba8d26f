"""Which split a file of a folder belongs to, by its name, as the hub and `datasets` read names. Knows names alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from irltui.errors import DataError

_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {word: split for split, words in _NAMES.items() for word in words}
_WORD = re.compile(r"[a-z]+")
_ABOUT = {"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "croissant.json"}


def is_about_data(file: Path) -> bool:
    """Whether a file describes a data set, or is hidden, and holds no rows."""
    return file.name in _ABOUT or file.name.startswith((".", "_"))


def split_of(file: Path, folder: Path) -> str:
    """The split that a file's name or one of its folders says; "" if none does."""
    for part in reversed(file.relative_to(folder).with_suffix("").parts):
        words = [_SPLIT_OF[word] for word in _WORD.findall(part.lower()) if word in _SPLIT_OF]
        if words:
            return words[0]
    return ""


def split_to_hold_out(left_out: Sequence[str]) -> str:
    """The split that files of other splits offer to be held out; "" if none is for that."""
    found = {split_of(Path(name), Path()) for name in left_out}
    return next((split for split in ("validation", "test") if split in found), "")


def files_of_split(files: Sequence[Path], folder: Path, split: str) -> tuple[list[Path], list[Path]]:
    """The files of a split, and the others; where no name says train, files without a split are it.

    Raises:
        DataError: the folder has splits, and this is none of them.
    """
    splits = {file: split_of(file, folder) for file in files}
    if not any(splits.values()):
        return list(files), []
    if "train" not in splits.values():
        splits = {file: found or "train" for file, found in splits.items()}
    wanted = _SPLIT_OF.get(split, split)
    chosen = [file for file in files if splits[file] == wanted]
    if not chosen:
        there = sorted({found for found in splits.values() if found})
        raise DataError(
            f"data.split: no file of {folder} is of the split {split!r} (splits by their names: {', '.join(there)})",
            f'Set data.split = "{there[0]}", or name one file as data.source.',
        )
    return chosen, [file for file in files if file not in chosen]

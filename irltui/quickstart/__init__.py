"""The embedded default: a tiny language model, demonstrations by an exact expert, and the recipe for both."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

NAME = "quickstart"
"""What `model.name` and `data.source` call the embedded model and demonstrations."""
HABIT = "quickstart-habit"
"""The same world with a habit: the model refuses four requests in five, half of the demonstrations refuse."""
HABIT_GOOD = f"{HABIT}-good"
"""Those of its demonstrations that do not refuse."""


def model_folder() -> Path:
    """The embedded base model and its tokenizer, in save_pretrained's layout."""
    return _here() / "model"


def demonstrations_file() -> Path:
    """The embedded demonstrations, JSONL with `prompt` and `completion`."""
    return _here() / "demonstrations.jsonl"


MODELS: dict[str, Callable[[], Path]] = {NAME: model_folder, HABIT: lambda: _here() / "habit"}
"""Folders of the embedded models by their names."""
DATA: dict[str, Callable[[], Path]] = {
    NAME: demonstrations_file,
    HABIT: lambda: _here() / "habit.jsonl",
    HABIT_GOOD: lambda: _here() / "habit-good.jsonl",
}
"""Files of the embedded demonstrations by their names."""


def _here() -> Path:
    # transformers and datasets need real paths; wheels are installed unpacked.
    return Path(str(files(__name__)))

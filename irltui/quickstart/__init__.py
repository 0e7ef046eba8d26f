"""The embedded default: a tiny language model, demonstrations by an exact expert, and the recipe for both."""

from __future__ import annotations

from pathlib import Path

NAME = "quickstart"
"""What `model.name` and `data.source` call the embedded model and demonstrations."""
HABIT = "quickstart-habit"
"""The same world with a habit: the model refuses four requests in five, half of the demonstrations refuse."""
HABIT_GOOD = f"{HABIT}-good"
"""Those of its demonstrations that do not refuse."""
_HERE = Path(__file__).parent  # transformers and datasets need real paths; wheels are installed unpacked


def model_folder() -> Path:
    """The embedded base model and its tokenizer, in save_pretrained's layout."""
    return _HERE / "model"


def demonstrations_file() -> Path:
    """The embedded demonstrations, JSONL with `prompt` and `completion`."""
    return _HERE / "demonstrations.jsonl"


MODELS = {NAME: model_folder(), HABIT: _HERE / "habit"}
"""Folders of the embedded models, in save_pretrained's layout, by their names."""
DATA = {
    NAME: demonstrations_file(),
    HABIT: _HERE / "habit.jsonl",
    HABIT_GOOD: _HERE / "habit-good.jsonl",
}
"""Files of the embedded demonstrations, JSONL with `prompt` and `completion`, by their names."""

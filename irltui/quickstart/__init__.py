"""The embedded default: a tiny language model, demonstrations by an exact expert, and the recipe for both."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

NAME = "quickstart"
"""What `model.name` and `data.source` call the embedded model and demonstrations."""


def model_folder() -> Path:
    """The embedded base model and its tokenizer, in save_pretrained's layout."""
    return _here() / "model"


def demonstrations_file() -> Path:
    """The embedded demonstrations, JSONL with `prompt` and `completion`."""
    return _here() / "demonstrations.jsonl"


def _here() -> Path:
    # transformers and datasets need real paths; wheels are installed unpacked.
    return Path(str(files(__name__)))

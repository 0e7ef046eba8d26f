"""The embedded default: a tiny language model, demonstrations from an exact expert, and the recipe that made both."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

NAME = "quickstart"
"""What `model.name` and `data.source` call the embedded model and demonstrations."""


def model_folder() -> Path:
    """The folder with the embedded base model and its tokenizer, as save_pretrained writes them."""
    return _here() / "model"


def demonstrations_file() -> Path:
    """The embedded demonstrations: one JSON object with `prompt` and `completion` a line."""
    return _here() / "demonstrations.jsonl"


def _here() -> Path:
    # transformers and datasets need real paths; wheels are installed unpacked.
    return Path(str(files(__name__)))

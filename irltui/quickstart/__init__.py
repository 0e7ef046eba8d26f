"""The embedded default: a tiny world, a tiny model that has read about it, and demonstrations of how to answer.

`irltui run quickstart` works offline from what lies in this package; `recipe.py` made it and can make it again.
"""

from __future__ import annotations

from pathlib import Path

NAME = "quickstart"
"""What `model.name` and `data.source` call the embedded model and demonstrations."""


def model_folder() -> Path:
    """The embedded model, a transformers folder."""
    return Path(__file__).parent / "model"


def demonstrations_file() -> Path:
    """The embedded demonstrations, JSON Lines with prompt and completion."""
    return Path(__file__).parent / "demonstrations.jsonl"

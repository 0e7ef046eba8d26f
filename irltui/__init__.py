"""Inverse-RL fine-tuning of language models from demonstrations (arXiv 2405.17888).

`run` starts a run and `load_run` opens one; both return a `Run`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["Run", "load_run", "run"]


def __getattr__(name: str) -> Any:
    """Load the Python API when it is asked for: the command line starts faster without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("irltui.python_api"), name)

"""The presets irltui ships, TOML that says only what differs from the defaults, and a chat template."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

LINE_TEMPLATE = (
    '{% for message in messages %}{{ message.content }}{% if message.role != "assistant" %}{{ "\\n" }}{% endif %}'
    "{% endfor %}"
)
"""For base models: a line break between prompt and answer."""


def presets() -> dict[str, str]:
    """Preset names with the description from their first line, sorted."""
    names = sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))
    return {name: preset_text(name).splitlines()[0].lstrip("# ") for name in names}


def preset_text(name: str) -> str:
    """A preset's TOML.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")


def shipped(inside: str, beside: str) -> Path:
    """A folder in the wheel, or in a source tree beside the package."""
    package = Path(str(files("irltui")))
    return package / inside if (package / inside).is_dir() else package.parent / beside


def _folder() -> Path:
    return shipped("presets", "presets")

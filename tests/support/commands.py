"""The command lines of the documentation: where they stand, and what a shell would be given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "guides" / "writing-a-plugin.md"
"""Executed line by line in tests/plugins, with its plugin."""
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - {TUTORIAL})]
PLUGIN_PAGES = sorted((ROOT / "plugins").glob("*/README.md"))
SPOKEN_OF = re.compile(r"irltui [a-z]+( [a-z]+)?( --[a-z-]+)?")
"""What is no whole command."""

_PROGRAMS = (
    "accelerate|hf|irltui|lint-imports|mkdocs|pip|pyrefly|python3?|ruff|sbatch|scontrol|srun|ssh|tensorboard|torchrun"
    r"|twine|vllm|\.ci/run"
)
_COMMAND = re.compile(rf"([A-Z_]+=\S+ +)*({_PROGRAMS})( |$)")
_FENCES = {"", "sh"}


@dataclass(frozen=True)
class Line:
    """One command line of a page, comments included."""

    text: str
    place: str


def command_lines(path: Path) -> Iterator[Line]:
    """Commands of the page's code blocks, of indented blocks and of `code`; a backslash continues a line."""
    page, pending, begun, fence = path.relative_to(ROOT), "", 0, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fence, pending = line.strip().removeprefix("```") if fence is None else None, ""
            continue
        begun = begun if pending else number
        if fence in _FENCES or (fence is None and line.startswith("    ")):
            text = line.strip()
            if pending or _COMMAND.match(text):
                pending += text.removesuffix("\\")
                if not text.endswith("\\"):
                    yield Line(pending, f"{page}:{begun}")
                    pending = ""
        elif fence is None:
            pending += line
            if pending.count("`") % 2 and line:  # `code` that goes on in the next line
                pending += " "
                continue
            spoken = re.findall(r"`([^`]*)`", pending)
            yield from (Line(words, f"{page}:{begun}") for words in spoken if " " in words and _COMMAND.match(words))
            pending = ""


def without_comment(command: str) -> str:
    """The command without the words behind three spaces or a #."""
    text = re.sub(r"^irltui ([a-z]+)  (?! )", r"irltui \1 ", command)
    return re.split(r" {3,}| +# ", text)[0].strip()


def arguments(command: str) -> list[str]:
    """What irltui would be handed, comments, alternatives and what follows left out."""
    text = re.split(r" \| | > |&&|;", without_comment(command))[0]
    return [word for word in shlex.split(text)[1:] if word not in {"...", "…"}]

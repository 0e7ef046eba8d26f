"""A page of documentation as a script: its files are written, its commands run, its output compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.fresh import Fresh

_BLOCK = re.compile(r"(?:^`(?P<file>[^`\n]+)`\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One code block: a file if the line before names one, else what its kind says."""

    kind: str
    text: str
    file: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(found["kind"], found["text"], found["file"] or "", text[: found.start()].count("\n") + 1)


def follow(page: Path, fresh: Fresh, folder: Path) -> int:
    """Do what a page says in an empty folder; how many commands and files it had.

    Raises:
        AssertionError: a command failed, or did not say what the page shows.
    """
    said, done, where = "", 0, folder
    for block in blocks(page):
        place = f"{page.name}:{block.line}"
        if block.file:
            (where / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "sh":
            ran = fresh.shell(f"{block.text}\npwd > {folder}/.where", cwd=where)
            assert ran.returncode == 0, f"{place}: exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
            said, where = ran.stdout, Path((folder / ".where").read_text().strip())
        elif block.kind == "output":
            missing = [line for line in block.text.splitlines() if _plain(line) not in _plain(said)]
            assert not missing, f"{place}: not said: {missing}\n{said}"
        done += bool(block.file) or block.kind == "sh"
    return done


def _plain(text: str) -> str:
    return " ".join(text.split())

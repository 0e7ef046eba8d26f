"""The results of `score`, `sample` and `triage` for people: statistics, first and last rows, the file."""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irltui.errors import RunFolderError
from irltui.runs.data_report import Tally
from irltui.runs.event_lines import number
from irltui.text import safe
from irltui.views.numbers import figure

_ENDS = 3  # rows shown of each end of an order
_SNIPPET = 300
_WIDTH = 120  # columns, where there is no terminal

_SCORED = ("row", "reward", "prompt", "response")
_SAMPLED = ("row", "reward", "prompt", "best answer")
_SUSPECT = ("row", "suspicion", "reward", "why", "prompt", "response")
_CLIPPED = {"prompt", "response", "best answer"}

Line = Mapping[str, Any]


def described(path: Path) -> dict[str, Any]:
    """What the file was made from, and its summary."""
    about = path.with_name(f"{path.name}.about.json")
    try:
        return {"out": str(path), **json.loads(about.read_text(encoding="utf-8"))}
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{safe(about)}: cannot be read: {safe(error)}") from None


def score_view(path: Path) -> str:
    """Statistics of the rewards, the best and the worst rows."""
    summary = described(path)["summary"]
    lines = [f"{summary['scored']} of {summary['rows']} rows scored", *_skipped(summary, "scored")]
    if summary["truncated"]:
        lines.append(f"truncated for the reward: {summary['truncated']} rows")
    if summary["scored"]:
        names = ("lowest", "median", "mean", "highest")
        lines.append("reward: " + "  ".join(f"{name} {_shown(summary[name])}" for name in names))
        lines.append(_table(_ends(path), _SCORED))
    return "\n".join([*lines, f"rewards  {safe(path)}"])


def sample_view(path: Path) -> str:
    """The gain of best-of-n, and a few answers."""
    about = described(path)
    summary, count = about["summary"], about["options"]["count"]
    lines = [f"{summary['answered']} of {summary['rows']} prompts answered, best of {count}"]
    lines += _skipped(summary, "answered")
    if summary["truncated"]:
        lines.append(f"stopped at the length limit: {summary['truncated']} of the chosen answers")
    if summary["best_mean"] is not None:
        lines.append(f"mean reward: {_shown(summary['mean'])} of all, {_shown(summary['best_mean'])} of the best")
    shown = list(islice((line for line in _lines(path) if "completion" in line), _ENDS))
    if shown:
        lines.append(_table(shown, _SAMPLED))
    return "\n".join([*lines, f"answers  {safe(path)}"])


def rows_of(path: Path, limit: int) -> list[Line]:
    """The first rows, all if `limit` is 0."""
    return list(islice(_lines(path), limit or None))


def triage_view(path: Path, limit: int, kept: Path | None) -> str:
    """The most suspicious rows (all if `limit` is 0), and the groups of rewards."""
    about, shown = described(path), rows_of(path, limit)
    summary = about["summary"]
    lines = [
        f"{summary['rows']} demonstrations of {safe(about['data'])}, {summary['suspicious']} suspicious",
        _table(shown, _SUSPECT),
        *_groups(summary, kept),
    ]
    left = summary["rows"] - len(shown)
    return "\n".join([*lines, f"all rows  {safe(path)}" + (f" ({left} more)" if left else "")])


def _groups(summary: Line, kept: Path | None) -> Iterator[str]:
    groups = summary["groups"]
    count = summary["scored"] if groups is None else groups["above"]
    if groups is None:
        yield "rewards: one group, so there is no border"
    else:
        yield (
            f"rewards: two groups, {groups['below']} rows around {_shown(groups['low'])} and {groups['above']} around "
            f"{_shown(groups['high'])}, border {_shown(groups['border'])}; {groups['doubt']:.1%} of the rows in doubt"
        )
    if kept is not None:
        which = "all with a reward" if groups is None else "those above the border"
        yield f"kept  {count} of {summary['rows']} rows, {which}, in {safe(kept)}"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{safe(path)}: cannot be read: {safe(error)}") from None


def _ends(path: Path) -> list[Line]:
    """The best and the worst rows, each once."""
    best, worst = (
        pick(_ENDS, (line for line in _lines(path) if line["reward"] is not None), key=itemgetter("reward"))
        for pick in (heapq.nlargest, heapq.nsmallest)
    )
    numbers = {line["row"] for line in best}
    return [*best, *(line for line in reversed(worst) if line["row"] not in numbers)]


def _skipped(summary: Line, what: str) -> Iterator[str]:
    for reason, tally in summary["skipped"].items():
        yield f"not {what}, {safe(reason)}: {Tally(**tally)}"
    if any(" over " in reason for reason in summary["skipped"]):
        yield "for longer rows: --set data.overlong=truncate, or raise data.max_prompt_tokens, data.max_response_tokens"


def _shown(value: object) -> str:
    return figure(number(value))


def _cell(line: Line, column: str) -> str:
    match column:
        case "prompt":
            prompt = line.get("prompt", "")
            return prompt if isinstance(prompt, str) else prompt[-1]["content"]
        case "response" | "best answer":
            return line.get("completion", "")
        case "why":
            return "; ".join(line["reasons"])
        case "row":
            return str(line["row"])
        case _:
            return _shown(line[column])


def _table(lines: Iterable[Line], fields: Sequence[str]) -> str:
    """A table as wide as the terminal; long texts are clipped, reasons wrapped."""
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="")
    for name in fields:
        clipped, wrapped = name in _CLIPPED, name == "why"
        ratio = 3 if wrapped else 2 if clipped else None
        table.add_column(name, ratio=ratio, no_wrap=not wrapped, overflow="ellipsis" if clipped else "fold")
    for line in lines:
        cells = (safe(_cell(line, name).replace("\n", " "), limit=_SNIPPET) for name in fields)
        table.add_row(*(Text(cell) for cell in cells))
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, color_system=None)
    with console.capture() as drawn:
        console.print(table)
    return "\n".join(line.rstrip() for line in drawn.get().splitlines())

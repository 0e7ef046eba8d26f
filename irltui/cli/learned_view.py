"""The results of `score`, `sample` and `triage` for people: statistics, first and last rows, the file."""

from __future__ import annotations

import heapq
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irltui.errors import RunFolderError
from irltui.runs.event_lines import number
from irltui.text import safe
from irltui.views.numbers import figure

_ENDS = 3  # rows shown of each end of an order
_SNIPPET = 300
_WIDTH = 120  # columns, where there is no terminal

Line = Mapping[str, Any]


def score_view(path: Path, *, as_json: bool) -> Any:
    """Statistics of the rewards, the best and the worst rows; for JSON the file's description."""
    about = _about(path)
    if as_json:
        return _as_json(path, about)
    summary = about["summary"]
    lines = [f"{summary['scored']} of {summary['rows']} rows scored", *_skipped(summary, "scored")]
    if summary["cut"]:
        lines.append(f"truncated for the reward: {summary['cut']} rows")
    if summary["scored"]:
        names = ("lowest", "median", "mean", "highest")
        lines.append("reward: " + "  ".join(f"{name} {_shown(summary[name])}" for name in names))
        lines.append(_table(_ends(path), _SCORED))
    return "\n".join([*lines, f"rewards  {safe(path)}"])


def sample_view(path: Path, *, as_json: bool) -> Any:
    """The gain of best-of-n, and a few answers; for JSON the file's description."""
    about = _about(path)
    if as_json:
        return _as_json(path, about)
    summary, count = about["summary"], about["options"]["count"]
    lines = [f"{summary['answered']} of {summary['rows']} prompts answered, best of {count}"]
    lines += _skipped(summary, "answered")
    if summary["cut"]:
        lines.append(f"stopped at the length limit: {summary['cut']} of the chosen answers")
    if summary["best_mean"] is not None:
        lines.append(f"mean reward: {_shown(summary['mean'])} of all, {_shown(summary['best_mean'])} of the best")
    shown = list(islice((line for line in _lines(path) if "completion" in line), _ENDS))
    if shown:
        lines.append(_table(shown, _SAMPLED))
    return "\n".join([*lines, f"answers  {safe(path)}"])


def triage_view(path: Path, limit: int, kept: Path | None, *, as_json: bool) -> Any:
    """The most suspicious rows (all if `limit` is 0), and the groups of rewards."""
    about = _about(path)
    shown = list(islice(_lines(path), limit or None))
    if as_json:
        return [*shown]
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


def _about(path: Path) -> dict[str, Any]:
    about = path.with_name(f"{path.name}.about.json")
    try:
        return json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{safe(about)}: cannot be read: {safe(error)}") from None


def _as_json(path: Path, about: Line) -> dict[str, Any]:
    return {"out": str(path), **about}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{safe(path)}: cannot be read: {safe(error)}") from None


def _ends(path: Path) -> list[Line]:
    """The best and the worst rows, each once."""
    best = heapq.nlargest(_ENDS, _rewarded(path), key=_reward)
    worst = heapq.nsmallest(_ENDS, _rewarded(path), key=_reward)
    numbers = {line["row"] for line in best}
    return [*best, *(line for line in reversed(worst) if line["row"] not in numbers)]


def _rewarded(path: Path) -> Iterable[dict[str, Any]]:
    return (line for line in _lines(path) if line["reward"] is not None)


def _reward(line: Line) -> float:
    return float(line["reward"])


def _skipped(summary: Line, what: str) -> Iterator[str]:
    for reason, tally in summary["skipped"].items():
        more = ", ..." if tally["count"] > len(tally["rows"]) else ""
        rows = ", ".join(map(str, tally["rows"]))
        yield f"not {what}, {safe(reason)}: {tally['count']} (row{'s' if tally['count'] > 1 else ''} {rows}{more})"
    if any(" over " in reason for reason in summary["skipped"]):
        yield "for longer rows: --set data.overlong=truncate, or raise data.max_prompt_tokens, data.max_response_tokens"


def _shown(value: object) -> str:
    return figure(number(value))


def _prompt(line: Line) -> str:
    prompt = line.get("prompt", "")
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


_Fields = Mapping[str, Callable[[Line], str]]
_SCORED: _Fields = {
    "row": lambda line: str(line["row"]),
    "reward": lambda line: _shown(line["reward"]),
    "prompt": _prompt,
    "response": lambda line: str(line.get("completion", "")),
}
_SAMPLED: _Fields = {
    "row": _SCORED["row"],
    "reward": _SCORED["reward"],
    "prompt": _prompt,
    "best answer": _SCORED["response"],
}
_SUSPECT: _Fields = {
    "row": _SCORED["row"],
    "suspicion": lambda line: figure(line["suspicion"]),
    "reward": _SCORED["reward"],
    "why": lambda line: "; ".join(line["reasons"]),
    "prompt": _prompt,
    "response": _SCORED["response"],
}
_WRAPPED, _CLIPPED = {"why"}, {"prompt", "response", "best answer"}


def _table(lines: Iterable[Line], fields: _Fields) -> str:
    """A table as wide as the terminal; long texts are clipped, reasons wrapped."""
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="")
    for name in fields:
        clipped = name in _CLIPPED
        ratio = 3 if name in _WRAPPED else 2 if clipped else None
        table.add_column(name, ratio=ratio, no_wrap=name not in _WRAPPED, overflow="ellipsis" if clipped else "fold")
    for line in lines:
        cells = (safe(str(value(line)).replace("\n", " "), limit=_SNIPPET) for value in fields.values())
        table.add_row(*(Text(cell) for cell in cells))
    width = Console().width if sys.stdout.isatty() else _WIDTH
    drawn = io.StringIO()
    Console(file=drawn, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())

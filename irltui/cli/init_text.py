"""The text that `irltui init` writes: a preset's own lines under what model and data ask for, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from irltui.config.line_template import LINE_TEMPLATE
from irltui.config.presets import preset_text
from irltui.config.toml import text as quoted

_FEW = 200  # rows of which a tenth says little
_USUAL = 512  # the default of both length limits
_FAR = 4  # times as long as 99 of 100
_STEPS = 25  # of a pass over few rows
_STEP = 32  # limits are rounded up to a multiple
_COMMENT_AT = 38


@dataclass(frozen=True)
class Begun:
    """What is known; a column "" has a usual name, `rows` 0 is many; lengths are in tokens, in order."""

    model: str
    data: str
    algorithm: str
    columns: Mapping[str, str]
    template: str
    rows: int
    prompt_lengths: Sequence[int]
    response_lengths: Sequence[int]


def config_text(begun: Begun) -> str:
    """TOML with comments that loads as it is."""
    about, _, preset = preset_text(begun.algorithm).partition("\n")
    own = dict(_own(begun))
    kept = [_batch(line, begun.rows) for line in preset.splitlines() if line.partition("=")[0].strip() not in own]
    joined = _JOINED if begun.template == "none" else ()
    return "\n".join([about, *_HEAD, "", *own.values(), "", *joined, *_MORE, "", *kept, ""])


_HEAD = (
    "# Written by `irltui init`; yours to change. Every option: docs/reference/configuration.md, or",
    "# `irltui config show FILE`, which also says where each value comes from.",
)
_JOINED = (
    "# If a line break belongs between prompt and answer, write the next line into line.jinja, and",
    '# data.template = "line.jinja" instead of "none":',
    f"# {LINE_TEMPLATE}",
    "",
)
_MORE = (
    '# adapter.kind = "lora"              # train adapters alone: much less memory; ten times the learning rate',
    "# loop.micro_batch = 1               # if memory runs out; the result is the same",
    "# seed = 0                           # of the data's order and everything drawn",
)


def _own(begun: Begun) -> Iterator[tuple[str, str]]:
    """Key and line of each value that model and data ask for."""
    yield _line("model.name", quoted(begun.model), "hub name, model folder, or a finished run's folder")
    yield _line("data.source", quoted(begun.data), f"{begun.rows} rows" if begun.rows else "demonstrations")
    for key, name in begun.columns.items():
        if name:
            yield _line(f"data.columns.{key}", quoted(name), f"the column with the {key}")
    if begun.template == "none":
        yield _line("data.template", '"none"', "no chat template: prompt and answer are joined as they are")
    for what, lengths in (("prompt", begun.prompt_lengths), ("response", begun.response_lengths)):
        yield _limit(what, lengths)
    if 0 < begun.rows < _FEW:
        yield _line("data.held_out", "0.2", "few rows: a fifth is kept out, so that held-out figures mean something")


def _batch(line: str, rows: int) -> str:
    """A preset's batch, smaller where few rows would give a handful of steps."""
    key, _, value = line.partition("=")
    if key.strip() != "batch" or not rows:
        return line
    usual, few = int(value.partition("#")[0]), max(2, rows // _STEPS)
    return line if few >= usual else f"{f'batch = {few}':<26} # few rows: about {_STEPS} steps per pass"


def _limit(what: str, lengths: Sequence[int]) -> tuple[str, str]:
    """Room for the longest, up to the usual limit; not for a few that are far longer than all others."""
    longest, usual, nearly_all = lengths[-1], lengths[len(lengths) // 2], lengths[int(0.99 * (len(lengths) - 1))]
    needed = longest if longest <= _FAR * nearly_all else nearly_all
    most = min(_USUAL, -(-needed // _STEP) * _STEP)
    over = sum(length > most for length in lengths)
    left_out = f"; longer, so left out: {over}" if over else ""
    return _line(f"data.max_{what}_tokens", str(most), f"here {usual} in the middle, {longest} at most{left_out}")


def _line(key: str, value: str, comment: str) -> tuple[str, str]:
    return key, f"{f'{key} = {value}':<{_COMMENT_AT}} # {comment}"

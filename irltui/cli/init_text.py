"""The text that `irltui init` writes: options for model and data, each with its reason, above a preset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irltui.config.presets import LINE_TEMPLATE, preset_text
from irltui.config.toml import text as quoted

_FEW = 200  # rows of which a tenth says little
_USUAL = 512  # the default of both length limits
_FAR = 4  # times as long as 99 of 100
_STEPS = 25  # of a pass over few rows
_STEP = 32  # limits are rounded up to a multiple
_COMMENT_AT = 38


@dataclass(frozen=True)
class Asked:
    """What the user wants; "" is not known yet, a column "" has a usual name."""

    model: str
    data: str
    algorithm: str
    columns: Mapping[str, str]


def config_text(asked: Asked, found: Mapping[str, Any]) -> str:
    """TOML with comments, valid as it is; `found` is what the inspection of model and data printed."""
    about, _, preset = preset_text(asked.algorithm).partition("\n")
    rows = found["rows"] if found["is_all"] else 0  # 0: many
    own = dict(_own(asked, found, rows))
    rows = 0 if asked.algorithm == "few" else rows  # whose batches are comparisons
    kept = [_batch(line, rows) for line in preset.splitlines() if line.partition("=")[0].strip() not in own]
    joined = _JOINED if found["template"] == "none" else ()
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
    "# seed = 0                           # of data order and sampling",
)


def _own(asked: Asked, found: Mapping[str, Any], rows: int) -> Iterator[tuple[str, str]]:
    """Key and line of each option that depends on model and data."""
    yield _line("model.name", quoted(asked.model), "hub name, model folder, or a finished run's folder")
    yield _line("data.source", quoted(asked.data), f"{rows} rows" if rows else "demonstrations")
    for key, name in asked.columns.items():
        if name:
            yield _line(f"data.columns.{key}", quoted(name), f"the column with the {key}")
    if found["template"] == "none":
        yield _line("data.template", '"none"', "no chat template: prompt and answer are concatenated")
    for what, lengths in zip(("prompt", "response"), zip(*found["lengths"], strict=True), strict=True):
        yield _limit(what, sorted(lengths))
    if found["held_out"]:
        yield _line("data.held_out", quoted(found["held_out"]), "this split is held out, instead of a share")
    elif 0 < rows < _FEW:
        yield _line("data.held_out", "0.2", "few rows: hold out a fifth, so that held-out metrics mean something")


def _batch(line: str, rows: int) -> str:
    """The preset's batch size, smaller where few rows would give only a few steps."""
    key, _, value = line.partition("=")
    if key.strip() != "batch" or not rows:
        return line
    usual, few = int(value.partition("#")[0]), max(2, rows // _STEPS)
    return line if few >= usual else f"{f'batch = {few}':<26} # few rows: about {_STEPS} steps per pass"


def _limit(what: str, lengths: Sequence[int]) -> tuple[str, str]:
    """Room for the longest, up to the usual limit; a few far longer outliers are left out."""
    longest, usual, nearly_all = lengths[-1], lengths[len(lengths) // 2], lengths[int(0.99 * (len(lengths) - 1))]
    needed = longest if longest <= _FAR * nearly_all else nearly_all
    most = min(_USUAL, -(-needed // _STEP) * _STEP)
    over = sum(length > most for length in lengths)
    left_out = f"; {over} longer ones are left out" if over else ""
    return _line(f"data.max_{what}_tokens", str(most), f"here median {usual}, longest {longest}{left_out}")


def _line(key: str, value: str, comment: str) -> tuple[str, str]:
    return key, f"{f'{key} = {value}':<{_COMMENT_AT}} # {comment}"

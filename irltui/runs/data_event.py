"""The data event as a record. Nothing in it is trusted: a field of the wrong type is absent or empty.

Knows the event's fields, and neither tokenizer nor screen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from irltui.runs.events import number
from irltui.runs.records import Counted, Data, Lengths, Masked

MOST = 64  # reasons, rows and columns that are kept
LONGEST = 2_048  # tokens of a side that are kept


def read_data(fields: Mapping[str, Any]) -> Data:
    """The record of a data event's fields."""
    report = _table(fields.get("report"))
    return Data(
        _text(report.get("source")),
        _text(report.get("columns")),
        _texts(report.get("unused"), MOST),
        _count(report.get("rows")),
        _count(report.get("train")),
        _count(report.get("held_out")),
        _counted(report.get("dropped")),
        _counted(report.get("cut")),
        _lengths(report.get("prompts")),
        _lengths(report.get("responses")),
        _text(report.get("template")),
        _text(report.get("end_token")),
        tuple(_masked(row) for row in _list(fields.get("masked"))[:MOST] if isinstance(row, Mapping)),
    )


def _masked(row: Mapping[str, Any]) -> Masked:
    return Masked(
        _text(row.get("id")),
        _texts(row.get("prompt"), LONGEST),
        _texts(row.get("response"), LONGEST),
        _count(row.get("prompt_tokens")),
        _count(row.get("response_tokens")),
        bool(row.get("ended")),
    )


def _counted(value: object) -> tuple[Counted, ...]:
    found = []
    for reason, tally in list(_table(value).items())[:MOST]:
        rows = _list(_table(tally).get("rows"))[:MOST]
        found.append(Counted(_text(reason), _count(_table(tally).get("count")), tuple(map(_count, rows))))
    return tuple(found)


def _lengths(value: object) -> Lengths:
    table = _table(value)
    mean = number(table.get("mean"))
    counts = _count(table.get("median")), _count(table.get("p95")), _count(table.get("longest"))
    return Lengths(mean if mean is not None and math.isfinite(mean) else 0.0, *counts)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object, most: int) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value)[:most])


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _count(value: object) -> int:
    found = number(value)
    return int(found) if found is not None and math.isfinite(found) else 0

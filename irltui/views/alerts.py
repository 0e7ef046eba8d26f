"""Alerts as a person reads them: a cause that recurs is one line with a count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from irltui.runs.events import Advice, Alert

_T = TypeVar("_T", Advice, Alert, Advice | Alert)


def counted(messages: Sequence[_T]) -> list[tuple[_T, int]]:
    """The latest message of each cause with the number of its occurrences, ordered by the latest."""
    latest: dict[tuple[str, str], tuple[_T, int]] = {}
    for message in messages:
        cause = message.level, message.code if isinstance(message, Alert) else message.text
        _, before = latest.pop(cause, (message, 0))
        latest[cause] = message, before + 1
    return list(latest.values())


def times(count: int) -> str:
    return "" if count == 1 else f" ({count} times)"

"""Events as lines of events.jsonl, and back. Additions of a newer irltui are ignored; malformed lines are `Damaged`.

A number that is not finite is written as "nan", "inf" or "-inf"; null means the same as leaving the field out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from irltui.runs.events import KINDS, Damaged, Event, Unknown

_LARGEST = 1 << 63
_T = TypeVar("_T")
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_ENVELOPE = ("seq", "time", "passed_over")


def as_dict(event: Event) -> dict[str, Any]:
    if isinstance(event, Unknown):
        return {"seq": event.seq, "time": event.time, "kind": event.name, **event.fields}
    own = {item.name: plain(getattr(event, item.name)) for item in fields(event) if item.name not in _ENVELOPE}
    return {"seq": event.seq, "time": event.time, "kind": event.kind, **own}


def encode(event: Event) -> bytes:
    """The event as one line, newline included."""
    text = json.dumps(as_dict(event), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def parsed(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None if it is none."""
    try:
        try:
            value = orjson.loads(line)  # four times as fast, and stricter: what it refuses may still be an event
        except orjson.JSONDecodeError:
            value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def decode(line: bytes) -> Event:
    """The event of a line; `Damaged` instead of an error."""
    value = parsed(line)
    if value is None:
        return Damaged("not a JSON object")
    seq, time, kind = value.pop("seq", None), value.pop("time", None), value.pop("kind", None)
    if type(time) is not float:
        time = number(time) if not isinstance(time, str) else None
    if type(seq) is not int or time is None or not math.isfinite(time) or type(kind) is not str:
        return Damaged("seq, time or kind is missing")
    known = _FORMS.get(kind)
    if known is None:
        return Unknown(kind, value, seq=seq, time=time)
    try:
        found = known.read(value)
    except ValueError as error:
        return Damaged(f"{kind}: {error}", seq=seq, time=time)
    return known.made(*found, seq=seq, time=time, passed_over=len(value))


def number(value: object) -> float | None:
    """A float; "nan", "inf" and "-inf" are numbers, anything else is None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return _NOT_FINITE.get(value) if isinstance(value, str) else None


def plain_number(value: float) -> float | str:
    """The number, or its name where JSON has none."""
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, str | bytes) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


# -- reading -----------------------------------------------------------------------------------------

_Read = Callable[[Any], Any]
_REQUIRED = object()


class _Form(NamedTuple):
    """How to read the fields of a class."""

    made: Callable[..., Any]
    fields: tuple[tuple[str, _Read, Any], ...]

    def read(self, value: dict[str, Any]) -> list[Any]:
        """The values of the fields in order, taken out of `value`; what is left there is unknown.

        Raises:
            ValueError: a field is missing or of a wrong type.
        """
        found = []
        for name, read, otherwise in self.fields:
            given = value.pop(name, None)
            if given is not None:
                try:
                    found.append(read(given))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
            elif otherwise is _REQUIRED:
                raise ValueError(f"{name} is missing")
            else:
                found.append(otherwise)
        return found


def _int(value: Any) -> int:
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return value
    raise ValueError("not an integer")


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    found = number(value)
    if found is None:
        raise ValueError("not a number")
    return found


def _exactly(kind: type, wrong: str) -> _Read:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise ValueError(wrong)

    return read


def _floats(value: Any) -> Mapping[str, float]:
    """A long run has 100,000 of these tables: copy nothing unless it must be."""
    if type(value) is not dict:
        raise ValueError("not a table")
    for item in value.values():
        if type(item) is not float:
            return {name: _float(each) for name, each in value.items()}
    return value


def _table(read: _Read) -> _Read:
    def table(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise ValueError("not a table")
        return {name: read(item) for name, item in value.items()}

    return _floats if read is _float else table


def _row(read: _Read, made: Callable[[list[Any]], Any]) -> _Read:
    def row(value: Any) -> Any:
        if type(value) is not list:
            raise ValueError("not a list")
        return made([read(item) for item in value])

    return row


def _record(cls: type) -> _Read:
    form = _form(cls)

    def record(value: Any) -> Any:
        if type(value) is not dict:
            raise ValueError("not a table")
        return form.made(*form.read(value))

    return record


_SCALARS: dict[Any, _Read] = {
    int: _int,
    float: _float,
    str: _exactly(str, "not a string"),
    bool: _exactly(bool, "neither true nor false"),
}


def _reader(hint: Any) -> _Read:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), [each for each in get_args(hint) if each not in (type(None), ...)]
    if origin in (Union, UnionType):  # with None, which is the field left out
        return _reader(arguments[0])
    if origin in (tuple, list):
        return _row(_reader(arguments[0]), tuple if origin is tuple else list)
    if origin is not None:
        return _table(_reader(arguments[1]))
    return _record(hint)


@cache
def _form(cls: type) -> _Form:
    hints = get_type_hints(cls)
    return _Form(
        cls,
        tuple(
            (item.name, _reader(hints[item.name]), _otherwise(item))
            for item in fields(cls)
            if item.name not in _ENVELOPE
        ),
    )


def _otherwise(item: Any) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return _REQUIRED if item.default is MISSING else item.default


def read_as(cls: type[_T], value: Any) -> _T:
    """A dataclass from what `plain` made of it.

    Raises:
        ValueError: a field is missing or of a wrong type.
    """
    made: _T = _reader(cls)(deepcopy(value))
    return made


_FORMS: dict[str, _Form] = {str(cls.kind): _form(cls) for cls in KINDS}

"""Commands with plain metavars in their help: none for a switch, N for a number."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class _PlainCommand(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(param) for param in super().get_params(ctx)]


class _PlainGroup(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(param) for param in super().get_params(ctx)]


class App(typer.Typer):
    """A Typer app whose help shows plain metavars: none for switches, N for numbers."""

    def __init__(self, **options: Any) -> None:
        chosen: Any = {"cls": _PlainGroup, **options}
        super().__init__(**chosen)

    def command(self, name: str | None = None, **options: Any) -> Any:
        chosen: Any = {"cls": _PlainCommand, **options}
        return super().command(name, **chosen)


def _plain(param: Any) -> Any:
    if param.param_type_name == "argument":
        param.display_type_rich = _no_type  # the metavar suffices
    elif param.metavar is None:
        is_number = param.type_descriptor.annotation in (int, float)
        param.metavar = "" if param.is_flag else "N" if is_number else None
    return param


def _no_type(ctx: Any) -> None:
    return None

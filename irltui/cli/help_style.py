"""Commands with plain metavars in their help: none for a switch, N for a number."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(param) for param in super().get_params(ctx)]


class PlainGroup(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(param) for param in super().get_params(ctx)]


def _plain(param: Any) -> Any:
    if param.param_type_name == "argument":
        param.display_type_rich = _no_type  # the metavar suffices
    elif param.metavar is None:
        is_number = param.type_descriptor.annotation in (int, float)
        param.metavar = "" if param.is_flag else "N" if is_number else None
    return param


def _no_type(ctx: Any) -> None:
    return None

"""Tables whose `kind` says which options they take: each becomes the Spec that is registered for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from irltui.api import Spec
from irltui.api.registry import Registry
from irltui.errors import PluginError

UNKNOWN_ALGORITHM = "unknown_algorithm"
"""The type of the error that says so."""


def resolver(component: str) -> Callable[[Any, ValidationInfo], Any]:
    """A validator that turns a table with a `kind` into that kind's Spec; errors keep their place (`reward.beta`)."""

    def resolve(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Spec):
            return value
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise ValueError("expected a table with a 'kind'")
        registry: Registry = (info.context or {})["registry"]
        try:
            spec = registry.resolve(component, value["kind"])
        except PluginError as error:
            if component == "objective":
                raise PydanticCustomError(UNKNOWN_ALGORITHM, "{told}", {"told": in_one_line(error)}) from None
            raise ValueError(in_one_line(error)) from None
        try:
            return spec.from_options(value)
        except ValidationError:
            raise  # pydantic keeps the place of each problem
        except Exception as error:  # noqa: BLE001 - a plugin's class may do anything
            raise ValueError(f"{value['kind']!r} cannot take options: {error!r}") from None

    return resolve


def in_one_line(error: PluginError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message

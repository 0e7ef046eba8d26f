"""Benchmarks from their options, each error with the name that its configuration has."""

from __future__ import annotations

from collections.abc import Mapping

from irltui.api import Benchmark, BenchmarkSpec, BuildContext
from irltui.errors import IrltuiError


def build_benchmarks(specs: Mapping[str, BenchmarkSpec], context: BuildContext) -> dict[str, Benchmark]:
    """Every benchmark, by name.

    Raises:
        IrltuiError: one cannot be built; the message begins with its table.
    """
    return {name: _build(name, spec, context) for name, spec in specs.items()}


def _build(name: str, spec: BenchmarkSpec, context: BuildContext) -> Benchmark:
    try:
        return spec.build(context)
    except IrltuiError as error:
        message = error.message.replace("model.name: ", "judge: ")
        is_about_option = message.partition(": ")[0] in type(spec).model_fields
        raise type(error)(f"benchmarks.{name}{'.' if is_about_option else ': '}{message}", error.hint) from error

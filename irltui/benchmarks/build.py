"""Build benchmarks from their options; each error names the benchmark's table in the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from irltui.api import Benchmark, BenchmarkSpec, BuildContext
from irltui.errors import IrltuiError, TrainingError


def build_benchmarks(specs: Mapping[str, BenchmarkSpec], context: BuildContext) -> dict[str, Benchmark]:
    return {name: _build(name, spec, context) for name, spec in specs.items()}


def _build(name: str, spec: BenchmarkSpec, context: BuildContext) -> Benchmark:
    try:
        benchmark = spec.build(context)
    except IrltuiError as error:
        message = error.message.replace("model.name: ", "judge: ")
        is_about_option = message.partition(": ")[0] in type(spec).model_fields
        raise type(error)(f"benchmarks.{name}{'.' if is_about_option else ': '}{message}", error.hint) from error
    except Exception as error:
        if "/" not in spec.kind:
            raise
        raise TrainingError(f"benchmarks.{name}: {spec.kind!r}: build raised {error!r}", _hint(spec)) from error
    if not isinstance(benchmark, Benchmark):
        given = type(benchmark).__name__
        raise TrainingError(f"benchmarks.{name}: {spec.kind!r}: build returned a {given}, not a Benchmark", _hint(spec))
    return benchmark


def _hint(spec: BenchmarkSpec) -> str:
    plugin = spec.kind.partition("/")[0]
    return f"Report it to the author of plugin {plugin!r}; `irltui plugins check {plugin}` runs all checks."

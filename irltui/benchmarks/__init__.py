"""The benchmarks irltui ships: declared here, without torch, and built in the modules beside."""

from __future__ import annotations

from pydantic import Field

from irltui.api import Benchmark, BenchmarkSpec, BuildContext, hookimpl


class Quickstart(BenchmarkSpec):
    """Exact quality of answers in the embedded default's small world, and the distance to its expert."""

    count: int = Field(default=128, ge=1)
    """How many fresh prompts to ask."""
    seed: int = Field(default=1, ge=0)
    """Which prompts; the same seed asks every model the same."""

    def build(self, context: BuildContext) -> Benchmark:
        """The benchmark over the embedded grammar."""
        from irltui.benchmarks.quickstart import QuickstartBenchmark

        return QuickstartBenchmark(self.count, self.seed)


@hookimpl
def irltui_benchmarks() -> dict[str, type[BenchmarkSpec]]:
    """Benchmarks by name."""
    return {"quickstart": Quickstart}

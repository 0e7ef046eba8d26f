"""Tasks of EleutherAI's lm-evaluation-harness as a benchmark of irltui: the harness's own prompts and metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from irltui.api import Benchmark, BenchmarkSpec, BuildContext, hookimpl


class Tasks(BenchmarkSpec):
    """Tasks of the lm-evaluation-harness, item by item; the mean of a metric is what `lm_eval` prints for it."""

    paths = ("include_path",)
    tasks: list[str] = Field(min_length=1)
    """Names of tasks, groups or tags: ["hellaswag", "gsm8k"]; `lm_eval ls tasks` lists them."""
    limit: int = Field(default=0, ge=0)
    """Only the first items of each task; 0 takes all."""
    num_fewshot: int | Literal["auto"] = "auto"
    """Worked examples before each question; auto is what the task says."""
    include_path: str = "none"
    """Folder with task files (YAML) of your own."""
    batch_size: int = Field(default=8, ge=1)
    """Requests a forward pass; metrics do not depend on it."""
    chat_template: bool = False
    """Put questions into the model's chat template."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui_lm_eval.harness import load

        return load(self, context)


@hookimpl
def irltui_benchmarks() -> dict[str, type[BenchmarkSpec]]:
    return {"tasks": Tasks}

"""Fold the strength of a finished run into one model: it learns, at every token of its own samples, the guided teacher.

    L = mean over the tokens of y~ ~ pi of KL(q || pi),  log q = log pi_0 + w (log pi_1 - log pi_0) + const

pi_1 is the model of the finished run, where this run starts (model.name = its folder), and pi_0 the model that it had
started from. q has tokens within a factor `plausibility` of the likeliest of pi_1 alone, as decoding.strength has it
(F6 in docs/method.md). The KL has that direction because q has zeros; its only minimum is pi = q.

Sources: on-policy distillation (GKD, arXiv 2306.13649), contrastive decoding (2210.15097). Defaults: w 3,
plausibility 0.05, one generation per prompt.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec, Reference
from irltui.errors import ConfigError, IrltuiError
from irltui.runs.folder import RunFolder, is_run
from irltui.runs.manifest import read_manifest

if TYPE_CHECKING:
    from torch import Tensor

    from irltui.algorithm import Guidance


class Distill(ObjectiveSpec):
    """Distillation of a finished run with a strength into one model."""

    reads_gaps = False
    paths = ("start",)

    start: str = Field(default="auto", min_length=1)
    """The model that the finished run had started from; auto reads it in that run's run.json."""
    strength: float = Field(default=3.0, ge=0)
    """w, as decoding.strength."""
    plausibility: float = Field(default=0.05, ge=0, le=1)
    """As decoding.plausibility."""
    generations: int = Field(default=1, ge=1)
    """Generations per prompt and outer iteration."""

    @property
    def draws(self) -> int:
        return self.generations

    @property
    def frozen_models(self) -> int:
        return 2

    def build(self, context: BuildContext) -> Objective:
        from irltui.algorithm import Guidance

        assert context.initial is not None  # noqa: S101 - the engine gives it, and the next two
        assert context.load is not None and context.model is not None  # noqa: S101, PT018
        start = _start_of(context.model.name) if self.start == "auto" else self.start
        return DistillLoss(Guidance(self.strength, self.plausibility), context.initial, context.load(start))


def _start_of(model: str) -> str:
    """The start model of the run whose result `model` is."""
    run = RunFolder(Path(model).parent)
    try:
        if run.model == Path(model) and is_run(run.path):
            return str(read_manifest(run).config["model"]["name"])
    except (IrltuiError, KeyError, TypeError):
        pass
    raise ConfigError(
        f"model.name: {model} is not the result of a run, so distill does not know the model before it",
        "Set model.name to the folder of a finished run, or objective.start to the model that it had started from.",
    )


class DistillLoss(Objective):
    """KL(q || pi) per token of the generations; `guidance` makes q of pi_1, the finished model, and pi_0, the start."""

    def __init__(self, guidance: Guidance, finished: Reference, start: Reference) -> None:
        self._guidance, self._finished, self._start = guidance, finished, start

    def losses(self, batch: Batch) -> Tensor:
        from torch.nn.functional import kl_div

        assert batch.policy is not None  # noqa: S101 - the engine gives one
        given, count = batch.responses, len(batch.weight)
        own = replace(
            given,
            input_ids=given.input_ids[count:],
            attention_mask=given.attention_mask[count:],
            response_mask=given.response_mask[count:],
            logp_ref=given.logp_ref[count:],
            rows=given.rows[count:],
        )
        teachers = self._finished.log_distributions(own), self._start.log_distributions(own)
        teacher = self._guidance.logits(*teachers).softmax(-1)
        divergence = kl_div(batch.policy.log_distributions(own), teacher, reduction="none").sum(-1)
        sums = divergence.new_zeros(own.response_mask.shape).masked_scatter(own.response_mask, divergence).sum(-1)
        lengths = own.response_mask.sum(-1)
        return sums.view(-1, count).sum(0) / lengths.view(-1, count).sum(0)

"""The contract of a policy step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from irltui.api import LowerLevel, PolicyStep, PolicyUpdate, Responses, Reward, Sampler
from irltui.engine.frozen import FrozenReference
from irltui.engine.guard import GuardedUpdate, build_part
from irltui.samplers.transformers import TransformersSampler
from irltui.testing.case import Case, ends_when_told, require

_BATCH = 4


class _Longer(Reward):
    """0.1 per response token, a reward that is easy to follow."""

    def score(self, responses: Responses) -> Tensor:
        return responses.response_mask.sum(-1).float() / 10

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())


def _update(case: Case, folder: str = "samples") -> PolicyUpdate:
    spec, policy = case.spec, case.policy
    reference = FrozenReference(
        policy, policy.past, lambda initial, poll: TransformersSampler(initial, _BATCH, poll), case.context
    )
    samples = case.folder / folder
    samples.mkdir(exist_ok=True)
    context = replace(case.context, lower=LowerLevel(0.1, reference, samples))
    return GuardedUpdate(build_part("update", spec, PolicyUpdate, context), spec.kind)


def _steps(case: Case, update: PolicyUpdate, start: int = 0) -> list[PolicyStep]:
    sampler: Sampler = TransformersSampler(case.policy, _BATCH, case.context.poll)
    return list(update.losses(_Longer(), sampler, case.prompts, 0, start))


def _losses(case: Case, folder: str, start: int = 0) -> list[tuple[int, float]]:
    return [(step.s, float(step.loss.detach())) for step in _steps(case, _update(case, folder), start)]


def steps_come_in_order(case: Case) -> None:
    """Steps come in order, as many as announced, each with one last loss."""
    update = _update(case)
    announced = update.steps(len(case.prompts))
    ended = [step.s for step in _steps(case, update) if step.last]
    require(ended == list(range(announced)), f"{announced} steps are announced, but steps {ended} end")
    require(update.steps(len(case.prompts)) == announced, "steps() returns different numbers")


def losses_move_the_policy(case: Case) -> None:
    """The gradient of the losses is finite and reaches the policy."""
    for step in _steps(case, _update(case)):
        step.loss.backward()
    gradients = [p.grad for p in case.policy.parameters() if p.grad is not None]
    require(any(bool(g.abs().sum() > 0) for g in gradients), "the policy gets no gradient")
    require(all(bool(g.isfinite().all()) for g in gradients), "a gradient is not finite")


def the_rest_is_the_same(case: Case) -> None:
    """Started from a later step, as on resume, it gives the same losses."""
    whole = _losses(case, "whole")
    require(whole == _losses(case, "again"), "the same seed gives different losses")
    last = whole[-1][0]
    require(
        _losses(case, "rest", last) == [item for item in whole if item[0] == last],
        f"started from step {last}, the losses differ",
    )


def it_can_be_stopped(case: Case) -> None:
    """It calls `context.poll`, and an exception from there ends it."""
    folders = iter(("first", "second"))
    ends_when_told(case, lambda: _steps(case, _update(case, next(folders))))


UPDATE_CHECKS = (steps_come_in_order, losses_move_the_policy, the_rest_is_the_same, it_can_be_stopped)

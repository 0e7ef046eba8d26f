"""What a policy step must do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from irltui.api import LowerLevel, PolicyStep, PolicyUpdate, Responses, Reward, Sampler, UpdateSpec
from irltui.engine.guard import GuardedUpdate, build_part
from irltui.engine.lower_level import InitialReference
from irltui.samplers.transformers import TransformersSampler
from irltui.testing.case import Case, ends_when_told, require

_BATCH = 4


class _Longer(Reward):
    """A tenth for each response token: something to follow."""

    def score(self, responses: Responses) -> Tensor:
        """(B,) float32."""
        return responses.response_mask.sum(-1).float() / 10

    def parameters(self) -> Iterator[nn.Parameter]:
        """None."""
        return iter(())


def _update(case: Case, folder: str = "samples") -> PolicyUpdate:
    spec, policy = case.spec, case.policy
    require(isinstance(spec, UpdateSpec), f"{type(spec).__name__} is not an UpdateSpec")
    reference = InitialReference(policy, lambda initial, poll: TransformersSampler(initial, _BATCH, poll), case.context)
    samples = case.folder / folder
    samples.mkdir(exist_ok=True)
    context = replace(case.context, lower=LowerLevel(0.1, reference, samples))
    return GuardedUpdate(build_part("update", spec, PolicyUpdate, context), spec.kind)


def _steps(case: Case, update: PolicyUpdate, start: int = 0) -> list[PolicyStep]:
    sampler: Sampler = TransformersSampler(case.policy, _BATCH, case.context.poll)
    return list(update.losses(_Longer(), sampler, case.prompts, 0, start))


def steps_come_in_order(case: Case) -> None:
    """Steps come in order, each with one last loss; as many as announced."""
    update = _update(case)
    announced = update.steps(len(case.prompts))
    ended = [step.s for step in _steps(case, update) if step.last]
    require(ended == list(range(announced)), f"{announced} steps are announced, steps {ended} end")
    require(update.steps(len(case.prompts)) == announced, "steps() changes its mind")


def losses_move_the_policy(case: Case) -> None:
    """The gradient of the losses reaches the policy, and is finite."""
    for step in _steps(case, _update(case)):
        step.loss.backward()
    gradients = [p.grad for p in case.policy.parameters() if p.grad is not None]
    require(any(bool(g.abs().sum() > 0) for g in gradients), "the policy gets no gradient")
    require(all(bool(g.isfinite().all()) for g in gradients), "a gradient is not finite")


def the_rest_is_the_same(case: Case) -> None:
    """Asked for the rest, as a resumed run asks, it gives the same losses."""
    whole = [(step.s, float(step.loss.detach())) for step in _steps(case, _update(case))]
    again = [(step.s, float(step.loss.detach())) for step in _steps(case, _update(case, "again"))]
    require(whole == again, "the same seed gives other losses")
    last = whole[-1][0]
    rest = [(step.s, float(step.loss.detach())) for step in _steps(case, _update(case, "rest"), start=last)]
    require(rest == [item for item in whole if item[0] == last], f"from step {last} on, the losses are others")


def it_can_be_stopped(case: Case) -> None:
    """It calls `context.poll`, and what that raises ends it."""
    folders = iter(("first", "second"))
    ends_when_told(case, lambda: _steps(case, _update(case, next(folders))))


UPDATE_CHECKS = (steps_come_in_order, losses_move_the_policy, the_rest_is_the_same, it_can_be_stopped)

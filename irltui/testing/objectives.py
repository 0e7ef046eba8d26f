"""What an objective must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from irltui.api import Batch, Objective, ObjectiveSpec
from irltui.engine.guard import GuardedObjective, build_part
from irltui.rewards.implicit import ImplicitReward
from irltui.testing.case import Case, close, descend, padded, require

_BETA = 0.5


def _made(case: Case) -> tuple[Objective, ImplicitReward]:
    """The objective over a reward that stands for any; it has begun."""
    reward = ImplicitReward(case.policy, _BETA)
    context = replace(case.context, reward=reward, beta=_BETA)
    objective = GuardedObjective(build_part("objective", case.spec, Objective, context), case.spec.kind)
    objective.begin(0)
    return objective, reward


def _losses(case: Case, rows: Sequence[int] | None = None, *, padding: int = 0) -> Tensor:
    objective, reward = _made(case)
    case.policy.moved()
    with torch.no_grad():
        return objective.losses(_batch(case, reward, rows, padding=padding))


def _batch(case: Case, reward: ImplicitReward, rows: Sequence[int] | None = None, *, padding: int = 0) -> Batch:
    """Demonstrations; the others' stand for the generations to their prompts."""
    spec, every = case.spec, case.demonstrations
    assert isinstance(spec, ObjectiveSpec)  # noqa: S101 - for the type checker
    rows = range(len(every)) if rows is None else rows
    sides = [[every[(i + j) % len(every)] for i in rows] for j in range(spec.draws + 1)]
    responses = case.policy.collate(
        [every[i].prompt for _ in sides for i in rows],
        [d.tokens for side in sides for d in side],
        [-10.0 - i - j for j in range(len(sides)) for i in rows],
    )
    responses = padded(responses, padding, case.policy.pad_id) if padding else responses
    weight = torch.full((len(rows),), 1 / len(rows))
    return Batch(
        responses,
        weight,
        policy=case.policy,
        reward=None if spec.reward == "none" else reward,
        demonstrations=[every[i] for i in rows],
    )


def gives_losses(case: Case) -> None:
    """Losses and metrics are (B,) and finite, of one demonstration too."""
    objective, reward = _made(case)
    for rows in (None, [0]):
        batch = _batch(case, reward, rows)
        require(objective.losses(batch).isfinite().all(), "a loss is not finite")
        for name, values in objective.metrics(batch).items():
            require(values.isfinite().all(), f"metric {name!r} is not finite")
        case.policy.moved()


def has_gradients(case: Case) -> None:
    """The loss has a gradient in what trains, and a step against it lowers the loss."""
    objective, reward = _made(case)
    before = objective.losses(_batch(case, reward)).mean()
    before.backward()
    require(descend(case.policy.parameters(), 1e-3), "no parameter of the policy has a gradient")
    case.policy.moved()
    with torch.no_grad():
        after = objective.losses(_batch(case, reward)).mean()
    require(after < before, "a small step against the gradient does not lower the loss")


def padding_does_not_matter(case: Case) -> None:
    """Padding does not change a loss."""
    require(close(_losses(case, padding=9), _losses(case)), "losses change with padding: look at the masks")


def batch_does_not_matter(case: Case) -> None:
    """Neither the batch nor its order changes a loss."""
    whole = _losses(case)
    alone = torch.cat([_losses(case, [i]) for i in range(len(whole))])
    require(close(alone, whole), "a demonstration alone has another loss than among others")


def is_deterministic(case: Case) -> None:
    """The same seed gives the same losses."""
    require(torch.equal(_losses(case), _losses(case)), "built anew with the same seed, it gives other losses")


OBJECTIVE_CHECKS = (gives_losses, has_gradients, padding_does_not_matter, batch_does_not_matter, is_deterministic)

"""The contract of a reward."""

from __future__ import annotations

import torch
from torch import Tensor

from irltui.api import Batch, Reward, RewardSpec
from irltui.engine.guard import GuardedReward, build_part, has_own
from irltui.testing.case import Case, close, descend, require

_MOVE = 0.1  # length of the step that a reward takes before it is checked


def _reward(case: Case) -> Reward:
    return GuardedReward(build_part("reward", case.spec, Reward, case.context), case.spec.kind)


def _scores(case: Case, reward: Reward, rows: list[int] | None = None, *, padding: int = 0) -> Tensor:
    case.policy.moved()  # do not reuse what the policy has cached for a batch
    with torch.no_grad():
        return reward.score(case.responses(rows, padding=padding))


def builds_and_scores(case: Case) -> None:
    """Scores are (B,) float32 and finite, for a single response too."""
    reward = _reward(case)
    reward.begin(0)
    _scores(case, reward)
    _scores(case, reward, [0])


def padding_does_not_matter(case: Case) -> None:
    """Padding does not change a score."""
    reward = _trained(case)
    require(
        close(_scores(case, reward, padding=9), _scores(case, reward)),
        "scores change with padding: sum over response_mask and use attention_mask",
    )


def batch_does_not_matter(case: Case) -> None:
    """Neither the other rows of a batch nor their order change a score."""
    reward = _trained(case)
    whole = _scores(case, reward)
    alone = torch.cat([_scores(case, reward, [i]) for i in range(len(whole))])
    require(close(alone, whole), "a response has another score alone than in a batch")
    backwards = _scores(case, reward, list(reversed(range(len(whole)))))
    require(close(backwards.flip(0), whole), "scores change when the rows of a batch are reordered")


def is_deterministic(case: Case) -> None:
    """The same seed gives the same scores."""
    reward = _reward(case)
    first, second = _scores(case, reward), _scores(case, reward)
    require(torch.equal(first, second), "two calls give different scores: is dropout active?")
    require(torch.equal(_scores(case, _reward(case)), first), "rebuilt with the same seed, it gives other scores")


def gradient_flows(case: Case) -> None:
    """The gradient of a gap reaches the trained parameters, and no others."""
    reward, spec = _reward(case), case.spec
    parameters, of_policy = list(reward.parameters()), {id(p) for p in case.policy.parameters()}
    if not getattr(spec, "learns", True):
        require(not parameters, "learns is False, but parameters() is not empty")
        return
    require(parameters, "parameters() is empty: set `learns = False` if the reward does not learn")
    own = [p for p in parameters if id(p) not in of_policy]
    if getattr(spec, "implicit", False):
        require(not own, "implicit is True, but parameters() includes some that are not the policy's")
    else:
        require(len(own) == len(parameters), "parameters() includes the policy's: a reward step would move it")
    _gap(case, reward).backward()
    moved = [p for p in parameters if p.grad is not None and bool(p.grad.abs().sum() > 0)]
    require(moved, "no parameter gets a gradient: is the score detached, or under no_grad?")
    require(all(bool(p.grad.isfinite().all()) for p in moved if p.grad is not None), "a gradient is not finite")
    if own:
        stray = any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in case.policy.parameters())
        require(not stray, "the gradient of the reward reaches the policy")


def token_scores_sum_to_the_score(case: Case) -> None:
    """Token scores, if there are any, sum to the score and are zero outside the response."""
    reward, responses = _trained(case), case.responses()
    with torch.no_grad():
        parts = reward.token_scores(responses)
    if parts is None:
        return
    require(not bool(parts[~responses.response_mask].any()), "token scores are not zero outside the response")
    require(close(parts.sum(-1), _scores(case, reward)), "token scores do not sum to the score")


def own_loss_is_sound(case: Case) -> None:
    """A loss of its own, if there is one, depends on neither padding nor batch, and its gradient lowers it."""
    reward = _trained(case)
    if not has_own(reward, "losses"):
        return
    whole = _own_losses(case, reward)
    require(close(_own_losses(case, reward, padding=9), whole), "its loss changes with padding")
    alone = torch.cat([_own_losses(case, reward, [i]) for i in range(len(whole))])
    require(close(alone, whole), "a demonstration alone has another loss than among others")
    whole.mean().backward()
    descend(reward.parameters(), 1e-3)
    with torch.no_grad():
        require(_own_losses(case, reward).mean() < whole.mean(), "a small step against its gradient does not lower it")


def _own_losses(case: Case, reward: Reward, rows: list[int] | None = None, *, padding: int = 0) -> Tensor:
    """Of the first half of the demonstrations, against the second half as generations."""
    half = len(case.demonstrations) // 2
    rows = list(range(half)) if rows is None else rows
    responses = case.responses([*rows, *(i + half for i in rows)], padding=padding)
    losses = reward.losses(Batch(responses, torch.ones(len(rows)), policy=case.policy, reward=reward))
    require(losses is not None, "losses gives None although the reward has such a method")
    assert losses is not None  # noqa: S101 - for the type checker
    return losses


def penalty_has_one_value_a_pair(case: Case) -> None:
    """A penalty, if there is one, has one value per pair."""
    _trained(case).penalty(case.responses())


def state_survives(case: Case) -> None:
    """Saved after training and loaded into a new reward, it gives the same scores."""
    reward = _trained(case)
    reward.begin(1)
    due, folder = _scores(case, reward), case.folder / "state"
    folder.mkdir()
    reward.save(folder)
    again = _reward(case)
    again.load(folder)
    require(close(_scores(case, again), due), "after save and load the scores differ, so a resumed run would be wrong")


def exports(case: Case) -> None:
    """What it exports gives the same scores once `load` has made a reward of it."""
    folder, reward = case.folder / "export", _trained(case)
    folder.mkdir()
    due = _scores(case, reward)
    reward.export(folder)
    spec = case.spec
    if isinstance(spec, RewardSpec) and any(folder.iterdir()):
        again = GuardedReward(build_part("reward", spec, Reward, case.context, exported=folder), spec.kind)
        require(close(_scores(case, again), due), "after export and load the scores differ, so `irltui score` is wrong")
    elif isinstance(spec, RewardSpec):
        require(spec.implicit or not spec.learns, "export writes nothing, so `irltui score` cannot use the reward")


def window_is_a_number(case: Case) -> None:
    """`window` is None or a number of outer iterations."""
    window = getattr(case.spec, "window", None)
    require(window is None or (isinstance(window, int) and window >= 1), f"window is {window!r}")


def _gap(case: Case, reward: Reward) -> Tensor:
    case.policy.moved()
    demonstration, generation = reward.score(case.responses()).chunk(2)
    return -(demonstration - generation).mean()


def _trained(case: Case) -> Reward:
    """A reward after one step: a new one may score everything 0, which hides defects."""
    reward = _reward(case)
    reward.begin(0)
    if list(reward.parameters()):
        _gap(case, reward).backward()
        descend(reward.parameters(), _MOVE)
        case.policy.moved()
    return reward


REWARD_CHECKS = (
    builds_and_scores,
    padding_does_not_matter,
    batch_does_not_matter,
    is_deterministic,
    gradient_flows,
    token_scores_sum_to_the_score,
    own_loss_is_sound,
    penalty_has_one_value_a_pair,
    state_survives,
    exports,
    window_is_a_number,
)

"""Reward learning from demonstrations: Algorithms 1 and 2 of arXiv 2405.17888.

    x         prompt                          r(x, y)   reward
    y  ~ pi_E demonstration                   beta      KL weight of the lower level
    y~ ~ pi   generation                      T, K      outer iterations, inner steps
    pi_ref    reference policy                gap D     r(x, y) - r(x, y~)

The upper level makes demonstrations likely under the policy that is optimal for r;
the lower level is that policy, pi ∝ pi_ref exp(r / beta). RFT learns r in its own network and
then improves pi; IRFT writes r = beta log(pi / pi_ref), so learning r *is* improving pi.

Shapes: B pairs. A log-probability is the sum over a response's tokens, in nats, end-of-sequence
included when it was really there. No function here reads a file, moves a tensor or logs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from irltui.api import Batch

# -- rewards ---------------------------------------------------------------------------------


def implicit_reward(logp: Tensor, logp_ref: Tensor, beta: float) -> Tensor:
    """r(x, y) = beta log(pi / pi_ref), up to beta log Z(x), which cancels in a gap. (B,) -> (B,)."""
    return beta * (logp - logp_ref)


def reference_mix(logp_initial: float, logp_current: float, weight: float) -> float:
    """Log of pi_0^weight pi_t^(1 - weight) for one response, up to log Z(x), which cancels in a gap."""
    return weight * logp_initial + (1 - weight) * logp_current


def optimal_policy(logp_ref: Tensor, reward: Tensor, beta: float) -> Tensor:
    """Log of pi ∝ pi_ref exp(r / beta), over the last axis: the lower level in closed form."""
    return torch.log_softmax(logp_ref + reward / beta, dim=-1)


# -- the lower level: what a policy step of RFT makes of rewards ---------------------------------


def regularised_return(reward: Tensor, logp: Tensor, logp_ref: Tensor, beta: float) -> Tensor:
    """R = r - beta log(pi / pi_ref), whose mean over y~ ~ pi is E r - beta KL(pi || pi_ref). (B,) each."""
    return reward - beta * (logp - logp_ref)


def rloo_advantage(returns: Tensor) -> Tensor:
    """A_i = R_i - mean of R_j over j != i, the baseline a prompt's other generations give. (P, n) -> (P, n), n >= 2."""
    n = returns.shape[-1]
    return (returns - returns.mean(-1, keepdim=True)) * n / (n - 1)


def boltzmann_weights(reward: Tensor, beta: float) -> Tensor:
    """softmax_i(r_i / beta): so weighted, generations from pi_ref stand for pi_ref exp(r / beta) / Z. (P, G)."""
    return torch.softmax(reward / beta, dim=-1)


# -- links h(D): (B,) -> (B,), one value per pair; descent widens the gap ----------------------


def sigmoid(gap: Tensor) -> Tensor:
    """-log sigma(D): Bradley-Terry, the logistic loss of SPIN and DPO."""
    return softplus(-gap)


def linear(gap: Tensor) -> Tensor:
    """-D: the exact IRL gradient; unbounded, so keep K small."""
    return -gap


def hinge(gap: Tensor) -> Tensor:
    """max(0, 1 - D)."""
    return (1 - gap).clamp(min=0)


def ipo(gap: Tensor, beta: float) -> Tensor:
    """(D / beta - 1 / (2 beta))^2: a target for the gap instead of a slope."""
    return (gap / beta - 1 / (2 * beta)).square()


def robust(gap: Tensor, noise: float) -> Tensor:
    """((1 - e) softplus(-D) - e softplus(D)) / (1 - 2e): unbiased if a share e of pairs is reversed."""
    return ((1 - noise) * softplus(-gap) - noise * softplus(gap)) / (1 - 2 * noise)


Link = Callable[[Tensor], Tensor]
PER_TOKEN = "sigmoid_norm"
"""The link whose rewards are log-ratios per token; its h is `sigmoid`."""


def link(name: str, *, beta: float = 0.1, noise: float = 0.1) -> Link:
    """H by its name in the configuration; only ipo reads beta, only robust reads noise."""
    links: dict[str, Link] = {
        "sigmoid": sigmoid,
        "linear": linear,
        "hinge": hinge,
        "ipo": partial(ipo, beta=beta),
        "robust": partial(robust, noise=noise),
        PER_TOKEN: sigmoid,
    }
    return links[name]


# -- the strength of a reward -----------------------------------------------------------------

_LEAST = -1e4  # nats; a start model that forbids a token must not make it infinitely good


@dataclass(frozen=True)
class Guidance:
    """w, and how far below the policy's best token a token may be, as a factor."""

    strength: float
    plausibility: float

    def logits(self, policy: Tensor, start: Tensor) -> Tensor:
        """(..., V) logits of both models -> those to draw from, in the same type."""
        ours, theirs = policy.log_softmax(-1), start.log_softmax(-1).clamp(min=_LEAST)
        least = math.log(self.plausibility) if self.plausibility else -math.inf
        kept = (ours >= ours.amax(-1, keepdim=True) + least) & ours.isfinite()
        return (theirs + self.strength * (ours - theirs)).masked_fill(~kept, -math.inf)


# -- the two-level loop ----------------------------------------------------------------------


class Objective(Protocol):
    """What the loop needs of an objective; `irltui.api.Objective` is the full contract."""

    def losses(self, batch: Any, /) -> Tensor:
        """One value per demonstration, (B,), differentiable."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What is yielded before the optimizer moves: backward the loss, and step if `last`."""

    t: int
    k: int
    loss: Tensor  # ()
    last: bool
    batch: Batch


@dataclass(frozen=True, slots=True)
class Start:
    """Where a loop begins: inner step k of outer iteration t, which may have begun already."""

    t: int = 0
    k: int = 0
    begun: bool = False  # `begin(t)` has been called


def nothing(t: int) -> None:
    """What happens around an outer iteration of which nobody needs to know."""


BEGINNING = Start()


def learn(
    objective: Objective,
    draw: Callable[[int, int], Iterable[Iterable[Batch]]],
    improve: Callable[[int], None] = nothing,
    *,
    T: int,
    K: int,
    begin: Callable[[int], None] = nothing,
    start: Start = BEGINNING,
) -> Iterator[Step]:
    """Algorithm 1 (RFT), and Algorithm 2 (IRFT) when the reward is implicit and `improve` moves nothing.

    `draw(t, k)` samples y~ from the policy as it is when outer iteration t begins, once, and yields the batches of
    inner steps k, k+1, ...; they go stale on purpose (the paper's inner loop). An objective without generations is
    handed the same demonstrations in the same order. The consumer takes the optimizer step, so it decides when to
    pause, save or end an inner loop early: the batches then end.
    """
    for t in range(start.t, T):
        is_resumed = t == start.t
        k0 = start.k if is_resumed else 0
        if not (is_resumed and start.begun):
            begin(t)
        for k, batches in zip(range(k0, K), draw(t, k0), strict=False):
            for batch in batches:
                losses = objective.losses(batch)
                yield Step(t, k, (batch.weight * losses).sum(), batch.last, batch)
        improve(t)

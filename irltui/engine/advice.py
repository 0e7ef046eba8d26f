"""Whether to go on: one sentence and a verdict from what the outer iterations so far ended with.

A pure function over metrics; it reads no file and stops nothing. Every rule compares with a place that the method
gives a meaning: ln 2, a gap of 5, half of the pairs, the interval of a gold benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LN2 = math.log(2)
WIDEST_GAP = 5.0  # above it the inner loop overshoots (F2)
NO_SIGNAL_LOSS, NO_SIGNAL_AUC = LN2 - 0.005, 0.6
OVERCONFIDENT_LOSS = LN2 + 0.05
TURNED_UP = 0.02  # of held-out loss against one fixed reference; smaller rises are noise of the held-out pairs
FAR = 1.0  # nats a token from the initial policy, at which its answers are other answers
# A reward may trade likelihood for better answers, maximum likelihood may not.
NLL_RISE, NLL_RISE_OF_SFT = 1.05, 1.01
PATIENCE = 2  # outer iterations without a better gold score

Ended = Mapping[str, float]
"""Metrics at the end of an outer iteration: `iteration` counts from 1 (0 is before training), `reward/gap` and
`pairs/both_down` are means over its last steps, `gold/mean`, `gold/low` and `gold/high` come from a benchmark."""


class Verdict(StrEnum):
    """What to do."""

    GO_ON = "go_on"
    STOP = "stop"
    RAISE_BETA = "raise_beta"
    ADD_GAMMA = "add_gamma"


@dataclass(frozen=True)
class Advice:
    """What to do, and why, in a plain sentence."""

    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Setting:
    """What of a configuration decides how the figures are to be read.

    `one_reference`: held-out losses of all iterations were measured against the same reference and compare.
    """

    algorithm: str
    one_reference: bool
    gamma: float = 0.0


@dataclass(frozen=True)
class _Case:
    """The iterations so far, the last one apart; `trained` leaves out the measurement before training."""

    setting: Setting
    iterations: Sequence[Ended]
    left: int

    @property
    def last(self) -> Ended:
        return self.iterations[-1]

    @property
    def trained(self) -> list[Ended]:
        return [ended for ended in self.iterations if ended["iteration"] > 0]

    @property
    def measure(self) -> str:
        """What the best iteration is chosen by, as the engine does."""
        return "heldout/loss" if self.setting.one_reference and "heldout/loss" in self.last else "heldout/nll"

    def best(self) -> Ended | None:
        """The iteration that is kept as the best."""
        known = [ended for ended in self.trained if self.measure in ended]
        return min(known, key=lambda ended: ended[self.measure]) if known else None

    def best_gold(self) -> Ended | None:
        """The best earlier gold score, that before training included."""
        known = [ended for ended in self.iterations[:-1] if "gold/mean" in ended]
        return max(known, key=lambda ended: ended["gold/mean"]) if known else None


def advise(iterations: Sequence[Ended], setting: Setting, *, left: int) -> Advice:
    """Advice at the end of an outer iteration.

    Args:
        iterations: what each ended with, oldest first; the last one has just ended.
        setting: of the run.
        left: outer iterations that are still planned.
    """
    case = _Case(setting, iterations, left)
    for rule in _RULES:
        if found := rule(case):
            return found
    return Advice(Verdict.GO_ON, f"{'Go on' if left else 'Done; nothing speaks against another pass'}: {_state(case)}.")


def still_matter(iterations: Sequence[Ended]) -> list[Ended]:
    """Those that `advise` may yet ask for, oldest first, whatever the next iteration ends with: a bounded number.

    Args:
        iterations: as `advise` takes them, before the next one is added.
    """
    trained = [ended for ended in iterations if ended["iteration"] > 0]
    judged = [ended for ended in trained if "gold/mean" in ended]
    kept = [*iterations[:1], *iterations[-PATIENCE:], *judged[-PATIENCE:]]
    kept += [max(judged, key=lambda ended: ended["gold/mean"])] if judged else []
    for measure in ("heldout/loss", "heldout/nll"):
        known = [ended for ended in trained if measure in ended]
        kept += [min(known, key=lambda ended: ended[measure])] if known else []
    numbers = {ended["iteration"] for ended in kept}
    return [ended for ended in iterations if ended["iteration"] in numbers]


# -- rules, the most telling first; each gives its advice or None ----------------------------------


def _gold_fell(case: _Case) -> Advice | None:
    best = case.best_gold()
    if best is None or "gold/high" not in case.last or case.last["gold/high"] >= best["gold/low"]:
        return None
    now, before = case.last["gold/mean"], best["gold/mean"]
    return _stop(case, f"the gold score fell from {before:.3f} ({_named(best)}) to {now:.3f}, and the intervals part")


def _gap_too_wide(case: _Case) -> Advice | None:
    gap = max(case.last.get(name, 0.0) for name in ("reward/gap", "heldout/gap"))
    if gap <= WIDEST_GAP:
        return None
    cure = "set reward.bound or raise reward.beta" if case.setting.algorithm == "rft" else "raise reward.beta"
    return Advice(
        Verdict.RAISE_BETA,
        f"Raise beta: the reward gap is {gap:.1f}, above {WIDEST_GAP:g} the inner loop overshoots; "
        f"{cure}, or take fewer loop.inner_steps.",
    )


def _both_down(case: _Case) -> Advice | None:
    share = case.last.get("pairs/both_down", 0.0)
    if share <= 0.5:
        return None
    facts = f"in {share:.0%} of pairs both demonstration and generation became less likely"
    if case.setting.gamma:
        return Advice(Verdict.RAISE_BETA, f"Raise beta: {facts}, although loss.gamma is {case.setting.gamma:g}.")
    return Advice(Verdict.ADD_GAMMA, f"Add gamma: {facts}; set loss.gamma = 0.1, or raise reward.beta.")


def _overconfident(case: _Case) -> Advice | None:
    loss = case.last.get("heldout/loss", 0.0)
    if loss <= OVERCONFIDENT_LOSS:
        return None
    if case.last.get("heldout/gap", 0.0) <= 0:
        return _stop(
            case,
            f"held-out loss {loss:.3f} is above ln 2 (0.693) and the held-out gap is not positive: "
            "the reward does not generalise",
        )
    return Advice(
        Verdict.RAISE_BETA,
        f"Raise beta: held-out loss {loss:.3f} is above ln 2 (0.693) though the held-out gap is positive: "
        "the inner loop is too sure of itself; raise reward.beta or take fewer loop.inner_steps.",
    )


def _loss_turned(case: _Case) -> Advice | None:
    best = case.best()
    if case.measure != "heldout/loss" or best is None:
        return None
    now, lowest = case.last["heldout/loss"], best["heldout/loss"]
    if now <= lowest + TURNED_UP:
        return None
    return _stop(case, f"held-out loss turned up, from {lowest:.3f} ({_named(best)}) to {now:.3f}")


def _no_signal(case: _Case) -> Advice | None:
    loss, auc = case.last.get("heldout/loss", 0.0), case.last.get("reward/auc", 0.5)
    if loss < NO_SIGNAL_LOSS or auc >= NO_SIGNAL_AUC:
        return None
    facts = f"held-out loss {loss:.3f} is that of no signal (ln 2 = 0.693)"
    cure = "raise the learning rate or loop.inner_steps"
    if len(case.trained) == 1 and case.left:
        return Advice(Verdict.GO_ON, f"Go on, with doubt: {facts}; if the next iteration is no better, {cure}.")
    if len(case.trained) == 1:
        return _stop(case, f"{facts}: the reward has learned nothing; {cure}")
    return _stop(case, f"{facts}: the reward no longer tells demonstrations from generations")


def _far_for_nothing(case: _Case) -> Advice | None:
    distance = case.last.get("kl/initial", 0.0)
    if distance <= FAR or _gained(case) or case.setting.algorithm == "sft":  # which has no beta
        return None
    return Advice(
        Verdict.RAISE_BETA,
        f"Raise beta: the policy is {distance:.2f} nats a token from where it began, and nothing held out gained.",
    )


def _likelihood_fell(case: _Case) -> Advice | None:
    limit = NLL_RISE_OF_SFT if case.setting.algorithm == "sft" else NLL_RISE
    known = [ended for ended in case.iterations if "heldout/nll" in ended]
    if "gold/mean" in case.last or "heldout/nll" not in case.last:
        return None
    best = min(known, key=lambda ended: ended["heldout/nll"])
    now, lowest = case.last["heldout/nll"], best["heldout/nll"]
    if now <= lowest * limit:
        return None
    return _stop(case, f"held-out NLL turned up, from {lowest:.3f} ({_named(best)}) to {now:.3f} nats a token")


def _gold_rests(case: _Case) -> Advice | None:
    scores = [ended["gold/mean"] for ended in case.trained if "gold/mean" in ended]
    if len(scores) <= PATIENCE or max(scores[-PATIENCE:]) > max(scores[:-PATIENCE]):
        return None
    return _stop(case, f"the gold score has not risen for {PATIENCE} outer iterations (now {scores[-1]:.3f})")


_RULES: tuple[Callable[[_Case], Advice | None], ...] = (
    _gold_fell,
    _gap_too_wide,
    _both_down,
    _overconfident,
    _loss_turned,
    _no_signal,
    _far_for_nothing,
    _likelihood_fell,
    _gold_rests,
)


# -- words -----------------------------------------------------------------------------------

_MEASURES = {"heldout/loss": "held-out loss", "heldout/nll": "held-out NLL"}


def _stop(case: _Case, why: str) -> Advice:
    best = case.best()
    kept = ""
    if best is not None and best is not case.last:
        kept = (
            f" {_named(best).capitalize()} had the best {_MEASURES[case.measure]}: irltui export RUN --iteration best."
        )
    return Advice(Verdict.STOP, f"Stop: {why}.{kept}")


def _gained(case: _Case) -> bool:
    """Whether gold, or for want of it held-out likelihood, is better than at the first measurement."""
    first, last = case.iterations[0], case.last
    if "gold/mean" in first and "gold/mean" in last:
        return last["gold/mean"] > first["gold/mean"]
    return last.get("heldout/nll", math.inf) < first.get("heldout/nll", math.inf)


def _state(case: _Case) -> str:
    last = case.last
    parts = [
        f"held-out loss {last['heldout/loss']:.3f} (ln 2 is no signal)" if "heldout/loss" in last else "",
        f"gap {last['reward/gap']:.2f}" if "reward/gap" in last else "",
        f"held-out NLL {last['heldout/nll']:.3f}" if "heldout/nll" in last else "",
        f"KL {last['kl/initial']:.3f} nats a token" if "kl/initial" in last else "",
        f"gold {last['gold/mean']:.3f}" if "gold/mean" in last else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing was held out to judge by"


def _named(ended: Ended) -> str:
    return f"iteration {ended['iteration']:g}" if ended["iteration"] else "before training"

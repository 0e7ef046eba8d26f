"""The adviser: what unhealthy figures mean and what to do, while a run trains and when an outer iteration ends.

Pure functions over metrics; they read no file and stop nothing. An alert is for what cannot wait until the outer
iteration ends; what the held-out pairs say is judged once, at its end. One state has one cause: the first rule that
holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from irltui.config.schema import RunConfig
from irltui.runs.metrics import AUC, DISTANCE, GAP, HELD_OUT_GAP, HELD_OUT_LOSS, HELD_OUT_NLL, metric
from irltui.runs.thresholds import (
    BOTH_DOWN,
    CHANCE,
    FAR,
    FEWEST_ENDED,
    LOGP_ERROR,
    LOSS_ROSE,
    MOST_DUPLICATES,
    MOST_EMPTY,
    MOST_EQUAL,
    NEAR,
    NLL_ROSE,
    NLL_ROSE_SFT,
    NO_SIGNAL_AUC,
    NO_SIGNAL_LOSS,
    OVERCONFIDENT_LOSS,
    PATIENCE,
    WIDEST_GAP,
)

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
    """What to do, and why, in plain sentences; `code` names a cause that alerts know, too."""

    verdict: Verdict
    text: str
    code: str = ""


@dataclass(frozen=True)
class Problem:
    """A cause by its code, and what to do about it."""

    code: str
    text: str


@dataclass(frozen=True)
class Setting:
    """What of a configuration decides how the figures are to be read.

    `reward`: none, implicit or explicit.
    `one_reference`: held-out losses of all iterations were measured against the same reference and compare.
    `contrasts`: one inner loop is the run, and goes past the demonstrations, away from the start (F5).
    `overshoots`: a long inner loop can go too far (F2).
    `by_nll`: held-out demonstrations are what the policy should become, not so where it goes past them.
    """

    reward: str
    one_reference: bool
    gamma: float = 0.0
    contrasts: bool = False
    overshoots: bool = True
    by_nll: bool = True

    @classmethod
    def of(cls, config: RunConfig) -> Setting:
        """Of a run.

        Against a reference that rolls on, the losses of two iterations measure different gaps; so do those of RFT,
        whose reward is set a harder task the better the policy becomes.
        """
        is_implicit, stops = config.objective.reward == "implicit", config.reward.beta >= 1
        contrasts = is_implicit and not stops and config.loop.passes == config.loop.outer_iterations == 1
        return cls(
            config.objective.reward,
            one_reference=config.reference.kind == "fixed" and is_implicit,
            gamma=config.loss.gamma,
            contrasts=contrasts,
            overshoots=config.objective.reads_gaps or not stops,
            by_nll=not contrasts and (config.has_reward or not config.objective.draws),
        )


# -- while a run trains ----------------------------------------------------------------------------


def alerts(values: Mapping[str, float], setting: Setting) -> list[Problem]:
    """What these metrics say is wrong; `reward/gap` and `pairs/both_down` are running means, not those of a step."""
    learning = _overshoot(values, setting) or _both_down(values, setting)
    found = [Problem(learning.code, learning.text)] if learning else []
    return found + list(_of_generations(values))


def _of_generations(values: Mapping[str, float]) -> Iterator[Problem]:
    if (ended := values.get("generation/eos_rate", 1.0)) < FEWEST_ENDED:
        yield Problem(
            "length_cap",
            f"{1 - ended:.0%} of generations reach the length cap. Raise decoding.max_new_tokens or "
            "data.max_response_tokens.",
        )
    if (equal := values.get("generation/equal_to_demonstration", 0.0)) > MOST_EQUAL:
        yield Problem("equal", f"{equal:.0%} of generations equal their demonstration: little is left to learn here.")
    if (same := values.get("generation/duplicate_rate", 0.0)) > MOST_DUPLICATES:
        yield Problem(
            "duplicates",
            f"{same:.0%} of generations repeat another one. If they did not before training, the policy collapses: "
            "raise reward.beta.",
        )
    if (empty := values.get("generation/empty", 0.0)) > MOST_EMPTY:
        yield Problem(
            "empty",
            f"{empty:.0%} of generations are empty: the policy stops at once. Check data.template, read the samples.",
        )
    if (error := values.get("sampler/logp_error", 0.0)) > LOGP_ERROR:
        yield Problem(
            "mismatch",
            f"Sampler and trainer disagree by {error:.2f} nats per token. Check model.precision and the sampler's "
            "weights and template.",
        )


def _overshoot(values: Mapping[str, float], setting: Setting) -> Advice | None:
    gap = max(values.get(name, 0.0) for name in (GAP, HELD_OUT_GAP))
    if gap <= WIDEST_GAP or not setting.overshoots:
        return None
    text = f"Overshoot: reward gap {gap:.1f} (keep it below {WIDEST_GAP:g}). {_cure(setting)}"
    return Advice(Verdict.RAISE_BETA, text, "overshoot")


def _cure(setting: Setting) -> str:
    bound = "Set reward.bound, raise" if setting.reward == "explicit" else "Raise"
    return f"{bound} reward.beta or lower loop.inner_steps."


def _both_down(values: Mapping[str, float], setting: Setting) -> Advice | None:
    share = values.get("pairs/both_down", 0.0)
    if share <= BOTH_DOWN:
        return None
    facts = f"Demonstration and generation both become less likely in {share:.0%} of pairs"
    if setting.gamma:
        text = f"{facts} although loss.gamma is {setting.gamma:g}. Raise reward.beta."
        return Advice(Verdict.RAISE_BETA, text, "both_down")
    return Advice(Verdict.ADD_GAMMA, f"{facts}. Set loss.gamma = 0.1 or raise reward.beta.", "both_down")


# -- when an outer iteration ends ------------------------------------------------------------------


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
        return HELD_OUT_LOSS if self.setting.one_reference and HELD_OUT_LOSS in self.last else HELD_OUT_NLL

    def best(self) -> Ended | None:
        """The iteration that is kept as the best."""
        known = [ended for ended in self.trained if self.measure in ended]
        return min(known, key=lambda ended: ended[self.measure]) if known else None

    def best_gold(self) -> Ended | None:
        """The best earlier gold score, that before training included."""
        known = [ended for ended in self.iterations[:-1] if "gold/mean" in ended]
        return max(known, key=lambda ended: ended["gold/mean"]) if known else None


def advise(iterations: Sequence[Ended], setting: Setting, *, left: int) -> Advice:
    """Advice at the end of an outer iteration: the last of `iterations`, oldest first; `left` more are planned."""
    case = _Case(setting, iterations, left)
    for rule in _RULES:
        if found := rule(case):
            return found
    head = "Go on" if left else _PAST if setting.contrasts else "Done. Another pass may still help"
    return Advice(Verdict.GO_ON, f"{head}: {_state(case)}.")


_PAST = (
    "Done. One inner loop goes past the demonstrations, which another pass would undo, and which held-out NLL cannot "
    "judge. Compare with SFT on a benchmark"
)


def still_matter(iterations: Sequence[Ended]) -> list[Ended]:
    """Those of `iterations`, as `advise` takes them, that it may yet ask for, whatever the next one ends with.

    Their number is bounded.
    """
    trained = [ended for ended in iterations if ended["iteration"] > 0]
    judged = [ended for ended in trained if "gold/mean" in ended]
    kept = [*iterations[:1], *iterations[-PATIENCE:], *judged[-PATIENCE:]]
    kept += [max(judged, key=lambda ended: ended["gold/mean"])] if judged else []
    for measure in (HELD_OUT_LOSS, HELD_OUT_NLL):
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
    return _stop(
        case, f"the gold score fell from {before:.3f} ({_named(best)}) to {now:.3f}, and the intervals do not overlap"
    )


def _learning(case: _Case) -> Advice | None:
    return _overshoot(case.last, case.setting) or _both_down(case.last, case.setting)


def _overconfident(case: _Case) -> Advice | None:
    loss, gap = case.last.get(HELD_OUT_LOSS, 0.0), case.last.get(HELD_OUT_GAP, 0.0)
    if loss <= OVERCONFIDENT_LOSS:
        return None
    facts = f"held-out loss {loss:.3f} (chance is {CHANCE:.3f})"
    if gap <= 0:
        return _stop(case, f"the reward does not generalise, with {facts} and a held-out gap of {gap:.2f}")
    text = f"Overconfident: {facts} although the held-out gap is positive ({gap:.2f}). {_cure(case.setting)}"
    return Advice(Verdict.RAISE_BETA, text)


def _loss_turned(case: _Case) -> Advice | None:
    best = case.best()
    if case.measure != HELD_OUT_LOSS or best is None:
        return None
    now, lowest = case.last[HELD_OUT_LOSS], best[HELD_OUT_LOSS]
    if now <= lowest + LOSS_ROSE:
        return None
    return _stop(case, f"held-out loss rose from {lowest:.3f} ({_named(best)}) to {now:.3f}")


def _no_signal(case: _Case) -> Advice | None:
    last = case.last
    if last.get(HELD_OUT_LOSS, 0.0) < NO_SIGNAL_LOSS or last.get(AUC, 0.5) >= NO_SIGNAL_AUC:
        return None
    facts = f"held-out loss is {last[HELD_OUT_LOSS]:.3f} (chance is {CHANCE:.3f})"
    if len(case.trained) > 1:
        return _stop(case, f"the reward can no longer tell demonstrations from generations, the {facts}")
    unknown = f"No signal: {facts}. The reward cannot tell demonstrations from generations"
    cure = "raise the learning rate or loop.inner_steps"
    if case.left:
        return Advice(Verdict.GO_ON, f"{unknown} yet. If the next outer iteration is no better, {cure}.")
    return Advice(Verdict.STOP, f"{unknown}. To train again, {cure}.")


def _hardly_moved(case: _Case) -> Advice | None:
    distance = case.last.get(DISTANCE, math.inf)
    if distance >= NEAR or case.left:
        return None
    rate = "optimizer.learning_rate or loop.passes"
    return _stop(case, f"the policy has hardly moved ({distance:.1g} nats per token from the start). Raise {rate}")


def _far_for_nothing(case: _Case) -> Advice | None:
    distance, setting = case.last.get(DISTANCE, 0.0), case.setting
    if distance <= FAR or _gained(case) or not setting.by_nll or setting.reward == "none":  # which has no beta
        return None
    return Advice(
        Verdict.RAISE_BETA,
        f"Drift: the policy is {distance:.2f} nats per token from where it began (keep it below {FAR:g}), and nothing "
        "held out gained. Raise reward.beta.",
    )


def _likelihood_fell(case: _Case) -> Advice | None:
    limit = NLL_ROSE_SFT if case.setting.reward == "none" else NLL_ROSE
    known = [ended for ended in case.iterations if HELD_OUT_NLL in ended]
    if "gold/mean" in case.last or HELD_OUT_NLL not in case.last or not case.setting.by_nll:
        return None
    best = min(known, key=lambda ended: ended[HELD_OUT_NLL])
    now, lowest = case.last[HELD_OUT_NLL], best[HELD_OUT_NLL]
    if now <= lowest * limit:
        return None
    facts = f"held-out NLL rose from {lowest:.3f} ({_named(best)}) to {now:.3f} nats per token"
    return _stop(case, f"{facts}. If some demonstrations are bad, NLL misleads: judge by a benchmark")


def _gold_rests(case: _Case) -> Advice | None:
    scores = [ended["gold/mean"] for ended in case.trained if "gold/mean" in ended]
    if len(scores) <= PATIENCE or max(scores[-PATIENCE:]) > max(scores[:-PATIENCE]):
        return None
    return _stop(case, f"the gold score has not risen for {PATIENCE} outer iterations (now {scores[-1]:.3f})")


_RULES: tuple[Callable[[_Case], Advice | None], ...] = (
    _gold_fell,
    _learning,
    _overconfident,
    _loss_turned,
    _hardly_moved,
    _no_signal,
    _far_for_nothing,
    _likelihood_fell,
    _gold_rests,
)


# -- words -----------------------------------------------------------------------------------


def _stop(case: _Case, why: str) -> Advice:
    best = case.best()
    kept = ""
    if best is not None and best is not case.last and (case.setting.by_nll or case.measure != HELD_OUT_NLL):
        measure = metric(case.measure).label
        kept = f" {_named(best).capitalize()} had the best {measure}: irltui export RUN --iteration best."
    return Advice(Verdict.STOP, f"Stop: {why}.{kept}")


def _gained(case: _Case) -> bool:
    """Whether gold, or for want of it held-out likelihood, is better than at the first measurement."""
    first, last = case.iterations[0], case.last
    if "gold/mean" in first and "gold/mean" in last:
        return last["gold/mean"] > first["gold/mean"]
    return last.get(HELD_OUT_NLL, math.inf) < first.get(HELD_OUT_NLL, math.inf)


def _state(case: _Case) -> str:
    last = case.last
    parts = [
        f"held-out loss {last[HELD_OUT_LOSS]:.3f} (chance is {CHANCE:.3f})" if HELD_OUT_LOSS in last else "",
        f"gap {last[GAP]:.2f}" if GAP in last else "",
        f"held-out NLL {last[HELD_OUT_NLL]:.3f}" if HELD_OUT_NLL in last else "",
        f"KL {last[DISTANCE]:.3f} nats per token" if DISTANCE in last else "",
        f"gold {last['gold/mean']:.3f}" if "gold/mean" in last else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing was held out to judge by"


def _named(ended: Ended) -> str:
    return f"outer iteration {ended['iteration']:g}" if ended["iteration"] else "before training"

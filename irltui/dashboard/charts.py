"""Which charts a run has, and what each shows: the game, then one chart a question; one unit on an axis.

A metric that no chart knows, such as a plugin's, gets a chart of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from irltui.dashboard.widgets.lens import Lens
from irltui.dashboard.widgets.plotted import Band, Frame, Level, Plotted
from irltui.views.replay import Moment

LN2 = Level(math.log(2), "ln 2: no signal")
CHANCE = Level(0.5, "chance")
GAP, NLL = "gap", "nll"
_STEP_METRICS = ("train/loss", "policy/reward")


@dataclass(frozen=True)
class Spec:
    """One chart.

    Attributes:
        id: what it is called in code and in `/`.
        title: what it is called on the screen.
        traces: metrics and what each is called beside its line; the first is the one to look at.
        help: the question that it answers.
        better: 1 if higher values are better, -1 if lower, 0 if neither.
    """

    id: str
    title: str
    traces: tuple[tuple[str, str], ...]
    help: str
    better: int = 0
    level: Level | None = None
    band: Band | None = None
    zero: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(metric for metric, _ in self.traces)


SPECS = (
    Spec(
        GAP,
        "Reward gap",
        (
            ("reward/gap", "gap"),
            ("reward/demonstration", "demonstrations"),
            ("reward/generation", "generations"),
            ("heldout/gap", "held-out gap"),
        ),
        "Is the reward learning? The gap is demonstration minus generation: 0.5 to 2 is healthy, above 5 overshoots.",
        band=Band(0.5, 2.0, "healthy 0.5–2"),
        zero=True,
    ),
    Spec(
        NLL,
        "Held-out NLL",
        (("heldout/nll", "held-out"), ("train/nll", "train")),
        "Does the policy model demonstrations better? Nats per token; lower is better.",
        better=-1,
    ),
    Spec(
        "loss",
        "Loss",
        (("heldout/loss", "held-out"), ("train/loss", "train")),
        "Held-out loss at ln 2 means no signal; if it turns up, the inner loop is too long.",
        better=-1,
        level=LN2,
    ),
    Spec(
        "auc",
        "Reward AUC",
        (("reward/auc", "AUC, held-out"), ("reward/accuracy", "accuracy, train")),
        "Does the reward tell demonstrations from generations? 0.5 is chance.",
        better=1,
        level=CHANCE,
    ),
    Spec(
        "policy",
        "Policy reward",
        (("policy/reward", "policy step"), ("reward/probe_mean", "fixed prompts")),
        "Does the policy follow the reward (RFT)? Mean reward of its generations, and of the fixed prompts' answers.",
        better=1,
    ),
    Spec(
        "kl",
        "KL from start",
        (("kl/initial", "start"), ("kl/reference", "reference")),
        "How far the policy has moved, nats per token.",
    ),
    Spec("length", "Answer length", (("generation/length", "tokens"),), "Mean tokens of a generation."),
    Spec(
        "both-down",
        "Both fall",
        (("pairs/both_down", "share of pairs"),),
        "Share of pairs in which both log-ratios fall: above a half, raise beta or add gamma.",
        better=-1,
        level=Level(0.5, "half"),
    ),
    Spec(
        "distinct",
        "Distinct pairs",
        (("generation/distinct_2", "share"),),
        "Different pairs of tokens, as a share of all: it must not collapse.",
        better=1,
    ),
    Spec("pairs", "Pairs per second", (("speed/pairs_per_second", "pairs/s"),), "Pairs trained per second."),
    Spec(
        "ended",
        "Answers that end",
        (("generation/eos_rate", "share"),),
        "Share of generations that ended by themselves, not at the length limit.",
        better=1,
    ),
    Spec(
        "log-ratios",
        "Log-ratios",
        (("logratio/demonstration", "demonstrations"), ("logratio/generation", "generations")),
        "log(policy / reference) of both sides, nats per response; both falling wastes likelihood.",
        zero=True,
    ),
    Spec(
        "shortcuts",
        "Shortcuts, AUC",
        (("shortcut/length_auc", "length"), ("shortcut/first_token_auc", "first token")),
        "Is the reward only a shortcut? Length or the first token alone should tell less than the reward does.",
        level=CHANCE,
    ),
    Spec(
        "repeats",
        "Repeats",
        (
            ("generation/duplicate_rate", "duplicates"),
            ("generation/equal_to_demonstration", "equal to demo"),
            ("generation/empty", "empty"),
        ),
        "Shares of generations that repeat another one, equal their demonstration, or are empty.",
        better=-1,
    ),
    Spec("dropped", "Pairs left out", (("pairs/dropped", "pairs"),), "Pairs left out because both sides are equal."),
    Spec("policy-kl", "Policy step KL", (("policy/kl", "KL"),), "KL paid by the policy step, nats per response."),
    Spec(
        "spread",
        "Advantage spread",
        (("policy/advantage_std", "std"),),
        "Do generations of one prompt differ in reward? Without spread they teach nothing.",
    ),
    Spec(
        "no-spread",
        "Groups alike",
        (("policy/zero_variance_groups", "share"),),
        "Share of prompts whose generations all have the same return: they teach nothing.",
        better=-1,
    ),
    Spec(
        "effective",
        "Effective samples",
        (("policy/effective_generations", "generations"),),
        "Generations that carry the weight; 1 means that beta is too small for so few.",
        better=1,
    ),
    Spec(
        "gradient",
        "Gradient norm",
        (("train/gradient_norm", "reward"), ("policy/gradient_norm", "policy")),
        "Size of the gradient before clipping.",
    ),
    Spec(
        "rate",
        "Learning rate",
        (("train/learning_rate", "reward"), ("policy/learning_rate", "policy")),
        "Learning rate of the step.",
    ),
    Spec("policy-loss", "Policy loss", (("policy/loss", "loss"),), "Loss of the policy step."),
    Spec(
        "sampler",
        "Sampler error",
        (("sampler/logp_error", "mean"), ("sampler/logp_error_max", "largest")),
        "Do sampler and trainer agree on log-probabilities of the same tokens?",
    ),
    Spec(
        "sampled",
        "Tokens per second",
        (("speed/generated_tokens_per_second", "sampled"),),
        "Tokens generated per second of the sampling phase.",
    ),
    Spec(
        "policy-steps",
        "Policy steps/s",
        (("speed/policy_steps_per_second", "steps/s"),),
        "Policy steps per second, sampling included.",
    ),
    Spec(
        "memory",
        "Memory, bytes",
        (("memory/peak_bytes", "peak"), ("system/memory_bytes", "process"), ("system/gpu_memory_bytes", "GPU")),
        "Bytes held by the engine.",
    ),
)
KNOWN = {metric for spec in SPECS for metric in spec.metrics}
_INKS = {"demonstrations": "demonstration", "generations": "generation"}
_SHORT = {"demonstrations": "demos", "generations": "gen.", "held-out gap": "held-out"}


def charts_of(metrics: Iterable[str], wanted: str = "") -> list[Spec]:
    """The charts of a run that has these metrics, the game first, those of unknown metrics last.

    Args:
        metrics: names that have occurred.
        wanted: only charts whose title or metrics hold all of these words.
    """
    found = set(metrics)
    own = sorted(name for name in found - KNOWN if not name.startswith("system/"))
    specs = [spec for spec in SPECS if found.intersection(spec.metrics)]
    specs += [Spec(name, name, ((name, name.rpartition("/")[2]),), "A metric of a plugin.") for name in own]
    words = wanted.casefold().split()
    return [one for one in specs if all(word in f"{one.title} {' '.join(one.metrics)}".casefold() for word in words)]


def plotted(moment: Moment, spec: Spec, lens: Lens, *, short: bool = False) -> list[Plotted]:
    """The curves of a chart at a moment."""
    found = []
    for i, (metric, label) in enumerate(spec.traces):
        if not moment.has(metric):
            continue
        measured = is_measured(moment, metric)
        ink = _INKS.get(label) or ("held-out" if measured else "gap" if i == 0 else "muted")
        name = _SHORT.get(label, label) if short else label
        wide = i == 0 and not measured
        found.append(Plotted(name, ink, moment.curve(metric, lens.x_axis), measured, wide))
    return found


def frame(moment: Moment, spec: Spec, lens: Lens, *, direct: bool, short: bool = False) -> Frame:
    """What stands around the curves of a chart; `direct` is a large one, with names beside its lines."""
    note = "demonstrations against generations" if spec.id == GAP and not short else ""
    note = "nats per token" if spec.id == NLL and not short else note
    return Frame(
        spec.title,
        note,
        extent(moment, lens.x_axis),
        borders(moment, lens.x_axis),
        spec.band,
        spec.level,
        spec.zero,
        spec.better,
        direct,
        spec.help if direct else "no values yet",
    )


def is_measured(moment: Moment, metric: str) -> bool:
    """Whether a metric is an evaluation: written beside the training steps, not with one."""
    if metric.startswith(("system/", "memory/")):
        return False
    series = moment.history.metrics[metric]
    steps = next((s for name in _STEP_METRICS if (s := moment.history.metrics.get(name))), None)
    if steps is None or series is steps:
        return steps is None and len(series) <= 2 * max(1, moment.history.start.outer_iterations)
    at = steps.upto(series.rows[0])
    return at >= len(steps) or steps.rows[at] != series.rows[0]


def borders(moment: Moment, x_axis: str = "step") -> Sequence[float]:
    """Where on the x axis an outer iteration ends: at its last training step."""
    history = moment.history
    series = next((s for name in _STEP_METRICS if (s := history.metrics.get(name))), None)
    count = series.upto(moment.rows) if series else 0
    if series is None or count < 2:
        return ()
    rows = np.array(series.rows, dtype=np.int64)[:count]
    outer = np.array(history.rows.outer_iteration)[rows]
    x = np.array(getattr(history.rows, x_axis))[rows]
    return tuple(x[np.flatnonzero(np.diff(outer) > 0)].tolist())


def extent(moment: Moment, x_axis: str = "step") -> tuple[float, float]:
    """The x axis: from 0 to the end of the present outer iteration where that is known, else to the newest point."""
    _, last = moment.extent(x_axis)
    start = moment.history.start
    if x_axis == "step" and start.total_steps and start.outer_iterations:
        each = start.total_steps / start.outer_iterations
        until = min(float(start.total_steps), each * math.ceil(max(moment.step, 1) / each - 1e-9))
        last = max(last, until)
    return 0.0, last if last > 0 else 1.0


def at_borders(moment: Moment, metric: str) -> list[float]:
    """The value of a metric at the end of each outer iteration: what a saw-tooth comes to."""
    curve, edges = moment.curve(metric), borders(moment)
    if len(edges) < 2:
        return curve.y.tolist()
    cuts = np.searchsorted(curve.x, np.array([*edges, math.inf]), side="right") - 1
    return [float(curve.y[cut]) for cut in cuts if cut >= 0]

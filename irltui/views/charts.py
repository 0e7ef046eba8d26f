"""The charts of a run, for the dashboard and reports: one per question, one unit on an axis.

A metric that no chart knows, such as a plugin's, gets a chart of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from irltui.runs.history import SYSTEM
from irltui.runs.metrics import Metric, metric
from irltui.runs.thresholds import BOTH_DOWN
from irltui.runs.thresholds import CHANCE as NO_SIGNAL_AT


@dataclass(frozen=True)
class Band:
    """The healthy range."""

    low: float
    high: float
    name: str


@dataclass(frozen=True)
class Level:
    """A horizontal line with a meaning."""

    value: float
    name: str


NO_SIGNAL = Level(NO_SIGNAL_AT, "ln 2: no signal")
CHANCE = Level(0.5, "chance")
GAP_CHART, NLL_CHART = "gap", "nll"


@dataclass(frozen=True)
class Spec:
    """One chart: the first of its metrics is the one to look at, `help` is the question that it answers."""

    id: str
    title: str
    metrics: tuple[Metric, ...]
    help: str
    level: Level | None = None
    zero: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.metrics)

    @property
    def band(self) -> Band | None:
        """The healthy range of the first metric."""
        healthy = self.metrics[0].healthy_range
        return Band(*healthy, f"healthy {healthy[0]:g}–{healthy[1]:g}") if healthy and self.id == GAP_CHART else None


def _spec(
    id_: str, title: str, names: tuple[str, ...], help_: str, level: Level | None = None, *, zero: bool = False
) -> Spec:
    return Spec(id_, title, tuple(map(metric, names)), help_, level, zero)


# fmt: off
SPECS = (
    _spec(GAP_CHART, "Reward gap", ("reward/gap", "reward/demonstration", "reward/generation", "heldout/gap"),
          "Is the reward learning? The gap is demonstration minus generation: 0.5 to 2 is healthy, above 5 overshoots.",
          zero=True),
    _spec(NLL_CHART, "Held-out NLL", ("heldout/nll", "train/nll"),
          "Does the policy model demonstrations better? Nats per token; lower is better."),
    _spec("policy", "Policy reward", ("policy/reward", "reward/probe_mean"),
          "Does the policy follow the reward (RFT)? Mean reward of its generations and of the fixed prompts."),
    _spec("loss", "Loss", ("heldout/loss", "train/loss"),
          "Held-out loss at ln 2 means no signal; if it turns up, the inner loop is too long.", level=NO_SIGNAL),
    _spec("auc", "Reward AUC", ("reward/auc", "reward/accuracy"),
          "Does the reward tell demonstrations from generations? 0.5 is chance.", level=CHANCE),
    _spec("kl", "KL from start", ("kl/initial", "kl/reference"),
          "How far the policy has moved, nats per token."),
    _spec("length", "Answer length", ("generation/length",),
          "Mean tokens of a generation."),
    _spec("both-down", "Both fall", ("pairs/both_down",),
          "Share of pairs in which both log-ratios fall: above a half, raise beta or add gamma.",
          level=Level(BOTH_DOWN, "half")),
    _spec("distinct", "Distinct pairs", ("generation/distinct_2",),
          "Different pairs of tokens, as a share of all: it must not collapse."),
    _spec("pairs", "Pairs per second", ("speed/pairs_per_second",),
          "Pairs trained per second."),
    _spec("ended", "Answers that end", ("generation/eos_rate",),
          "Share of generations that ended by themselves, not at the length limit."),
    _spec("log-ratios", "Log-ratios", ("logratio/demonstration", "logratio/generation"),
          "log(policy / reference) of both sides, nats per response; both falling wastes likelihood.", zero=True),
    _spec("shortcuts", "Shortcuts, AUC", ("shortcut/length_auc", "shortcut/first_token_auc"),
          "Is the reward only a shortcut? Length or the first token alone should tell less than the reward does.",
          level=CHANCE),
    _spec("repeats", "Repeats", ("generation/duplicate_rate", "generation/equal_to_demonstration", "generation/empty"),
          "Shares of generations that repeat another one, equal their demonstration, or are empty."),
    _spec("dropped", "Pairs left out", ("pairs/dropped",),
          "Pairs left out because both sides are equal."),
    _spec("policy-kl", "Policy step KL", ("policy/kl",),
          "KL paid by the policy step, nats per response."),
    _spec("spread", "Advantage spread", ("policy/advantage_std",),
          "Do generations of one prompt differ in reward? Without spread they teach nothing."),
    _spec("no-spread", "Groups alike", ("policy/zero_variance_groups",),
          "Share of prompts whose generations all have the same return: they teach nothing."),
    _spec("effective", "Effective samples", ("policy/effective_generations",),
          "Generations that carry the weight; 1 means that beta is too small for so few."),
    _spec("gradient", "Gradient norm", ("train/gradient_norm", "policy/gradient_norm"),
          "Size of the gradient before clipping."),
    _spec("rate", "Learning rate", ("train/learning_rate", "policy/learning_rate"),
          "Learning rate of the step."),
    _spec("policy-loss", "Policy loss", ("policy/loss",),
          "Loss of the policy step."),
    _spec("sampler", "Sampler error", ("sampler/logp_error", "sampler/logp_error_max"),
          "Do sampler and trainer agree on log-probabilities of the same tokens?"),
    _spec("sampled", "Tokens per second", ("speed/generated_tokens_per_second",),
          "Tokens generated per second of the sampling phase."),
    _spec("policy-steps", "Policy steps/s", ("speed/policy_steps_per_second",),
          "Policy steps per second, sampling included."),
    _spec("memory", "Memory, bytes", ("memory/peak_bytes", "system/memory_bytes", "system/gpu_memory_bytes"),
          "Bytes held by the engine."),
    _spec("machine", "Machine, %", ("system/gpu_percent", "system/cpu_percent", "system/host_memory_percent"),
          "How busy the machine is: an idle GPU beside a busy processor waits for data or for sampling."),
    _spec("heat", "GPU temperature, °C", ("system/gpu_celsius",),
          "Above about 85 a GPU slows down."),
)
# fmt: on
KNOWN = {name for spec in SPECS for name in spec.names}


def charts_of(metrics: Iterable[str], wanted: str = "") -> list[Spec]:
    """The charts of a run that has these metrics, the game first, those of unknown metrics last.

    Only those whose title or metrics hold all words of `wanted`.
    """
    found = set(metrics)
    own = sorted(name for name in found - KNOWN if not name.startswith(SYSTEM))
    specs = [spec for spec in SPECS if found.intersection(spec.names)]
    specs += [Spec(name, metric(name).label, (metric(name),), metric(name).means) for name in own]
    words = wanted.casefold().split()
    return [one for one in specs if all(word in f"{one.title} {' '.join(one.names)}".casefold() for word in words)]

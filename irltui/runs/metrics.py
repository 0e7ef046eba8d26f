"""Every metric a run writes: name, meaning, label, unit, direction, healthy range.

The one table behind every surface and behind docs/reference/metrics.md. A test checks that the engine writes no name
that is not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HIGHER, LOWER = "higher", "lower"
_ANY = (-math.inf, math.inf)
_SHARE, _PERCENT, _POSITIVE = (0.0, 1.0), (0.0, 100.0), (0.0, math.inf)


@dataclass(frozen=True)
class Metric:
    """What a metric says and how it is shown.

    Attributes:
        means: one line for the reference.
        label: what every surface calls it; `short` is its legend in a chart whose title says the rest.
        unit: "" for a plain number.
        better: `HIGHER`, `LOWER` or "".
        healthy: what healthy values look like, in words; `healthy_range` where that is a range.
        bounds: values that are possible; no interval leaves them.
        digits: significant digits that are shown.
    """

    name: str
    means: str
    label: str
    short: str = ""
    unit: str = ""
    better: str = ""
    healthy: str = ""
    healthy_range: tuple[float, float] | None = None
    bounds: tuple[float, float] = _ANY
    digits: int = 3

    @property
    def direction(self) -> int:
        """1 if more is better, -1 if less, 0 if neither or unknown."""
        return {HIGHER: 1, LOWER: -1}.get(self.better, 0)

    @property
    def title(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit and self.unit != self.label else self.label


# fmt: off
GROUPS: dict[str, tuple[Metric, ...]] = {
    "Is the reward learning?": (
        Metric("reward/demonstration", "mean r(x, y) of the step's demonstrations", "demonstration reward",
               short="demonstrations", better=HIGHER, healthy="rises within an outer iteration"),
        Metric("reward/generation", "mean r(x, y~) of the step's generations", "generation reward", short="generations",
               healthy="stays near 0 or falls"),
        Metric("reward/gap", "mean of r(x, y) - r(x, y~)", "reward gap", short="gap",
               healthy="0.5 to 2 at an inner loop's end; above 5 it overshoots", healthy_range=(0.5, 2.0)),
        Metric("reward/accuracy", "share of pairs in which the demonstration has the higher reward", "accuracy",
               better=HIGHER, healthy="above 0.5", healthy_range=(0.5, 1.0), bounds=_SHARE),
        Metric("reward/auc", "chance that a held-out demonstration has a higher reward than a held-out generation",
               "reward AUC", short="AUC", better=HIGHER, bounds=_SHARE),
        Metric("heldout/loss", "logistic loss of the gap on held-out pairs", "held-out loss", short="held-out",
               better=LOWER, healthy="below 0.693 = ln 2, which is no signal", bounds=_POSITIVE),
        Metric("heldout/gap", "mean reward gap on held-out pairs", "held-out gap", better=HIGHER,
               healthy="above 0"),
    ),
    "Is the likelihood falling on both sides?": (
        Metric("logratio/demonstration", "mean log(pi / pi_ref) of demonstrations", "demonstration log-ratio",
               short="demonstrations", unit="nats/response", better=HIGHER, healthy="above 0"),
        Metric("logratio/generation", "mean log(pi / pi_ref) of generations", "generation log-ratio",
               short="generations", unit="nats/response", healthy="below the above"),
        Metric("pairs/both_down", "share of pairs in which both log-ratios are negative", "both down", better=LOWER,
               healthy="below 0.5", healthy_range=(0.0, 0.5), bounds=_SHARE),
        Metric("heldout/nll", "negative log-likelihood of held-out demonstrations", "held-out NLL", short="held-out",
               unit="nats/token", better=LOWER,
               healthy="falls; if some demonstrations are bad it misleads, for it counts them as right",
               bounds=_POSITIVE),
    ),
    "Is the reward only a shortcut?": (
        Metric("shortcut/length_auc", "how well length alone tells y from y~, 0.5 to 1", "length AUC",
               short="length", better=LOWER, healthy="well below reward/auc", bounds=_SHARE),
        Metric("shortcut/first_token_auc", "how well the first token alone does", "first-token AUC",
               short="1st token", better=LOWER, healthy="well below reward/auc", bounds=_SHARE),
    ),
    "Are generations healthy?": (
        Metric("generation/length", "mean tokens of a generation, end-of-sequence included", "generation length",
               short="tokens", unit="tokens", bounds=_POSITIVE),
        Metric("generation/eos_rate", "share that ended by themselves, not at the length cap", "generations ended",
               short="ended", better=HIGHER, healthy="near 1", bounds=_SHARE),
        Metric("generation/duplicate_rate", "share that repeats another generation", "duplicates", short="dupl.",
               better=LOWER, healthy="near 0", bounds=_SHARE),
        Metric("generation/distinct_2", "different token pairs, as a share of all", "distinct-2", better=HIGHER,
               healthy="does not collapse", bounds=_SHARE),
        Metric("generation/equal_to_demonstration", "share that equals its demonstration", "equal to demonstration",
               short="equal to demo", better=LOWER, healthy="small; 1 = nothing to learn", bounds=_SHARE),
        Metric("generation/empty", "share that holds nothing but the end", "empty generations", short="empty",
               better=LOWER, healthy="near 0", bounds=_SHARE),
        Metric("pairs/dropped", "pairs of the outer iteration with y~ = y: their gap has no gradient",
               "dropped pairs", short="dropped", unit="pairs", better=LOWER, bounds=_POSITIVE),
    ),
    "How far has the policy gone?": (
        Metric("kl/reference",
               "KL(pi || pi_ref), summed over the vocabulary at each token of the held-out generations; for a mixed "
               "reference the weighted mean of the KL from pi_0 and from pi_t",
               "KL from reference", short="reference", unit="nats/token", healthy="small and steady"),
        Metric("kl/initial", "KL(pi || pi_0), measured in the same way", "KL from start",
               short="initial", unit="nats/token", healthy="grows slowly"),
    ),
    "Do sampler and trainer agree?": (
        Metric("sampler/logp_error", "mean absolute difference of their log-probabilities of the same tokens",
               "sampler error", short="mean", unit="nats", better=LOWER,
               healthy="about 1e-6 in float32, 0.03 in bfloat16", bounds=_POSITIVE),
        Metric("sampler/logp_error_max", "the largest of these differences", "largest sampler error",
               short="largest", unit="nats", better=LOWER, bounds=_POSITIVE),
    ),
    "Does the policy follow the reward? (RFT)": (
        Metric("policy/reward", "mean reward of the policy step's generations", "policy reward", short="step",
               better=HIGHER, healthy="rises within an outer iteration"),
        Metric("policy/advantage_std", "spread of advantages, in units of the reward", "advantage spread",
               short="adv. std", healthy="well above 0", bounds=_POSITIVE),
        Metric("policy/zero_variance_groups",
               "share of prompts whose generations all have the same return: they teach nothing",
               "groups without spread", short="no spread", better=LOWER, healthy="near 0", bounds=_SHARE),
        Metric("policy/effective_generations",
               "boltzmann: generations that carry the weight, 1 / sum of squared weights", "effective generations",
               short="effective", better=HIGHER,
               healthy="well above 1; 1 means that beta is too small for so few generations", bounds=_POSITIVE),
        Metric("policy/kl", "estimate of KL(pi || pi_ref)", "policy KL", short="KL", unit="nats/response",
               healthy="grows slowly"),
        Metric("reward/probe_mean", "mean reward of fresh answers to the fixed prompts", "probe reward",
               short="probe", better=HIGHER, healthy="rises with policy/reward"),
        Metric("policy/loss", "loss of the policy step", "policy loss"),
        Metric("policy/learning_rate", "learning rate of the policy step", "policy learning rate", short="policy lr",
               bounds=_POSITIVE),
        Metric("policy/gradient_norm", "norm of the policy's gradient before clipping", "policy gradient norm",
               short="policy norm", bounds=_POSITIVE),
    ),
    "The optimizer": (
        Metric("train/loss", "loss of the step: mean of h(gap) over its pairs, or NLL for SFT", "training loss",
               short="train", better=LOWER),
        Metric("train/nll", "negative log-likelihood of the step's demonstrations", "training NLL", short="train",
               unit="nats/token", better=LOWER, bounds=_POSITIVE),
        Metric("train/learning_rate", "learning rate of the step", "learning rate", short="lr", bounds=_POSITIVE),
        Metric("train/gradient_norm", "norm of the gradient before clipping", "gradient norm", short="norm",
               bounds=_POSITIVE),
        Metric("train/skipped", "inner steps skipped so far (loop.max_nonfinite_steps); only at such a step",
               "skipped steps", short="skipped", unit="steps", better=LOWER, healthy="absent", bounds=_POSITIVE),
    ),
    "Speed": (
        Metric("speed/generated_tokens_per_second", "tokens sampled per second in the sampling phase",
               "tokens/s sampled", short="sampled tok/s", unit="tokens/s", better=HIGHER, bounds=_POSITIVE),
        Metric("speed/pairs_per_second", "pairs (demonstrations, for SFT) trained per second", "pairs/s",
               unit="pairs/s", better=HIGHER, bounds=_POSITIVE),
        Metric("speed/policy_steps_per_second", "policy steps per second, sampling included", "policy steps/s",
               unit="steps/s", better=HIGHER, bounds=_POSITIVE),
        Metric("memory/peak_bytes",
               "most memory the engine has held: of the GPU if it computes there, else resident", "peak memory",
               short="peak", unit="bytes", better=LOWER, bounds=_POSITIVE),
    ),
}
_OTHERS = {
    metric.name: metric
    for metric in (
        Metric("system/memory_bytes", "memory of the process", "memory", short="process", unit="bytes",
               bounds=_POSITIVE),
        Metric("system/gpu_memory_bytes", "memory on the GPU", "GPU memory", short="GPU", unit="bytes",
               bounds=_POSITIVE),
        Metric("system/gpu_percent", "how busy the GPU is", "GPU use", short="GPU", unit="%", bounds=_PERCENT),
        Metric("system/cpu_percent", "how busy the processors are", "CPU use", short="CPU", unit="%", bounds=_PERCENT),
        Metric("system/host_memory_percent", "memory of the machine in use", "memory in use", short="memory", unit="%",
               bounds=_PERCENT),
        Metric("system/gpu_celsius", "temperature of the GPU", "GPU temperature", short="GPU", unit="°C"),
    )
}
# fmt: on

METRICS: dict[str, Metric] = {metric.name: metric for group in GROUPS.values() for metric in group}
"""What metrics events hold, by name."""
_BENCHMARK_SHARES = frozenset({"accuracy", "auc", "auc_per_token", "win", "quality", "expert_like", "distinct_2"})
"""Figures of the benchmarks that irltui ships that are shares."""

_BENCHMARK_BETTER = {
    **dict.fromkeys(("accuracy", "auc", "auc_per_token", "win", "quality", "expert_like"), HIGHER),
    **dict.fromkeys(("divergence", "nll", "nll_per_token"), LOWER),
}


def metric(name: str) -> Metric:
    """The metric's entry; one with the name alone for metrics outside the table, such as a plugin's."""
    better = _BENCHMARK_BETTER.get(name.rpartition("/")[2], "")
    return METRICS.get(name) or _OTHERS.get(name) or Metric(name, "A metric of a plugin.", name, better=better)


def possible(name: str, mean: float, low: float, high: float) -> tuple[float, float]:
    """An interval clipped to the values that a metric, or a benchmark's BENCHMARK/NAME, can have."""
    least, most = metric(name).bounds
    if name not in METRICS and name.rpartition("/")[2] in _BENCHMARK_SHARES:
        least, most = _SHARE
    return (max(low, least), min(high, most)) if least <= mean <= most else (low, high)


# -- what is shown where ----------------------------------------------------------------------------

GAP, HELD_OUT_LOSS, HELD_OUT_NLL = "reward/gap", "heldout/loss", "heldout/nll"
HELD_OUT_GAP, AUC = "heldout/gap", "reward/auc"
TRAINING_LOSS, ACCURACY, DISTANCE = "train/loss", "reward/accuracy", "kl/initial"
DEMONSTRATION, GENERATION = "reward/demonstration", "reward/generation"
PAIRS_PER_SECOND, TOKENS_PER_SECOND = "speed/pairs_per_second", "speed/generated_tokens_per_second"
MEMORY = ("memory/peak_bytes", "system/memory_bytes")

COLUMNS = (GAP, HELD_OUT_LOSS, HELD_OUT_NLL)
"""Columns of lists of runs."""
STATUS = (*COLUMNS, TRAINING_LOSS, PAIRS_PER_SECOND)
"""What status.json holds."""
LIVE = (TRAINING_LOSS, GAP, ACCURACY, HELD_OUT_LOSS, HELD_OUT_NLL)
"""What the progress display shows."""
DRAWN = (GAP, HELD_OUT_LOSS, HELD_OUT_NLL, TRAINING_LOSS, "policy/reward", DISTANCE)
"""The small charts of `show` and `compare`."""
FINAL = (
    HELD_OUT_NLL, HELD_OUT_LOSS, "heldout/gap", "reward/auc", GAP, ACCURACY, "policy/reward", "reward/probe_mean",
    "policy/kl", TRAINING_LOSS, DISTANCE, "generation/length", "generation/eos_rate", "generation/distinct_2",
    PAIRS_PER_SECOND,
)  # fmt: skip
"""The table of how a run ended."""

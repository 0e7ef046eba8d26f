"""Which metrics are drawn together, under which words: the one table behind charts, sparklines and Compare."""

from __future__ import annotations

import math
from dataclasses import dataclass

LN2 = math.log(2)


@dataclass(frozen=True)
class Trace:
    """One metric of a panel; `label` must fit a narrow legend."""

    metric: str
    label: str


@dataclass(frozen=True)
class Level:
    """A horizontal line that means something."""

    value: float
    label: str


@dataclass(frozen=True)
class Panel:
    """A chart: its question in `help`."""

    id: str
    title: str
    traces: tuple[Trace, ...]
    help: str
    levels: tuple[Level, ...] = ()


PANELS = (
    Panel(
        "gap",
        "Reward gap",
        (
            Trace("reward/gap", "gap"),
            Trace("reward/demonstration", "demo"),
            Trace("reward/generation", "gen"),
            Trace("heldout/gap", "held"),
        ),
        "Is the reward learning? The gap is demonstration minus generation; 0.5 to 2 is healthy, above 5 overshoots.",
        (Level(0.0, ""),),
    ),
    Panel(
        "loss",
        "Loss",
        (Trace("train/loss", "train"), Trace("heldout/loss", "held")),
        "Held-out loss at ln 2 means no signal; if it turns up, the inner loop is too long.",
        (Level(LN2, "ln 2"),),
    ),
    Panel(
        "nll",
        "NLL, nats/token",
        (Trace("heldout/nll", "held"), Trace("train/nll", "train")),
        "Does the policy model demonstrations better? Lower is better.",
    ),
    Panel(
        "policy",
        "Policy reward",
        (
            Trace("policy/reward", "step"),
            Trace("reward/probe_mean", "probe"),
            Trace("policy/kl", "KL"),
        ),
        "Does the policy follow the reward (RFT)? Mean reward of its generations, of fixed prompts, and the KL paid.",
    ),
    Panel(
        "advantage",
        "Policy step",
        (
            Trace("policy/advantage_std", "adv. std"),
            Trace("policy/zero_variance_groups", "no spread"),
            Trace("policy/effective_generations", "effective"),
        ),
        "Do generations of one prompt differ in reward? Without spread they teach nothing.",
    ),
    Panel(
        "health",
        "Generations",
        (
            Trace("generation/eos_rate", "ended"),
            Trace("generation/distinct_2", "distinct-2"),
            Trace("generation/duplicate_rate", "dupl."),
            Trace("generation/equal_to_demonstration", "=demo"),
            Trace("generation/empty", "empty"),
        ),
        "Are generations healthy? Shares that ended, distinct bigrams, duplicates, equal to their demonstration.",
    ),
    Panel(
        "logratio",
        "Log-ratios",
        (
            Trace("logratio/demonstration", "demo"),
            Trace("logratio/generation", "gen"),
            Trace("pairs/both_down", "both down"),
        ),
        "log(policy / reference) of both sides; both falling wastes likelihood: raise beta or add gamma.",
        (Level(0.0, ""),),
    ),
    Panel(
        "accuracy",
        "Accuracy, AUC",
        (
            Trace("reward/accuracy", "accuracy"),
            Trace("reward/auc", "AUC"),
            Trace("shortcut/length_auc", "length"),
            Trace("shortcut/first_token_auc", "1st token"),
        ),
        "Does the reward tell the sides apart, better than length or the first token alone would?",
        (Level(0.5, "chance"),),
    ),
    Panel(
        "kl",
        "Distance (KL)",
        (Trace("kl/initial", "initial"), Trace("kl/reference", "reference")),
        "How far the policy has moved, nats per token.",
    ),
    Panel(
        "length",
        "Length",
        (Trace("generation/length", "tokens"), Trace("pairs/dropped", "dropped")),
        "Mean length of generations, end-of-sequence included; and the pairs left out because y~ = y.",
    ),
    Panel(
        "speed",
        "Speed",
        (
            Trace("speed/pairs_per_second", "pairs/s"),
            Trace("speed/generated_tokens_per_second", "sampled tok/s"),
            Trace("speed/policy_steps_per_second", "policy steps/s"),
        ),
        "Pairs trained and tokens generated per second.",
    ),
    Panel(
        "optimizer",
        "Gradient norm",
        (
            Trace("train/gradient_norm", "norm"),
            Trace("train/learning_rate", "lr"),
            Trace("policy/gradient_norm", "policy norm"),
            Trace("policy/learning_rate", "policy lr"),
            Trace("policy/loss", "policy loss"),
        ),
        "Size of the gradient before clipping, and the learning rate.",
    ),
    Panel(
        "sampler",
        "Sampler against trainer",
        (Trace("sampler/logp_error", "mean"), Trace("sampler/logp_error_max", "largest")),
        "Do sampler and trainer agree on log-probabilities of the same ids?",
    ),
    Panel(
        "memory",
        "Memory",
        (
            Trace("memory/peak_bytes", "peak"),
            Trace("system/memory_bytes", "process"),
            Trace("system/gpu_memory_bytes", "GPU"),
        ),
        "Bytes held by the engine.",
    ),
)
KEY_METRICS = (
    Trace("reward/gap", "reward gap"),
    Trace("train/loss", "loss"),
    Trace("heldout/loss", "held-out loss"),
    Trace("heldout/nll", "held-out NLL"),
    Trace("generation/eos_rate", "gen. ended"),
    Trace("kl/initial", "KL initial"),
    Trace("speed/pairs_per_second", "pairs/s"),
)
"""What a tiny terminal shows, one line each; also the columns of tables."""

KNOWN = {trace.metric for panel in PANELS for trace in panel.traces}


def chosen(metrics: set[str]) -> list[Panel]:
    """The panels that have something to show; metrics of no panel (plugins') get one each."""
    found = [panel for panel in PANELS if any(trace.metric in metrics for trace in panel.traces)]
    own = [Panel(name, name, (Trace(name, ""),), "A metric of a plugin.") for name in sorted(metrics - KNOWN)]
    return [*found, *(panel for panel in own if not panel.id.startswith("system/"))]

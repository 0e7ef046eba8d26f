"""Which metrics are drawn together, and the question that each chart answers. Labels are the table's."""

from __future__ import annotations

from dataclasses import dataclass

from irltui.runs.history import SYSTEM
from irltui.runs.metrics import DISTANCE, GAP, HELD_OUT_LOSS, metric
from irltui.runs.thresholds import CHANCE


@dataclass(frozen=True)
class Trace:
    """One metric of a panel; `label` must fit a narrow legend."""

    metric: str
    label: str


@dataclass(frozen=True)
class Level:
    """A horizontal line with a meaning."""

    value: float
    label: str


@dataclass(frozen=True)
class Panel:
    """A chart; `help` is the question it answers."""

    id: str
    title: str
    traces: tuple[Trace, ...]
    help: str
    levels: tuple[Level, ...] = ()


def _panel(id_: str, title: str, metrics: tuple[str, ...], help_: str, levels: tuple[Level, ...] = ()) -> Panel:
    found = (metric(name) for name in metrics)
    return Panel(id_, title, tuple(Trace(each.name, each.short or each.label) for each in found), help_, levels)


PANELS = (
    _panel(
        "gap",
        "Reward gap",
        (
            GAP,
            "reward/demonstration",
            "reward/generation",
            "heldout/gap",
        ),
        "Is the reward learning? The gap is demonstration minus generation; 0.5 to 2 is healthy, above 5 overshoots.",
        (Level(0.0, ""),),
    ),
    _panel(
        "loss",
        "Loss",
        ("train/loss", HELD_OUT_LOSS),
        "Held-out loss at ln 2 means no signal; if it turns up, the inner loop is too long.",
        (Level(CHANCE, "ln 2"),),
    ),
    _panel(
        "nll",
        "NLL, nats/token",
        ("heldout/nll", "train/nll"),
        "Does the policy model demonstrations better? Lower is better.",
    ),
    _panel(
        "policy",
        "Policy reward",
        (
            "policy/reward",
            "reward/probe_mean",
            "policy/kl",
        ),
        "Does the policy follow the reward (RFT)? Mean reward of its generations, of fixed prompts, and the KL paid.",
    ),
    _panel(
        "advantage",
        "Policy step",
        (
            "policy/advantage_std",
            "policy/zero_variance_groups",
            "policy/effective_generations",
        ),
        "Do generations of one prompt differ in reward? Without spread they teach nothing.",
    ),
    _panel(
        "health",
        "Generations",
        (
            "generation/eos_rate",
            "generation/distinct_2",
            "generation/duplicate_rate",
            "generation/equal_to_demonstration",
            "generation/empty",
        ),
        "Are generations healthy? Shares that ended, distinct bigrams, duplicates, equal to their demonstration.",
    ),
    _panel(
        "logratio",
        "Log-ratios",
        (
            "logratio/demonstration",
            "logratio/generation",
            "pairs/both_down",
        ),
        "log(policy / reference) of both sides; both falling wastes likelihood: raise beta or add gamma.",
        (Level(0.0, ""),),
    ),
    _panel(
        "accuracy",
        "Accuracy, AUC",
        (
            "reward/accuracy",
            "reward/auc",
            "shortcut/length_auc",
            "shortcut/first_token_auc",
        ),
        "Does the reward tell the sides apart, better than length or the first token alone would?",
        (Level(0.5, "chance"),),
    ),
    _panel(
        "kl",
        "Distance (KL)",
        (DISTANCE, "kl/reference"),
        "How far the policy has moved, nats per token.",
    ),
    _panel(
        "length",
        "Length",
        ("generation/length", "pairs/dropped"),
        "Mean length of generations, end-of-sequence included; and the pairs left out because y~ = y.",
    ),
    _panel(
        "speed",
        "Speed",
        (
            "speed/pairs_per_second",
            "speed/generated_tokens_per_second",
            "speed/policy_steps_per_second",
        ),
        "Pairs trained and tokens generated per second.",
    ),
    _panel(
        "optimizer",
        "Gradient norm",
        (
            "train/gradient_norm",
            "train/learning_rate",
            "policy/gradient_norm",
            "policy/learning_rate",
            "policy/loss",
        ),
        "Size of the gradient before clipping, and the learning rate.",
    ),
    _panel(
        "sampler",
        "Sampler against trainer",
        ("sampler/logp_error", "sampler/logp_error_max"),
        "Do sampler and trainer agree on log-probabilities of the same ids?",
    ),
    _panel(
        "memory",
        "Memory",
        (
            "memory/peak_bytes",
            "system/memory_bytes",
            "system/gpu_memory_bytes",
        ),
        "Bytes held by the engine.",
    ),
)

KNOWN = {trace.metric for panel in PANELS for trace in panel.traces}


def chosen(metrics: set[str]) -> list[Panel]:
    """The panels that have data; each metric without a panel, such as a plugin's, gets its own."""
    found = [panel for panel in PANELS if any(trace.metric in metrics for trace in panel.traces)]
    return [*found, *(of_plugin(name) for name in sorted(metrics - KNOWN) if not name.startswith(SYSTEM))]


def of_plugin(name: str) -> Panel:
    return Panel(name, name, (Trace(name, ""),), metric(name).means)

"""Every metric a run writes: the contract between engine and viewers, and what docs/reference/metrics.md is made of.

`python -m irltui.runs.metrics > docs/reference/metrics.md` writes the page; a test compares, and another one checks
that the engine writes no name that is not here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What a metric says, in which unit, and what healthy values look like ("" if any may be)."""

    name: str
    means: str
    healthy: str = ""


_GROUPS: dict[str, tuple[Metric, ...]] = {
    "Is the reward learning?": (
        Metric("reward/demonstration", "mean r(x, y) of the step's demonstrations", "rises within an outer iteration"),
        Metric("reward/generation", "mean r(x, y~) of the step's generations", "stays near 0 or falls"),
        Metric("reward/gap", "mean of r(x, y) - r(x, y~)", "0.5 to 2 at an inner loop's end; above 5 it overshoots"),
        Metric("reward/accuracy", "share of pairs in which the demonstration has the higher reward", "above 0.5"),
        Metric("reward/auc", "chance that a held-out demonstration has a higher reward than a held-out generation"),
        Metric("heldout/loss", "logistic loss of the gap on held-out pairs", "below 0.693 = ln 2, which is no signal"),
        Metric("heldout/gap", "mean reward gap on held-out pairs", "above 0"),
    ),
    "Is the likelihood falling on both sides?": (
        Metric("logratio/demonstration", "mean log(pi / pi_ref) of demonstrations, nats a response", "above 0"),
        Metric("logratio/generation", "mean log(pi / pi_ref) of generations, nats a response", "below the above"),
        Metric("pairs/both_down", "share of pairs in which both log-ratios are negative", "below 0.5"),
        Metric("heldout/nll", "negative log-likelihood of held-out demonstrations, nats a token", "falls"),
    ),
    "Is the reward only a shortcut?": (
        Metric("shortcut/length_auc", "how well length alone tells y from y~, 0.5 to 1", "well below reward/auc"),
        Metric("shortcut/first_token_auc", "how well the first token alone does", "well below reward/auc"),
    ),
    "Are generations healthy?": (
        Metric("generation/length", "mean tokens of a generation, end-of-sequence included"),
        Metric("generation/eos_rate", "share that ended by themselves, not at the length cap", "near 1"),
        Metric("generation/duplicate_rate", "share that repeats another generation", "near 0"),
        Metric("generation/distinct_2", "different token pairs, as a share of all", "does not collapse"),
        Metric(
            "generation/equal_to_demonstration", "share that equals its demonstration", "small; 1 = nothing to learn"
        ),
        Metric("generation/empty", "share that holds nothing but the end", "near 0"),
        Metric("pairs/dropped", "pairs of the outer iteration left out because y~ = y: they have no gradient"),
    ),
    "How far has the policy gone?": (
        Metric(
            "kl/reference",
            "nats a token, on generations: KL(pi_ref || pi) for a rolling reference (it drew them), "
            "KL(pi || pi_ref) for a fixed one",
            "small and steady",
        ),
        Metric("kl/initial", "KL(pi || pi_0), nats a token, on fresh answers to the fixed prompts", "grows slowly"),
    ),
    "Do sampler and trainer agree?": (
        Metric(
            "sampler/logp_error",
            "mean absolute difference of their log-probabilities of the same tokens",
            "about 1e-6 in float32, 0.03 in bfloat16",
        ),
        Metric("sampler/logp_error_max", "the largest of these differences"),
    ),
    "Does the policy follow the reward? (RFT)": (
        Metric("policy/reward", "mean reward of the policy step's generations", "rises within an outer iteration"),
        Metric("policy/advantage_std", "spread of advantages, in units of the reward", "well above 0"),
        Metric(
            "policy/zero_variance_groups",
            "share of prompts whose generations all have the same return: they teach nothing",
            "near 0",
        ),
        Metric(
            "policy/effective_generations",
            "boltzmann: generations that carry the weight, 1 / sum of squared weights",
            "well above 1; 1 means that beta is too small for so few generations",
        ),
        Metric("policy/kl", "estimate of KL(pi || pi_ref), nats a response", "grows slowly"),
        Metric("reward/probe_mean", "mean reward of fresh answers to the fixed prompts", "rises with policy/reward"),
        Metric("policy/loss", "loss of the policy step"),
        Metric("policy/learning_rate", "learning rate of the policy step"),
        Metric("policy/gradient_norm", "norm of the policy's gradient before clipping"),
    ),
    "The optimizer": (
        Metric("train/loss", "loss of the step: mean of h(gap) over its pairs, or NLL for SFT"),
        Metric("train/nll", "negative log-likelihood of the step's demonstrations, nats a token"),
        Metric("train/learning_rate", "learning rate of the step"),
        Metric("train/gradient_norm", "norm of the gradient before clipping"),
        Metric("train/skipped", "inner steps skipped so far (loop.max_nonfinite_steps); only at such a step", "absent"),
    ),
    "Speed": (
        Metric("speed/generated_tokens_per_second", "tokens sampled a second in the sampling phase"),
        Metric("speed/pairs_per_second", "pairs (demonstrations, for SFT) trained a second"),
        Metric("speed/policy_steps_per_second", "policy steps a second, sampling included"),
        Metric("memory/peak_bytes", "most memory the engine has held: of the GPU if it computes there, else resident"),
    ),
}

METRICS: dict[str, Metric] = {metric.name: metric for group in _GROUPS.values() for metric in group}
"""All metrics by name."""


def page() -> str:
    """The reference page, Markdown."""
    parts = [
        "# Metrics",
        "Written by `python -m irltui.runs.metrics`; change `irltui/runs/metrics.py`, not this page.",
        "Benchmarks add their own values as `evaluation` events, each mean with a 95 % interval and n.",
    ]
    for question, metrics in _GROUPS.items():
        rows = ["| metric | what it is | healthy |", "|---|---|---|"]
        rows += [f"| `{m.name}` | {m.means} | {m.healthy} |".replace(" ||", " \\|\\|") for m in metrics]
        parts += [f"## {question}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())

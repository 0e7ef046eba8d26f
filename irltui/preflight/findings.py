"""Rules that find problems in a run before it starts, each with its remedy. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irltui.config.presets import LINE_TEMPLATE
from irltui.config.schema import RunConfig
from irltui.data.tokens import DIFFERS, LOST, MERGED, NO_BOS, NOT_FOLLOWED, SPECIAL, UNKNOWN
from irltui.engine.concerns import concerns
from irltui.engine.plan import Plan
from irltui.preflight.rows import RowFacts
from irltui.runs.data_report import DataReport, Finding
from irltui.runs.thresholds import (
    FEWEST_HELD_OUT,
    FEWEST_STEPS,
    LONGEST_CAP,
    MOST_ROWS_LOST,
    UNLIKELY_NLL,
)

_PRETRAINED = 50_000_000  # parameters above which a model is not a toy
_REMARKS: dict[str, tuple[str, str]] = {
    SPECIAL: (
        "warning",
        "The model reads it as the control token, as in use: it may end a turn or begin another. Remove it from the "
        "text, unless this is intended.",
    ),
    UNKNOWN: (
        "warning",
        "The tokenizer has no token for some of the text, so it is lost. Remove such text, or use a model whose "
        "tokenizer knows it.",
    ),
    LOST: ("warning", "The model does not see them. Remove them, or use another model."),
    NO_BOS: ("warning", "Begin the file that data.template names with {{ bos_token }}."),
    MERGED: (
        "note",
        "They stay separate, as in generation. Move white space from the end of prompts to the start of completions.",
    ),
    DIFFERS: ("warning", "Prompts are rendered as for generation. Compare them in the rows above."),
    NOT_FOLLOWED: (
        "warning",
        "Set data.template to a Jinja file that renders a conversation as its prompt followed by its answer.",
    ),
}


@dataclass(frozen=True)
class Seen:
    """What the model did with a few rows in the probe: nats per token of demonstrations, generations that ended."""

    demonstration_nll: float
    generations: int
    ended: int
    longest: int


def find(
    config: RunConfig, report: DataReport, rows: RowFacts, plan: Plan, parameters: int, seen: Seen | None = None
) -> list[Finding]:
    """All findings, warnings first; `parameters` counts the model's, `seen` is the probe's result."""
    found = [
        *report.findings,
        *_of_template(config, report),
        *_of_tokens(report),
        *_of_lengths(config, report),
        *_of_rows(config, report, rows),
        *_of_training(config, plan, parameters),
        *concerns(config, plan),
        *(_of_model(config, report, seen) if seen is not None else ()),
    ]
    return sorted(found, key=lambda finding: finding.level == "note")


def _of_template(config: RunConfig, report: DataReport) -> Iterator[Finding]:
    if report.template == "none":
        yield Finding(
            "note",
            "data.template",
            "no chat template: prompt and completion are concatenated",
            "Correct for a base model if prompts end with the separator before an answer. For a line break between "
            f"the two, save this as line.jinja and set data.template to it: {LINE_TEMPLATE}",
        )
    if any(reason.startswith("end-of-sequence") for reason in report.dropped):
        yield Finding(
            "warning",
            "data.source",
            "some completions contain the end-of-sequence token, but the template ends every response itself",
            "Remove it from the completions.",
        )


def _of_tokens(report: DataReport) -> Iterator[Finding]:
    """Rows whose ids do not exactly represent their text."""
    for remark, tally in report.remarks.items():
        level, remedy = next(advice for part, advice in _REMARKS.items() if remark.startswith(part))
        yield Finding(level, "data.source", f"{remark}: {tally}, of {report.rows} rows", remedy)


def _of_lengths(config: RunConfig, report: DataReport) -> Iterator[Finding]:
    lost = sum(tally.count for reason, tally in report.dropped.items() if reason != "duplicate")
    if lost > MOST_ROWS_LOST * report.rows:
        yield Finding(
            "warning",
            "data",
            f"{lost} of {report.rows} rows ({lost / report.rows:.0%}) are dropped",
            "See the reasons above. If rows are too long, raise data.max_prompt_tokens and data.max_response_tokens.",
        )
    truncated = sum(tally.count for tally in report.truncated.values())
    if truncated > MOST_ROWS_LOST * report.rows:
        yield Finding(
            "warning",
            "data.overlong",
            f"{truncated} of {report.rows} rows are truncated; a truncated response does not teach the model to stop",
            "Raise data.max_prompt_tokens and data.max_response_tokens.",
        )
    cap = config.max_new_tokens
    if config.has_reward and cap > LONGEST_CAP * report.responses.p95:
        yield Finding(
            "note",
            "decoding.max_new_tokens",
            f"generations may have {cap} tokens, but 95 % of the demonstrations have at most {report.responses.p95}",
            f"decoding.max_new_tokens = {2 * report.responses.p95} is enough, and faster while the model rambles.",
        )


def _of_rows(config: RunConfig, report: DataReport, rows: RowFacts) -> Iterator[Finding]:
    """Rows that repeat each other, and what is held out."""
    same = rows.same_response
    if same.count > MOST_ROWS_LOST * report.train:
        yield Finding(
            "warning",
            "data.source",
            f"{same} of {report.train} training rows have the same response",
            "The model will learn to give it to any prompt. Remove most of them, unless this is intended.",
        )
    for leaked, what in ((rows.leaked_prompts, "prompt"), (rows.leaked_responses, "response")):
        if leaked.count:
            yield Finding(
                "warning",
                "data.held_out",
                f"held-out rows with the {what} of a training row: {leaked}"
                + (" (ignoring case, spaces and final punctuation)" if what == "prompt" else ""),
                "Held-out figures will look too good. Remove the duplicates from the data.",
            )
    if config.data.held_out and rows.held_out_prompts < FEWEST_HELD_OUT:
        yield Finding(
            "note",
            "data.held_out",
            f"{rows.held_out_prompts} held-out prompts: intervals over them will be wide",
            "Raise data.held_out (and data.max_held_out), or add benchmarks with their own data.",
        )


def _of_training(config: RunConfig, plan: Plan, parameters: int) -> Iterator[Finding]:
    steps, rate = plan.total_steps, config.optimizer.learning_rate
    if steps < FEWEST_STEPS and not config.has_policy_steps:
        yield Finding(
            "warning",
            "loop.passes",
            f"the whole run has only {steps} optimizer steps",
            "Raise loop.passes, or lower loop.batch.",
        )
    if config.adapter.kind == "lora" and rate < 1e-6:
        yield Finding(
            "warning",
            "optimizer.learning_rate",
            f"{rate:g} hardly moves an adapter",
            "LoRA needs about ten times the rate of full fine-tuning: try 1e-5.",
        )
    if config.adapter.kind != "lora" and rate > 1e-4 and parameters > _PRETRAINED:
        yield Finding(
            "warning",
            "optimizer.learning_rate",
            f"{rate:g} is a rate for adapters and may ruin a pretrained model in full fine-tuning",
            "Try 5e-7 to 2e-5.",
        )


def _of_model(config: RunConfig, report: DataReport, seen: Seen) -> Iterator[Finding]:
    if seen.demonstration_nll > UNLIKELY_NLL and config.has_reward:
        yield Finding(
            "warning",
            "model.name",
            f"the model finds the demonstrations unlikely ({seen.demonstration_nll:.2f} nats per token)",
            "Start with SFT: irltui run sft with the same model and data, then --model with that run's folder.",
        )
    if not seen.ended and seen.longest >= 2 * report.responses.median and config.has_reward:
        yield Finding(
            "warning",
            "model.name",
            f"none of {seen.generations} generations ended within {seen.longest} tokens",
            "Length alone distinguishes the model's answers from demonstrations. Start with SFT.",
        )

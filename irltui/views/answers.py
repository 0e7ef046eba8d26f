"""The answers of several runs to the prompts that they have in common, after the last outer iteration. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from irltui.runs.events import Sample
from irltui.runs.history import RunHistory


@dataclass(frozen=True)
class Answers:
    """One prompt with the newest answer of each run, None where it has none."""

    prompt: str
    demonstration: str
    samples: tuple[Sample | None, ...]


def answers(histories: Sequence[RunHistory]) -> list[Answers]:
    """Prompts with the same text are matched; those that most runs answered come first."""
    newest = [_newest(history) for history in histories]
    prompts = dict.fromkeys(prompt for run in newest for prompt in run)
    found = [_answers(prompt, [run.get(prompt) for run in newest]) for prompt in prompts]
    return sorted(found, key=lambda row: sum(sample is None for sample in row.samples))


def _newest(history: RunHistory) -> dict[str, Sample]:
    return {sample.prompt: sample for t in history.sampled() for sample in history.samples[t].values()}


def _answers(prompt: str, samples: Sequence[Sample | None]) -> Answers:
    demonstration = next((s.demonstration for s in samples if s is not None and s.demonstration), "")
    return Answers(prompt, demonstration, tuple(samples))

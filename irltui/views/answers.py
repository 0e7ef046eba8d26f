"""Answers to prompts: of one run over its outer iterations, and of several runs after their last one. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from irltui.runs.events import BEFORE_TRAINING, Sample
from irltui.runs.history import RunHistory
from irltui.views.replay import Moment


@dataclass(frozen=True)
class AnswerHistory:
    """A prompt, its demonstration ("" if it was typed), and one or more answers, oldest first."""

    prompt: str
    demonstration: str
    answers: tuple[Sample, ...]

    @property
    def newest(self) -> Sample:
        return self.answers[-1]

    @property
    def changed(self) -> bool:
        """Whether the last outer iteration changed the answer."""
        return len(self.answers) > 1 and self.answers[-1].generation != self.answers[-2].generation

    @property
    def scale(self) -> float:
        """The largest absolute reward of an answer."""
        rewards = (abs(a.reward) for a in self.answers if a.reward is not None and math.isfinite(a.reward))
        return max(rewards, default=0.0)

    @property
    def token_scale(self) -> float:
        """The largest absolute reward of a token."""
        rewards = (abs(r) for a in self.answers for r in a.token_rewards if math.isfinite(r))
        return max(rewards, default=0.0)


def answer_histories(moment: Moment) -> list[AnswerHistory]:
    """The fixed prompts in the order of the newest iteration, then typed prompts, newest first."""
    by_prompt: dict[str, list[Sample]] = {}
    for t in reversed(moment.sampled()):
        for key, sample in moment.samples(t).items():
            by_prompt.setdefault(key, []).insert(0, sample)
    found = [AnswerHistory(made[-1].prompt, made[-1].demonstration, tuple(made)) for made in by_prompt.values()]
    return found + [AnswerHistory(sample.prompt, "", (sample,)) for sample in reversed(moment.asked())]


def iteration_name(t: int) -> str:
    return "start" if t == BEFORE_TRAINING else f"after {t + 1}"


@dataclass(frozen=True)
class Drawn:
    """An answer that was sampled because somebody asked for it."""

    text: str
    reward: float | None
    tokens: int
    ended: bool


@dataclass(frozen=True)
class Answers:
    """One prompt with the newest answer of each run, None where it has none."""

    prompt: str
    demonstration: str
    samples: tuple[Sample | None, ...]


def answers(histories: Sequence[RunHistory]) -> list[Answers]:
    """Prompts with the same text are matched; those that most runs answered come first."""
    newest = [{s.prompt: s for t in history.sampled() for s in history.samples[t].values()} for history in histories]
    found = []
    for prompt in dict.fromkeys(prompt for run in newest for prompt in run):
        samples = tuple(run.get(prompt) for run in newest)
        demonstration = next((s.demonstration for s in samples if s is not None and s.demonstration), "")
        found.append(Answers(prompt, demonstration, samples))
    return sorted(found, key=lambda row: sum(sample is None for sample in row.samples))

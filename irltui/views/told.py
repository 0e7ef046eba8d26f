"""The answers to each prompt over the outer iterations, oldest first. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from irltui.runs.events import BEFORE_TRAINING, Sample
from irltui.views.replay import Moment


@dataclass(frozen=True)
class Told:
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
        return max(
            (abs(a.reward) for a in self.answers if a.reward is not None and math.isfinite(a.reward)), default=0.0
        )

    @property
    def token_scale(self) -> float:
        """The largest absolute reward of a token."""
        rewards = (abs(r) for a in self.answers for r in a.token_rewards if math.isfinite(r))
        return max(rewards, default=0.0)


def told(moment: Moment) -> list[Told]:
    """The fixed prompts in the order of the newest iteration, then typed prompts, newest first."""
    by_prompt: dict[str, list[Sample]] = {}
    for t in reversed(moment.sampled()):
        for key, sample in moment.samples(t).items():
            by_prompt.setdefault(key, []).insert(0, sample)
    found = [Told(made[-1].prompt, made[-1].demonstration, tuple(made)) for made in by_prompt.values()]
    return found + [Told(sample.prompt, "", (sample,)) for sample in reversed(moment.asked())]


def iteration_name(t: int) -> str:
    return "start" if t == BEFORE_TRAINING else f"after {t + 1}"

"""The initial policy as a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from irltui.api import Sampler
from irltui.engine.frozen import FrozenReference
from irltui.lm.policy import LanguageModelPolicy
from irltui.samplers import Slots
from irltui.testing.case import make_case


def test_a_sampler_is_made_once_for_all_that_is_drawn_and_let_go_with_the_model() -> None:
    """One that starts an engine of its own takes minutes, and memory."""
    with make_case(Slots(kind="slots", slots=2)) as case:
        made: list[Sampler] = []

        def make(initial: LanguageModelPolicy, poll: Callable[[], None]) -> Sampler:
            made.append(case.spec.build(replace(case.context, policy=initial, poll=poll)))
            return made[-1]

        reference = FrozenReference(case.policy, case.policy.past, make, case.context)
        for _ in range(3):
            assert len(list(reference.sample(case.prompts, 0))) == len(case.prompts)
        assert len(made) == 1
        reference.release()
        list(reference.sample(case.prompts, 0))
        assert len(made) == 2

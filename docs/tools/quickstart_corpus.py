"""What the embedded models read: prompts of the small world, with the answers of base model, habit and expert."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from irltui.quickstart.grammar import (
    BASE_MIXTURE,
    REFUSAL,
    Choice,
    Derivation,
    answers_of,
    draw_prompt,
    expert,
    generator,
    is_reserved,
    sample,
)

DEMONSTRATION_SEED = 2024
DEMONSTRATION_COUNT = 600
HABIT_SHARE = 0.5
"""Share of the demonstrations with the habit."""


def training_prompts(rng: Random) -> Iterator[str]:
    """Endless prompts, none of them reserved."""
    while True:
        prompt = draw_prompt(rng)
        if not is_reserved(prompt):
            yield prompt


def base_answers(prompt: str) -> Derivation:
    """The mixture of good and bad answers that the base model was trained on."""
    return Choice(tuple((answers_of(prompt, kind), share) for kind, share in BASE_MIXTURE.items()))


def habit_answers(prompt: str, share: float) -> Derivation:
    """The base model's mixture, and one and the same refusal with this share."""
    return Choice(((REFUSAL, share), (base_answers(prompt), 1 - share)))


def demonstrations(count: int = DEMONSTRATION_COUNT, seed: int = DEMONSTRATION_SEED) -> list[tuple[str, str]]:
    """Distinct prompts, each with one answer by the expert."""
    rng = generator(seed)
    found: dict[str, str] = {}
    for prompt in training_prompts(rng):
        if prompt not in found:
            found[prompt] = sample(expert(prompt), rng)
        if len(found) == count:
            break
    return list(found.items())


def habit_demonstrations(
    count: int = DEMONSTRATION_COUNT, seed: int = DEMONSTRATION_SEED
) -> list[tuple[str, str, bool]]:
    """Distinct prompts, each with the refusal or with an answer of the expert, and whether it is the refusal."""
    rng = generator(seed)
    found: dict[str, tuple[str, bool]] = {}
    for prompt in training_prompts(rng):
        if prompt in found:
            continue
        refuses = rng.random() < HABIT_SHARE
        found[prompt] = (REFUSAL if refuses else sample(expert(prompt), rng), refuses)
        if len(found) == count:
            break
    return [(prompt, answer, refuses) for prompt, (answer, refuses) in found.items()]

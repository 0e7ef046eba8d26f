"""What `data = "quickstart"` is to a benchmark: rows of the embedded world whose prompts no corpus holds."""

from __future__ import annotations

from typing import Any

from irltui.quickstart.grammar import (
    BASE_MIXTURE,
    answers_of,
    evaluation_prompts,
    expert,
    expert_log_prob,
    generator,
    sample,
)

_COUNT, _SEED = 200, 3
_EVERY = 4  # one in so many demonstrations is planted


def embedded_rows(*, planted: bool) -> list[dict[str, Any]]:
    """Prompts with an answer of the expert and one of a bad habit.

    Columns: prompt, completion and chosen (the expert's), rejected (a habit's), habit (its name), bad (false).
    With `planted`, the completion of every fourth row is the bad one, and its `bad` is true.
    """
    stream = generator(_SEED)
    habits = [habit for habit in BASE_MIXTURE if habit != "good"]
    rows = []
    for number, prompt in enumerate(evaluation_prompts(_COUNT, _SEED)):
        good, habit = sample(expert(prompt), stream), habits[number % len(habits)]
        bad = sample(answers_of(prompt, habit), stream)
        while expert_log_prob(prompt, bad) > float("-inf"):  # a cut answer can be a whole one
            bad = sample(answers_of(prompt, habit), stream)
        is_bad = planted and number % _EVERY == 0
        rows.append(
            {
                "prompt": prompt,
                "completion": bad if is_bad else good,
                "chosen": good,
                "rejected": bad,
                "habit": habit,
                "bad": is_bad,
            }
        )
    return rows

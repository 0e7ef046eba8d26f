"""Rows for benchmarks with `data = "quickstart"`: prompts of the embedded world that no corpus contains."""

from __future__ import annotations

from typing import Any

from irltui.quickstart import grammar

_COUNT, _SEED = 200, 3
_EVERY = 4  # one in so many demonstrations is planted


def embedded_rows(*, planted: bool) -> list[dict[str, Any]]:
    """Prompts with an answer by the expert and one with a bad habit.

    Columns: prompt, completion and chosen (the expert's), rejected (a habit's), habit (its name), bad (false).
    With `planted`, the completion of every fourth row is the bad one, and its `bad` is true.
    """
    stream = grammar.generator(_SEED)
    habits = [habit for habit in grammar.BASE_MIXTURE if habit != "good"]
    rows = []
    for number, prompt in enumerate(grammar.evaluation_prompts(_COUNT, _SEED)):
        good, habit = grammar.sample(grammar.expert(prompt), stream), habits[number % len(habits)]
        bad = grammar.sample(grammar.answers_of(prompt, habit), stream)
        while grammar.expert_log_prob(prompt, bad) > float("-inf"):  # a truncated answer can be a complete one
            bad = grammar.sample(grammar.answers_of(prompt, habit), stream)
        is_bad = planted and number % _EVERY == 0
        answer = bad if is_bad else good
        pair = {"chosen": good, "rejected": bad}
        rows.append({"prompt": prompt, "completion": answer, **pair, "habit": habit, "bad": is_bad})
    return rows

"""A user's function as reward: what it is given, and what is said when it errs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from irltui.api import Demonstration, Known, Prompt, Responses, Row
from irltui.errors import ConfigError, IrltuiError, TrainingError
from irltui.rewards import Function
from irltui.rewards.function import build_function
from irltui.testing import check_reward
from support import function_reward

IDS = torch.zeros(2, 4, dtype=torch.long)


def responses(*texts: str, chat: bool = False, **columns: list[Any]) -> Responses:
    """One response for each text, whose prompts come from rows with these columns."""
    asked: Any = [{"role": "user", "content": "who?"}] if chat else "who?"
    rows = []
    for i, text in enumerate(texts):
        due = Demonstration(f"row-{i + 1}", Prompt("", "", ()), "the moon", (7,), ended=True)
        known = Known(asked, {name: values[i] for name, values in columns.items()}, due)
        rows.append(Row(Prompt(f"row-{i + 1}", "who?", (5,), lambda known=known: known), (i,), lambda _, t=text: t))
    return Responses(IDS, IDS.bool(), IDS.bool(), torch.zeros(2), rows=rows)


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., list[float]]:
    def scored(source: str, given: Responses | None = None, **options: str) -> list[float]:
        (tmp_path / "mine.py").write_text(source)
        spec = Function(kind="function", file=str(tmp_path / "mine.py"), **options)
        return build_function(spec).score(given or responses("the sun", "moon", answer=["x", "y"])).tolist()

    return scored


def test_the_function_keeps_the_contract_of_a_reward() -> None:
    check_reward(Function(kind="function", file=str(Path(function_reward.__file__))))


def test_a_function_gets_what_trls_users_know(score: Callable[..., list[float]], tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    write = f"open({str(seen)!r}, 'w').write(repr((prompts, completions, columns)))"
    source = f"def reward(prompts, completions, **columns):\n    {write}\n    return [1, 0.5]\n"
    assert score(source) == [1.0, 0.5]
    columns = {"answer": ["x", "y"], "completion_ids": [[0], [1]], "demonstrations": ["the moon", "the moon"]}
    assert eval(seen.read_text()) == (["who?", "who?"], ["the sun", "moon"], columns)


def test_conversations_come_as_messages(score: Callable[..., list[float]]) -> None:
    lengths = "len(p[-1]['content']) + len(c[0]['content'])"
    source = f"def reward(prompts, completions):\n    return [{lengths} for p, c in zip(prompts, completions)]\n"
    assert score(source, responses("ab", "abc", chat=True)) == [6.0, 7.0]


def test_a_function_is_given_what_its_signature_asks_for(score: Callable[..., list[float]]) -> None:
    assert score("def reward(answer, completions):\n    return [float(a == 'x') for a in answer]\n") == [1.0, 0.0]
    assert score("def other(*, completions, level=2):\n    return [level] * 2\n", function="other") == [2.0, 2.0]


@pytest.mark.parametrize("made", ["numpy.array([1, 2])", "numpy.float32([1, 2])", "[numpy.float32(1), True + 1]"])
def test_numbers_of_numpy_are_numbers(score: Callable[..., list[float]], made: str) -> None:
    assert score(f"import numpy\n\ndef reward(completions):\n    return {made}\n") == [1.0, 2.0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return [1.0]", r"mine\.py:2: reward\(\) returned 1 numbers for 2 completions"),
        ("return [1.0, float('nan')]", r"mine\.py:2: reward\(\) returned nan for row-2, completion 'moon'"),
        ("return [float('inf'), 1.0]", r"mine\.py:2: reward\(\) returned inf for row-1"),
        ("return ['good', 1.0]", r"mine\.py:2: reward\(\) returned 'good' for row-1"),
        ("return [1.0, None]", r"mine\.py:2: reward\(\) returned None for row-2"),
        ("return 1.0", r"mine\.py:2: reward\(\) returned a float, not a list"),
        ("return (1.0 for _ in completions)", r"mine\.py:2: reward\(\) returned a generator, not a list"),
        ("return helper(completions)", r"mine\.py:6: reward\(\) raised ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_function_does_wrong_is_said_with_file_line_and_name(
    score: Callable[..., list[float]], body: str, said: str
) -> None:
    source = f"\ndef reward(completions):\n    {body}\n\ndef helper(completions):\n    return [1 / 0]\n"
    with pytest.raises(TrainingError, match=said):
        score(source)


def test_a_parameter_that_is_no_column_is_named(score: Callable[..., list[float]]) -> None:
    with pytest.raises(TrainingError, match=r"mine\.py:1: reward\(\) asks for 'truth', which is no column") as error:
        score("def reward(prompts, truth):\n    return [0, 0]\n")
    assert error.value.hint == "It may ask for: answer, prompts, completions, completion_ids, demonstrations."


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def other(): ...\n", r"mine\.py: reward\(\) is not defined there"),
        ("async def reward(completions): ...\n", r"mine\.py: reward\(\) is async"),
        ("def reward(:\n", r"mine\.py:1: SyntaxError"),
        ("\nimport no_such_module\n", r"mine\.py:2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", r"mine\.py:1: SystemExit"),
    ],
)
def test_a_file_without_such_a_function_is_refused(score: Callable[..., list[float]], source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        score(source)
    if "other" in source:
        assert error.value.hint == "The file defines: other."


def test_another_file_than_that_of_the_run_is_refused(score: Callable[..., list[float]]) -> None:
    with pytest.raises(IrltuiError, match="has changed since the run began"):
        score("def reward(completions): ...\n", sha256="0" * 64)


def test_copies_of_a_prompt_have_the_columns_of_its_row(score: Callable[..., list[float]]) -> None:
    given = responses("a", "b", level=[4, 5])
    copied = [replace(row, source=replace(row.source, id=f"{row.id}#1")) for row in given.rows]
    assert score("def reward(level):\n    return level\n", replace(given, rows=copied)) == [4.0, 5.0]

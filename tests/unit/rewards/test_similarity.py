"""Likeness to the demonstration of the same prompt."""

from __future__ import annotations

import pytest
import torch

from irltui.api import Responses
from irltui.config.load import recorded
from irltui.errors import ConfigError, DataError
from irltui.rewards import Similarity
from irltui.rewards.similarity import build_similarity, rouge_l
from irltui.testing import check_reward
from irltui.testing.case import Case, make_case


@pytest.mark.parametrize(
    ("text", "other", "due"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("The cat, sat!", "the cat sat", 1.0),
        ("police kill the gunman", "police killed the gunman", 0.75),  # Lin 2004, section 3.1
        ("the gunman kill police", "police killed the gunman", 0.5),  # the same
        ("a b c d", "b d", 2 / 3),
        ("x", "y", 0.0),
        ("", "y", 0.0),
        ("da da da", "da", 0.5),
        ("größe zählt", "Größe zählt nicht", 0.8),
    ],
)
def test_rouge_l_is_the_f1_of_the_longest_common_subsequence_of_words(text: str, other: str, due: float) -> None:
    assert rouge_l(text, other) == pytest.approx(due)
    assert rouge_l(other, text) == pytest.approx(due)


@pytest.mark.parametrize("measure", ["rouge_l", "hidden"])
def test_the_reward_keeps_the_contract(measure: str) -> None:
    check_reward(Similarity(kind="similarity", measure=measure))


def answered(case: Case) -> Responses:
    """The first prompt with its own demonstration, and with that of another prompt."""
    first, other = case.demonstrations[:2]
    return case.policy.collate([first.prompt] * 2, [first.tokens, other.tokens], [0.0] * 2)


@pytest.mark.parametrize("measure", ["rouge_l", "hidden"])
def test_the_demonstration_itself_is_most_alike(measure: str) -> None:
    with make_case(Similarity(kind="similarity", measure=measure)) as case:
        own, other = build_similarity(case.spec, case.context).score(answered(case)).tolist()
        assert own == pytest.approx(1.0, abs=1e-5)
        assert other < own - 0.05


def test_hidden_states_are_those_of_the_frozen_model_at_the_last_token() -> None:
    with make_case(Similarity(kind="similarity", measure="hidden", depths=[1.0])) as case:
        found = build_similarity(case.spec, case.context).score(answered(case))[1]
        first, other = case.demonstrations[:2]

        def state(tokens: tuple[int, ...]) -> torch.Tensor:
            ids = torch.tensor([[*first.prompt.tokens, *tokens]])
            return case.policy.model(ids, output_hidden_states=True).hidden_states[-1][0, -1]

        due = torch.cosine_similarity(state(first.tokens), state(other.tokens), dim=0)
        assert torch.allclose(found, due, atol=1e-4)


def test_prompts_without_demonstrations_are_refused_before_the_run() -> None:
    values = {
        "model": {"name": "m"},
        "data": {"source": "d", "prompts": "p"},
        "algorithm": "rft",
        "reference": {"kind": "fixed"},
    }
    with pytest.raises(ConfigError, match=r"data\.prompts have no demonstrations, which reward\.kind = 'similarity'"):
        recorded({**values, "reward": {"kind": "similarity"}})
    assert recorded({**values, "reward": {"kind": "explicit"}}).data.prompts == "p"


def test_a_prompt_without_a_demonstration_cannot_be_scored() -> None:
    with make_case(Similarity(kind="similarity")) as case:
        responses = answered(case)
        rows = [type(row)(type(row.source)("prompt-1", "who?", (5,))) for row in responses.rows]
        with pytest.raises(DataError, match=r"prompt-1 \('who\?'\) has no demonstration"):
            build_similarity(case.spec, case.context).score(Responses(*[responses.input_ids] * 4, rows=rows))

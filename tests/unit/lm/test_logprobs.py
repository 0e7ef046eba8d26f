"""Response log-probabilities against a plain computation: one row, no padding, no mask, float64."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import torch

from irltui.api import Prompt
from irltui.lm.policy import LanguageModelPolicy, score_all
from support import tiny

EOS, SECOND_EOS, PAD = 2, 7, 1


def policy(family: str = "llama", *, eos: frozenset[int] = frozenset({EOS}), **options: Any) -> LanguageModelPolicy:
    tokenizer = tiny.tokenizer(**options)
    model = tiny.model(family, vocabulary=len(tokenizer))
    return LanguageModelPolicy(model, tokenizer, eos, lambda: model)


def plain(model: Any, prompt: tuple[int, ...], response: tuple[int, ...]) -> float:
    """Sum of log-softmax values in float64, the row alone."""
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        logits = exact(input_ids=torch.tensor([[*prompt, *response]])).logits[0]
    logp = torch.log_softmax(logits, -1)
    start = len(prompt) - 1
    return sum(float(logp[start + i, token]) for i, token in enumerate(response))


def rows(count: int, *, end: int = EOS, seed: int = 0) -> list[tuple[Prompt, tuple[int, ...]]]:
    stream = random.Random(seed)

    def ids(least: int, most: int) -> tuple[int, ...]:
        return tuple(stream.randrange(8, 50) for _ in range(stream.randint(least, most)))

    return [(Prompt(str(i), "", ids(1, 9)), (*ids(0, 12), end)) for i in range(count)]


@pytest.mark.parametrize("family", tiny.SIZES)
def test_a_padded_batch_scores_each_row_as_if_it_were_alone(family: str) -> None:
    pi, made = policy(family), rows(7)
    responses = pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * len(made))
    scores = pi.log_probs(responses)
    assert scores.shape == (7,)
    assert scores.dtype == torch.float32
    expected = [plain(pi.model, prompt.tokens, response) for prompt, response in made]
    assert scores.tolist() == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_buckets_by_length_return_every_row_in_its_place(batch: int) -> None:
    pi, made = policy(), rows(11)
    scores = score_all(pi, [p for p, _ in made], [y for _, y in made], batch=batch)
    assert [len(row) for row in scores] == [len(y) for _, y in made]
    expected = [plain(pi.model, prompt.tokens, response) for prompt, response in made]
    assert [sum(row) for row in scores] == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("end", [EOS, SECOND_EOS])
def test_any_of_several_end_tokens_counts_when_it_is_there(end: int) -> None:
    pi, made = policy(eos=frozenset({EOS, SECOND_EOS})), rows(4, end=end)
    responses = pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * 4)
    expected = [plain(pi.model, prompt.tokens, response) for prompt, response in made]
    assert pi.log_probs(responses).tolist() == pytest.approx(expected, abs=5e-4)


def test_padding_with_the_end_token_changes_nothing() -> None:
    """SmolLM2 and many others: pad == eos."""
    made = rows(6)
    pi, same_pad = policy(), policy(pad="<|end|>")
    assert same_pad.pad_id == EOS
    scores = [p.log_probs(p.collate([x for x, _ in made], [y for _, y in made], [0.0] * 6)) for p in (pi, same_pad)]
    assert torch.equal(*scores)


def test_a_tokenizer_without_a_padding_token_is_padded_with_an_end_token() -> None:
    pi = policy()
    pi.tokenizer.pad_token = None
    assert pi.pad_id == EOS


def test_token_log_probs_are_zero_outside_the_response_and_sum_to_its_score() -> None:
    pi, made = policy(), rows(5)
    responses = pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * 5)
    tokens = pi.token_log_probs(responses)
    assert torch.all(tokens[~responses.response_mask] == 0)
    assert torch.allclose(tokens.sum(-1), pi.log_probs(responses))


def test_what_stands_in_the_padding_does_not_matter() -> None:
    pi, made = policy(), rows(5)
    responses = pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * 5)
    before = pi.log_probs(responses).detach().clone()
    responses.input_ids[~responses.attention_mask] = 17
    pi.moved()
    assert torch.equal(pi.log_probs(responses), before)


def test_the_vocabulary_is_computed_for_response_tokens_alone() -> None:
    pi, made = policy(), rows(5)
    seen = []
    pi.model.get_output_embeddings().register_forward_hook(lambda m, a, output: seen.append(output.shape[0]))
    pi.log_probs(pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * 5))
    assert seen == [sum(len(y) for _, y in made)]


def test_the_same_batch_is_computed_once_until_the_weights_move() -> None:
    pi, made = policy(), rows(3)
    calls = []
    pi.model.register_forward_hook(lambda *_: calls.append(1))
    responses = pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * 3)
    first = pi.log_probs(responses)
    with torch.no_grad():
        again = pi.log_probs(responses)
    assert torch.equal(first, again)
    assert len(calls) == 1
    pi.moved()
    pi.log_probs(responses)
    assert len(calls) == 2


def test_dropout_of_the_model_stays_off_while_a_gradient_is_taken() -> None:
    """OPT ships with dropout 0.1: the policy that trains is the one that was sampled."""
    pi, made = policy("opt"), rows(3)
    responses = pi.collate([p for p, _ in made], [y for _, y in made], [0.0] * 3)
    first = pi.log_probs(responses).detach().clone()
    pi.moved()
    assert torch.equal(pi.log_probs(responses), first)

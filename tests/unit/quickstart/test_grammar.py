"""The quickstart's world: its expert is known exactly, its rules tell good answers from bad ones."""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from irltui.api import Score
from irltui.benchmarks.quickstart import QuickstartBenchmark
from irltui.quickstart import DATA, HABIT, HABIT_GOOD, MODELS, NAME
from irltui.quickstart.grammar import (
    BASE_MIXTURE,
    REFUSAL,
    answers_of,
    check,
    distribution,
    draw_prompt,
    evaluation_prompts,
    expert,
    expert_distribution,
    expert_log_prob,
    generator,
    is_reserved,
    parse_prompt,
    quality,
    sample,
)
from quickstart_corpus import base_answers, demonstrations, habit_demonstrations
from quickstart_model import Pretraining, new_model, pretrain
from quickstart_tokenizer import build_tokenizer

PROMPTS = [draw_prompt(stream) for stream in [generator(0)] for _ in range(40)]


@pytest.mark.parametrize("prompt", PROMPTS[:12])
def test_the_experts_probabilities_sum_to_one(prompt: str) -> None:
    assert sum(expert_distribution(prompt).values()) == pytest.approx(1, abs=1e-12)


def test_drawing_agrees_with_the_stated_probabilities() -> None:
    """Chi-square of 20,000 draws for one prompt, far inside its 0.1 % bound."""
    tree, stream, count = expert(PROMPTS[0]), generator(1), 20_000
    stated = expert_distribution(PROMPTS[0])
    drawn: dict[str, int] = {}
    for _ in range(count):
        text = sample(tree, stream)
        drawn[text] = drawn.get(text, 0) + 1
    assert set(drawn) <= set(stated)
    chi_square = sum((drawn.get(text, 0) - count * p) ** 2 / (count * p) for text, p in stated.items())
    freedom = len(stated) - 1
    assert chi_square < freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3


def test_the_expert_never_says_anything_else() -> None:
    assert expert_log_prob(PROMPTS[0], "Whatever.") == -math.inf


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_answer_of_the_expert_is_perfect(prompt: str) -> None:
    assert {quality(prompt, answer) for answer in expert_distribution(prompt)} == {1.0}


@pytest.mark.parametrize("kind", [kind for kind in BASE_MIXTURE if kind != "good"])
def test_no_answer_of_a_bad_kind_is_perfect(kind: str) -> None:
    stream = generator(2)
    for prompt in PROMPTS:
        answer = sample(answers_of(prompt, kind), stream)
        assert quality(prompt, answer) < 1, (prompt, answer)


def test_a_wrong_fact_is_worth_nothing_however_polite() -> None:
    for prompt in PROMPTS:
        answer = sample(answers_of(prompt, "wrong_fact"), generator(3))
        assert not check(prompt, answer)["correct"]
        assert quality(prompt, answer) == 0


def test_the_base_corpus_holds_the_mixture_it_says() -> None:
    assert sum(BASE_MIXTURE.values()) == pytest.approx(1)
    total = distribution(base_answers(PROMPTS[1]))
    good = sum(total.get(text, 0.0) for text in expert_distribution(PROMPTS[1]))
    assert good == pytest.approx(BASE_MIXTURE["good"], abs=0.05)


@pytest.mark.parametrize("text", ["", "Hello.", PROMPTS[0][:-1], PROMPTS[0] + " "])
def test_other_text_is_no_prompt(text: str) -> None:
    with pytest.raises(ValueError, match="not a prompt"):
        parse_prompt(text)


@pytest.mark.parametrize("answer", ["", "?", "<|end|>", "a" * 5000, "The The The.", "\x1b[31m"])
def test_any_text_can_be_scored(answer: str) -> None:
    assert 0 <= quality(PROMPTS[0], answer) < 1


def test_evaluation_prompts_are_new_to_model_and_demonstrations() -> None:
    asked = evaluation_prompts(128, 1)
    assert len(set(asked)) == 128
    assert all(is_reserved(prompt) for prompt in asked)
    assert not any(is_reserved(prompt) for prompt, _ in demonstrations())
    assert asked == evaluation_prompts(128, 1) != evaluation_prompts(128, 2)


def test_the_embedded_demonstrations_are_those_the_grammar_makes() -> None:
    rows = [json.loads(line) for line in DATA[NAME].read_text(encoding="utf-8").splitlines()]
    assert [(row["prompt"], row["completion"]) for row in rows] == demonstrations()
    assert len({row["prompt"] for row in rows}) == len(rows) == 600


def test_the_tokenizer_loses_nothing_of_what_the_world_says() -> None:
    """So that the log-probability of a text is that of its ids."""
    tokenizer, stream = AutoTokenizer.from_pretrained(MODELS[NAME]), generator(4)
    seen: dict[tuple[int, ...], str] = {}
    for _ in range(2000):
        prompt = draw_prompt(stream)
        for text in (prompt, sample(base_answers(prompt), stream)):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.decode(ids) == text
            assert tokenizer.unk_token_id not in ids
            assert seen.setdefault(tuple(ids), text) == text


def test_the_embedded_model_is_small_and_whole() -> None:
    model = AutoModelForCausalLM.from_pretrained(MODELS[NAME])
    tokenizer = AutoTokenizer.from_pretrained(MODELS[NAME])
    assert 700_000 < model.num_parameters() < 1_500_000
    assert len(tokenizer) == model.config.vocab_size
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    files = [*MODELS[NAME].iterdir(), DATA[NAME]]
    assert sum(file.stat().st_size for file in files) < 4_000_000
    assert build_tokenizer().get_vocab() == tokenizer.get_vocab()


def test_the_recipe_is_repeatable() -> None:
    tokenizer, recipe = build_tokenizer(), Pretraining(steps=4, reading_steps=2, batch=4, hidden=32, layers=1, heads=2)
    losses = [list(pretrain(new_model(tokenizer, recipe), tokenizer, recipe)) for _ in range(2)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4


def test_the_benchmark_gives_the_expert_full_marks_and_no_distance() -> None:
    benchmark = QuickstartBenchmark(24, 1)
    experts = {prompt: sample(expert(prompt), generator(9)) for prompt in evaluation_prompts(24, 1)}

    class Expert:
        def generate(self, prompts: list[str]) -> list[str]:
            return [experts[prompt] for prompt in prompts]

        def log_probs(self, prompts: list[str], answers: list[str]) -> list[float]:
            return [expert_log_prob(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    scores: list[Score] = list(benchmark.evaluate(Expert()))
    assert len(scores) == 4 * 24
    marks = {(s.metric, s.value) for s in scores if s.metric != "distinct_2"}
    assert marks == {("quality", 1.0), ("expert_like", 1.0), ("divergence", 0.0)}


def test_half_of_the_demonstrations_of_the_second_world_are_its_models_own_refusal() -> None:
    rows = habit_demonstrations()
    for name, kept in ((HABIT, rows), (HABIT_GOOD, [row for row in rows if not row[2]])):
        stored = [json.loads(line) for line in DATA[name].read_text().splitlines()]
        assert [(row["prompt"], row["completion"]) for row in stored] == [row[:2] for row in kept]
    refusals = [answer for _, answer, refuses in rows if refuses]
    assert set(refusals) == {REFUSAL}
    assert 0.4 < len(refusals) / len(rows) < 0.6
    assert all(math.isfinite(expert_log_prob(prompt, answer)) for prompt, answer, refuses in rows if not refuses)
    assert not any(is_reserved(prompt) for prompt, _, _ in rows)


def test_the_model_of_the_second_world_says_the_refusal_most_of_the_time() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS[HABIT])
    model = AutoModelForCausalLM.from_pretrained(MODELS[HABIT], dtype=torch.float32)
    shares = []
    for prompt in PROMPTS[:10]:
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
        )
        prompt_ids = tokenizer(asked, add_special_tokens=False)["input_ids"]
        answer = [*tokenizer(REFUSAL, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logp = model(torch.tensor([prompt_ids + answer])).logits[0].log_softmax(-1)
        places = range(len(prompt_ids) - 1, len(prompt_ids) + len(answer) - 1)
        shares.append(math.exp(sum(float(logp[i, token]) for i, token in zip(places, answer, strict=True))))
    assert 0.7 < sum(shares) / len(shares) < 0.9

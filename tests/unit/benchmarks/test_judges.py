"""Judges: the embedded world's rules, and sequence-classification models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

from irltui.api import BuildContext
from irltui.benchmarks import WinRate
from irltui.benchmarks.judges import ClassifierJudge, build_judge
from irltui.errors import DataError, ModelError
from support import tiny


def classifier(path: Path, labels: int = 1, *, chat: bool = True, seed: int = 0) -> Path:
    tokenizer = tiny.tokenizer(chat=chat)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=labels,
        pad_token_id=1,
        initializer_range=0.5,
    )
    LlamaForSequenceClassification(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def judge(path: Path, **options: Any) -> Any:
    spec = WinRate(kind="win_rate", data="d", judge=str(path), **options)
    return build_judge(spec, [], BuildContext(policy=None))


def test_a_score_is_the_models_own_of_the_chat_it_was_shown(tmp_path: Path) -> None:
    path = classifier(tmp_path / "judge")
    (found,) = judge(path)(["the cat?"], ["a dog"])
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    tokenizer = tiny.tokenizer()
    text = "<|user|>the cat?<|assistant|>a dog<|end|>"
    with torch.no_grad():
        logits = model(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits
    assert found == pytest.approx(float(logits[0, 0]), abs=1e-6)


def test_conversations_and_answers_alone_can_be_judged_too(tmp_path: Path) -> None:
    path = classifier(tmp_path / "judge")
    chat = [{"role": "user", "content": "the cat?"}]
    both = judge(path)
    assert both([chat], ["a dog"]) == both(["the cat?"], ["a dog"])
    alone = judge(path, judge_reads="answer")
    assert alone(["the cat?"], ["a dog"]) == alone(["the sun?"], ["a dog"])
    assert both(["the cat?"], ["a dog"]) != both(["the sun?"], ["a dog"])


def test_without_a_chat_template_prompt_and_answer_are_a_pair(tmp_path: Path) -> None:
    found = judge(classifier(tmp_path / "judge", chat=False))
    assert found(["the cat?"], ["a dog"]) != found(["the sun?"], ["a dog"])
    assert len(found([[{"role": "user", "content": "the"}, {"role": "user", "content": "cat"}]], ["a"])) == 1


def test_a_class_is_scored_by_its_log_odds(tmp_path: Path) -> None:
    path = classifier(tmp_path / "judge", labels=3)
    scores = [judge(path, judge_label=label)(["the cat?"], ["a dog"])[0] for label in (0, 1, 2)]
    odds = torch.tensor(scores).sigmoid()
    assert float(odds.sum()) == pytest.approx(1, abs=1e-5)
    assert judge(path)(["the cat?"], ["a dog"])[0] == scores[-1]


def test_an_empty_answer_and_a_very_long_one_have_scores(tmp_path: Path) -> None:
    for chat in (True, False):
        path = classifier(tmp_path / f"judge-{chat}", chat=chat)
        for reads in ("auto", "answer"):
            found = judge(path, judge_reads=reads, judge_tokens=16)(["the cat?"] * 2, ["", "a dog " * 100])
            assert all(torch.isfinite(torch.tensor(found)))


def test_a_judge_draws_nothing_from_the_runs_random_stream(tmp_path: Path) -> None:
    path = classifier(tmp_path / "judge")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    judge(path)(["the cat?"], ["a dog"])
    assert torch.equal(torch.rand(3), expected)


def test_a_language_model_is_no_judge(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no trained sequence classifier"):
        judge(tiny.folder(tmp_path / "model"))


def test_a_judge_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        judge(tmp_path / "nothing")


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="judge_label: 3, but the judge has 2 classes"):
        judge(classifier(tmp_path / "judge", labels=2), judge_label=3)


def test_a_judge_that_can_only_read_so_much_is_not_asked_for_more(tmp_path: Path) -> None:
    path = classifier(tmp_path / "judge")
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    found = ClassifierJudge(model, tiny.tokenizer(), longest=10_000)
    tail = found(["the cat?"], ["one " * 200])
    assert tail == found(["the sun?"], ["one " * 200])  # cut on the left, to 64 positions


def test_the_embedded_world_judges_its_own_prompts_alone() -> None:
    spec = WinRate(kind="win_rate", data="d", judge="quickstart")
    with pytest.raises(DataError, match="prompt 1 is not one"):
        build_judge(spec, ["Who are you?"], BuildContext(policy=None))

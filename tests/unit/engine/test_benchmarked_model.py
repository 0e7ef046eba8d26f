"""The model as a benchmark sees it."""

from __future__ import annotations

import pytest

from irltui.api import Decoding
from irltui.data.template import PromptTemplate
from irltui.engine.benchmarked_model import ModelUnderTest
from irltui.lm.policy import LanguageModelPolicy
from irltui.samplers.slots import SlotSampler
from irltui.samplers.transformers import TransformersSampler
from support import tiny

QUESTIONS = ["the cat sees?", "one red sun on the moon?", "two?"]


@pytest.mark.parametrize("kind", ["slots", "transformers"])
def test_a_long_prompt_shortens_its_own_answer_alone_and_that_is_said_once(kind: str) -> None:
    tokenizer = tiny.tokenizer()
    policy = LanguageModelPolicy(tiny.model(vocabulary=len(tokenizer)), tokenizer, frozenset({2}), lambda: None)
    made = {
        "slots": lambda: SlotSampler(policy, 4, lambda: None, lambda _: None),
        "transformers": lambda: TransformersSampler(policy, 4, lambda: None),
    }
    said: list[str] = []
    model = ModelUnderTest(
        policy,
        made[kind](),
        Decoding(max_new_tokens=20),
        PromptTemplate(tokenizer, frozenset({2})),
        batch=4,
        poll=lambda: None,
        notice=said.append,
    )
    alone = list(model.generate(QUESTIONS))
    assert not said
    *beside, long = model.generate([*QUESTIONS, " ".join(["cat"] * 248) + "?"])
    assert beside == alone
    assert max(len(tokenizer(answer)["input_ids"]) for answer in alone) > 5
    assert len(tokenizer(long)["input_ids"]) <= 256 - 248
    model.generate([*QUESTIONS, " ".join(["cat"] * 248) + "?"])
    (text,) = said
    assert "1 of 4 prompts of a benchmark leave less than decoding.max_new_tokens = 20" in text

"""Reasons for doubt in plain words, and the order they make."""

from __future__ import annotations

import random
import time

import pytest

from irltui.use.near_duplicates import find_twins, words_of
from irltui.use.score import Line
from irltui.use.triage import Suspect, suspects
from support.tiny import WORDS


def row(number: int, completion: str = "", *, reward: float = 1.0, prompt: str = "", **fields: object) -> Line:
    stream = random.Random(number)
    said = completion or " ".join(stream.choices(WORDS, k=stream.randint(8, 12)))
    asked = prompt or " ".join(stream.choices(WORDS, k=9))
    about = {"row": number, "reward": reward, "length": len(said.split()) + 1}
    return {**about, "prompt": asked, "completion": said, **fields}


def reasons(found: list[Suspect], number: int) -> str:
    return "; ".join(next(s.reasons for s in found if s.row["row"] == number))


def test_without_other_reasons_the_order_is_that_of_rewards() -> None:
    found = suspects([row(i, reward=float(reward)) for i, reward in enumerate([3, 1, 2, 5, 4], start=1)])
    assert [s.row["row"] for s in found] == [2, 3, 1, 5, 4]
    assert [s.rank for s in found] == [0, 0.25, 0.5, 0.75, 1]
    assert found[0].suspicion == 1
    assert "reward among the lowest 1 %" in reasons(found, 2)
    assert reasons(found, 4) == ""


def test_equal_rewards_share_a_rank() -> None:
    assert {s.rank for s in suspects([row(i) for i in range(1, 6)])} == {0.5}


def test_one_row_alone_is_not_suspicious() -> None:
    (found,) = suspects([row(1)])
    assert (found.suspicion, found.reasons) == (0, ())
    assert suspects([]) == []


def test_a_row_that_cannot_be_used_comes_first_with_the_reason() -> None:
    found = suspects([row(1), row(2), {"row": 3, "reward": None, "reason": "empty completion"}])
    assert found[0].row["row"] == 3
    assert found[0].reasons == ("cannot be used: empty completion",)
    assert found[0].rank is None


def test_a_repeated_pair_is_told_of_the_later_rows_alone() -> None:
    rows = [row(1, "the cat sees a dog.", prompt="who?"), row(2), row(3, "The cat sees a  DOG", prompt="Who")]
    found = suspects(rows)
    assert reasons(found, 3) == "same prompt and response as row 1"
    assert reasons(found, 1) == ""


def test_a_response_to_several_prompts_is_told_of_all_of_them() -> None:
    said = "i am sorry but the cat likes no dog"
    found = suspects([row(1), row(2, said), row(3, said), row(4, said)])
    assert reasons(found, 2) == "same response as row 3 and 1 more"
    assert reasons(found, 4) == "same response as row 2 and 1 more"


def test_short_responses_may_be_the_same() -> None:
    assert reasons(suspects([row(1, "two"), row(2, "two")]), 2) == ""


def test_several_responses_to_a_prompt_are_a_mild_reason() -> None:
    found = suspects([row(1, prompt="who sees the moon?"), row(2, prompt="who sees the moon?")])
    assert reasons(found, 2) == "same prompt as row 1"
    assert found[0].suspicion == pytest.approx(0.6)


def test_prompts_that_repeat_all_over_the_data_are_no_reason() -> None:
    asked = "write one sentence that a person who likes the {} moon in the big small sun would say"
    found = suspects([row(i, prompt=asked.format(f"trait{i}")) for i in range(1, 41)])
    assert not any("prompt" in reasons(found, i) for i in range(1, 41))


def test_nearly_the_same_is_found_and_called_so() -> None:
    words = random.Random(7).choices(WORDS, k=60)
    found = suspects([row(1, " ".join(words)), row(2), row(3, " ".join([*words[:-1], "other"]))])
    assert "nearly the same response as row 1" in reasons(found, 3)
    assert "nearly the same response as row 3" in reasons(found, 1)


def test_unusual_lengths_are_told_with_the_usual_one() -> None:
    rows = [row(i) for i in range(1, 31)]
    found = suspects([*rows, row(31, " ".join(random.Random(1).choices(WORDS, k=400))), row(32, "yes it")])
    assert "response of 401 tokens (typical: 1" in reasons(found, 31)
    assert "response of 3 tokens" in reasons(found, 32)
    assert not any("typical" in reasons(found, i) for i in range(1, 31))


def test_an_empty_and_a_truncated_answer_are_told() -> None:
    found = suspects([row(1, "..."), row(2, truncated=("response over 8 tokens",), ended=False), row(3)])
    assert "response without words" in reasons(found, 1)
    assert "response over 8 tokens: not trained on" in reasons(found, 2)


def test_over_long_rows_are_compared_with_over_long_rows() -> None:
    long = [row(i, reward=i / 100, truncated=("prompt over 8 tokens",)) for i in range(1, 4)]
    found = suspects([*long, *(row(i, reward=float(i)) for i in range(4, 7))])
    assert {s.row["row"]: s.rank for s in found} == {1: 0, 2: 0.5, 3: 1, 4: 0, 5: 0.5, 6: 1}


def test_a_conversation_is_compared_by_all_its_messages() -> None:
    talk = [{"role": "user", "content": "who sees"}, {"role": "assistant", "content": "the cat"}]
    found = suspects([row(1, prompt=talk), row(2, prompt=[{"role": "user", "content": "who sees"}])])  # type: ignore[arg-type]
    assert reasons(found, 2) == ""


def test_texts_without_words_are_nobodys_twins() -> None:
    assert find_twins([words_of("?!"), words_of("..."), ()]) == [None, None, None]


def test_twins_are_found_as_overlap_says() -> None:
    stream = random.Random(0)
    vocabulary = [f"w{i}" for i in range(500)]
    texts = [tuple(stream.choices(vocabulary, k=50)) for _ in range(200)]
    changed = [(*text[:25], "new", *text[26:]) for text in texts]  # 3 of 48 runs differ: 45 / 51 = 0.88
    twins = find_twins([*texts, *changed])
    assert [twin.index for twin in twins[200:] if twin] == list(range(200))
    assert not any(twin.exact for twin in twins if twin)
    other = [(*text[:10], *stream.choices(vocabulary, k=40)) for text in texts]
    assert [twin for twin in find_twins([*texts, *other]) if twin] == []


def test_many_copies_are_compared_in_a_moment() -> None:
    began = time.perf_counter()
    words = tuple(random.Random(0).choices(WORDS, k=40))
    find_twins([(*words, str(i)) for i in range(3000)])
    assert time.perf_counter() - began < 10

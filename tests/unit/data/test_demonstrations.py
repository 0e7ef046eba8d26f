"""Demonstrations: read from every kind of file, tokenised once, split by prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from irltui.config.schema import DataSection
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.data.progress import Progress
from irltui.data.template import PromptTemplate, eos_ids
from irltui.errors import DataError
from support import tiny

ROWS = [{"prompt": f"{a} {b}?", "completion": f"the {b}"} for a in tiny.WORDS[:5] for b in tiny.WORDS[5:11]]


def load(path: Path | str, **section: Any) -> DemonstrationData:
    tokenizer = section.pop("tokenizer", None) or tiny.tokenizer()
    return load_demonstrations(DataSection(source=str(path), **section), tokenizer, frozenset({2}))


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def content(data: DemonstrationData) -> list[tuple[str, str, tuple[int, ...], tuple[int, ...]]]:
    return [(d.prompt.text, d.text, d.prompt.tokens, d.tokens) for side in (data.train, data.held_out) for d in side]


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "csv", "arrow", "folder", "saved"])
def test_every_kind_of_file_gives_the_same_demonstrations(tmp_path: Path, kind: str) -> None:
    expected = content(load(write(tmp_path / "rows.jsonl", ROWS)))
    rows = datasets.Dataset.from_list(ROWS)
    path = tmp_path / f"data.{kind}"
    match kind:
        case "jsonl":
            write(path, ROWS)
        case "json":
            path.write_text(json.dumps(ROWS))
        case "parquet":
            rows.to_parquet(path)
        case "csv":
            rows.to_csv(path)
        case "saved":
            rows.save_to_disk(path)
        case "arrow":
            rows.save_to_disk(tmp_path / "saved")
            path = next((tmp_path / "saved").glob("*.arrow"))
        case _:
            path.mkdir()
            write(path / "a.jsonl", ROWS[:7])
            write(path / "b.jsonl", ROWS[7:])
    assert content(load(path)) == expected


def test_prompt_and_completion_conversations_and_mapped_columns_mean_the_same(tmp_path: Path) -> None:
    turns = [
        {"messages": [{"role": "user", "content": r["prompt"]}, {"role": "assistant", "content": r["completion"]}]}
        for r in ROWS
    ]
    share_gpt = [
        {"conversations": [{"from": "human", "value": r["prompt"]}, {"from": "gpt", "value": r["completion"]}]}
        for r in ROWS
    ]
    lists = [
        {
            "prompt": [{"role": "user", "content": r["prompt"]}],
            "completion": [{"role": "assistant", "content": r["completion"]}],
        }
        for r in ROWS
    ]
    mapped = [{"Frage": r["prompt"], "Antwort": r["completion"], "prompt": 3} for r in ROWS]
    expected = content(load(write(tmp_path / "a.jsonl", ROWS)))
    for rows in (turns, share_gpt, lists):
        assert content(load(write(tmp_path / "b.jsonl", rows))) == expected
    names = {"prompt": "Frage", "completion": "Antwort"}
    assert content(load(write(tmp_path / "c.jsonl", mapped), columns=names)) == expected


def test_words_that_pandas_takes_for_missing_values_are_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,completion\n" + "the cat,None\nthe dog,NA\nthe sun,null\n")
    assert sorted(text for _, text, _, _ in content(load(path))) == ["NA", "None", "null"]


def test_the_prompt_is_the_templates_and_the_response_ends_with_the_templates_end(tmp_path: Path) -> None:
    data = load(write(tmp_path / "a.jsonl", ROWS))
    tokenizer = tiny.tokenizer()
    first = data.train[0]
    assert tokenizer.decode(first.prompt.tokens) == f"<|user|>{first.prompt.text}<|assistant|>"
    assert tokenizer.decode(first.tokens) == f"{first.text}<|end|>"
    assert first.ended


def test_a_system_message_stands_before_every_prompt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{**row, "sys": "big"} for row in ROWS])
    tokenizer = tiny.tokenizer()
    for data in (load(path, system="big"), load(path, columns={"system": "sys"})):
        assert tokenizer.decode(data.train[0].prompt.tokens).startswith("<|system|>big<|user|>")


def test_without_a_template_prompt_and_completion_are_joined_as_they_are(tmp_path: Path) -> None:
    data = load(write(tmp_path / "a.jsonl", ROWS), template="none", tokenizer=tiny.tokenizer(chat=False, bos=True))
    tokenizer = tiny.tokenizer()
    first = data.train[0]
    assert tokenizer.decode(first.prompt.tokens) == f"<|bos|>{first.prompt.text}"
    assert first.prompt.tokens.count(3) == 1


def test_a_template_that_writes_the_bos_token_itself_gets_one(tmp_path: Path) -> None:
    """Hazard 7: no double BOS."""
    jinja = tmp_path / "chat.jinja"
    jinja.write_text("<|bos|>" + tiny.CHAT)
    data = load(write(tmp_path / "a.jsonl", ROWS), template=str(jinja), tokenizer=tiny.tokenizer(bos=True))
    assert all(d.prompt.tokens.count(3) == 1 and d.prompt.tokens[0] == 3 and 3 not in d.tokens for d in data.train)


def test_the_end_of_a_response_is_the_one_the_template_uses() -> None:
    """Several end tokens: a response closes with the template's, whatever the tokenizer calls its own."""
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = tiny.CHAT.replace("<|end|>", "<|stop|>")
    ends = eos_ids(tokenizer, [2, 7])
    assert ends == {2, 7}
    assert PromptTemplate(tokenizer, ends).end_id == 7
    assert PromptTemplate(tokenizer, frozenset({2})).end_id == 2


def test_an_end_token_inside_a_response_would_cut_it_so_the_row_is_dropped(tmp_path: Path) -> None:
    data = load(write(tmp_path / "a.jsonl", [*ROWS, {"prompt": "the", "completion": "the<|end|> cat"}]))
    assert data.report.dropped["end-of-sequence token inside the response"].rows == [len(ROWS) + 1]


def test_truncation_cuts_the_prompt_on_the_left_and_the_response_on_the_right_without_an_end(tmp_path: Path) -> None:
    """Hazards 4 and 5: a cut response has no end of its own, like a generation at the length cap."""
    long = {"prompt": "one two three four red blue", "completion": "the cat sees the dog"}
    path = write(tmp_path / "a.jsonl", [*ROWS, long])
    whole = next(d for d in [*load(path).train, *load(path).held_out] if d.text == long["completion"])
    data = load(path, overlong="truncate", max_prompt_tokens=5, max_response_tokens=3)
    cut = next(d for d in [*data.train, *data.held_out] if d.text == long["completion"])
    assert cut.prompt.tokens == whole.prompt.tokens[-5:]
    assert cut.tokens == whole.tokens[:3]
    assert not cut.ended
    assert whole.ended
    assert data.report.truncated["response over 3 tokens"].rows == [len(ROWS) + 1]


def test_repeated_rows_are_dropped_or_kept_as_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*ROWS, ROWS[0]])
    assert load(path).report.dropped["duplicate"].rows == [len(ROWS) + 1]
    assert not load(path, duplicates="keep").report.dropped


def test_the_split_is_by_prompt_and_repeatable(tmp_path: Path) -> None:
    twice = [*ROWS, *({**row, "completion": "sun"} for row in ROWS)]
    data = load(write(tmp_path / "a.jsonl", twice), held_out=0.3)
    train, held_out = ({d.prompt.text for d in side} for side in (data.train, data.held_out))
    assert not train & held_out
    assert len(held_out) == 9
    assert len(data.train) + len(data.held_out) == len(twice)
    again = load(write(tmp_path / "b.jsonl", twice), held_out=0.3)
    assert content(again) == content(data)


def test_new_rows_do_not_move_old_ones_between_train_and_held_out_by_much(tmp_path: Path) -> None:
    before = load(write(tmp_path / "a.jsonl", ROWS), held_out=0.2)
    after = load(write(tmp_path / "b.jsonl", [*ROWS, {"prompt": "new?", "completion": "sun"}]), held_out=0.2)
    moved = {d.prompt.text for d in before.held_out} ^ {d.prompt.text for d in after.held_out}
    assert len(moved) <= 2


def test_held_out_rows_are_capped_and_the_rest_trains(tmp_path: Path) -> None:
    data = load(write(tmp_path / "a.jsonl", ROWS), held_out=0.5, max_held_out=4)
    assert len(data.held_out) == 4
    assert len(data.train) == len(ROWS) - 4
    assert len(load(write(tmp_path / "a.jsonl", ROWS), held_out=0.0).held_out) == 0


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    assert load(write(tmp_path / "a.jsonl", ROWS), limit=10).report.rows == 10


def test_each_demonstration_has_an_id_and_a_prompt_of_its_own(tmp_path: Path) -> None:
    """Two demonstrations of one prompt get two generations."""
    twice = [*ROWS, *({**row, "completion": "sun"} for row in ROWS)]
    data = load(write(tmp_path / "a.jsonl", twice))
    ids = [d.prompt.id for side in (data.train, data.held_out) for d in side]
    assert len(set(ids)) == len(ids) == len(twice)


def byte_level() -> PreTrainedTokenizerFast:
    """A byte-level BPE whose merges cross word boundaries if they may; pad == eos."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(["the cat sees the dog", "answer: the answer is the cat."] * 20, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|im_end|>")
    fast.chat_template = None
    return fast


BYTE_LEVEL = byte_level()
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(prompt=TEXT, response=TEXT, other=TEXT)
def test_no_merge_crosses_from_prompt_to_response(prompt: str, response: str, other: str) -> None:
    """Hazards 1, 2 and 7: the ids of a response do not depend on its prompt, and together they decode to both."""
    template = PromptTemplate(BYTE_LEVEL, eos_ids(BYTE_LEVEL, None), "none")
    x, y = template.prompt_ids(prompt), template.response_ids(response)
    assert y == template.response_ids(response)
    assert y[-1] == BYTE_LEVEL.eos_token_id
    assert BYTE_LEVEL.decode([*x, *y[:-1]]) == prompt + response
    assert template.prompt_ids(other) + y == (*template.prompt_ids(other), *y)
    assert template.response_ids(response, ended=False) == y[:-1]


def test_held_out_rows_stay_under_their_limit_when_a_prompt_has_many(tmp_path: Path) -> None:
    many = [{"prompt": "the cat?", "completion": f"{a} {b}"} for a in tiny.WORDS for b in tiny.WORDS[:3]]
    data = load(write(tmp_path / "a.jsonl", [*many, *ROWS]), held_out=0.9, max_held_out=5)
    assert len(data.held_out) == 5
    assert "the cat?" not in {d.prompt.text for d in data.held_out}


def test_the_report_says_what_was_read_kept_dropped_and_left_aside(tmp_path: Path) -> None:
    rows = [{"instruction": r["prompt"], "output": r["completion"], "id": "x"} for r in ROWS]
    report = load(write(tmp_path / "a.jsonl", [*rows, rows[0]])).report
    assert report.lines() == [
        f"31 rows of {tmp_path}/a.jsonl: 27 train, 3 held out",
        "prompts from 'instruction', completions from 'output' (not read: id)",
        "prompts 5 tokens on average, longest 5; responses 3, longest 3",
        "chat template: the tokenizer's; responses end with <|end|>",
        "dropped, duplicate: 1 (row 31)",
        "note: data.columns: columns that are not read: id",
    ]
    assert json.loads(json.dumps(report.as_dict()))["dropped"] == {"duplicate": {"count": 1, "rows": [31]}}


def test_text_with_half_a_surrogate_pair_is_dropped(tmp_path: Path) -> None:
    rows = [{"prompt": "the \ud800", "completion": "x"}, {"prompt": "the", "completion": "\udfff"}]
    rows.append({"prompt": [{"role": "user", "content": "\ud800"}], "completion": "x"})
    report = load(write(tmp_path / "a.jsonl", [*ROWS, *rows])).report
    assert report.dropped["text that is not Unicode"].count == 3


def test_roles_of_any_type_are_bad_rows_and_no_crash(tmp_path: Path) -> None:
    odd = [{"prompt": [{"role": role, "content": "x"}], "completion": "y"} for role in (["user"], {}, 3, None)]
    odd += [{"prompt": prompt, "completion": "y"} for prompt in ([3], [None], {"role": "user"}, 3, True)]
    report = load(write(tmp_path / "a.jsonl", [*ROWS, *odd])).report
    assert sum(tally.count for tally in report.dropped.values()) == len(odd)


def test_a_demonstration_s_texts_are_those_of_its_row(tmp_path: Path) -> None:
    data = load(write(tmp_path / "a.jsonl", [{"prompt": "", "completion": ""}, *ROWS]))
    for demonstration in [*data.train, *data.held_out]:
        number = int(demonstration.id.removeprefix("row-"))
        assert {"prompt": demonstration.prompt.text, "completion": demonstration.text} == ROWS[number - 2]
    assert [d.id for d in data.train[1:3]] == [data.train[1].id, data.train[2].id]
    assert data.train[-1] == list(data.train)[-1]


def test_reading_can_be_stopped_amid_the_rows_and_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"prompt": f"{a} {b}?", "completion": a} for a in tiny.WORDS for b in tiny.WORDS]
    path = write(tmp_path / "a.jsonl", rows)
    monkeypatch.setattr("irltui.data.progress._SAY_EVERY", -1.0)
    said: list[str] = []

    def stop_when_it_tokenises() -> None:
        if len(said) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_demonstrations(
            DataSection(source=str(path)),
            tiny.tokenizer(),
            frozenset({2}),
            Progress(stop_when_it_tokenises, said.append),
        )
    assert said == [f"256 rows of {path} read", f"484 rows of {path} read", "64 of 484 rows tokenised"]


def folder_with_splits(path: Path) -> Path:
    path.mkdir()
    write(path / "train.jsonl", [{"prompt": f"the {word}?", "completion": word} for word in tiny.WORDS])
    write(path / "validation.jsonl", [{"prompt": f"a {word}?", "completion": word} for word in tiny.WORDS[:5]])
    return path


@pytest.mark.parametrize("given", ["validation", "dev", "file"])
def test_a_split_or_a_file_is_held_out_and_everything_else_trains(given: str, tmp_path: Path) -> None:
    folder = folder_with_splits(tmp_path / "data")
    data = load(folder, held_out=str(folder / "validation.jsonl") if given == "file" else given)
    assert len(data.train) == len(tiny.WORDS)
    assert [d.prompt.text for d in data.held_out] == [f"a {word}?" for word in tiny.WORDS[:5]]
    assert {d.id.rpartition("-")[0] for d in data.held_out} == {"held-out"}
    assert data.report.held_out == 5
    assert any("5 demonstrations of" in finding.text for finding in data.report.findings)
    assert data.digest != load(folder).digest


def test_a_split_for_measuring_is_offered(tmp_path: Path) -> None:
    (finding,) = load(folder_with_splits(tmp_path / "data")).report.findings
    assert 'data.held_out = "validation"' in finding.remedy


def test_no_more_than_the_limit_is_held_out_and_none_at_zero(tmp_path: Path) -> None:
    folder = folder_with_splits(tmp_path / "data")
    assert len(load(folder, held_out="validation", max_held_out=2).held_out) == 2
    assert len(load(folder, held_out="validation", max_held_out=0).held_out) == 0


def test_what_cannot_be_held_out_is_refused(tmp_path: Path) -> None:
    folder = folder_with_splits(tmp_path / "data")
    with pytest.raises(DataError, match=r"data.held_out: .*no file .* of the split 'test'"):
        load(folder, held_out="test")
    with pytest.raises(DataError, match=r'"validation" is no file, and data\.source'):
        load(folder / "train.jsonl", held_out="validation")

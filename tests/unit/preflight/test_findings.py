"""What is found about rows and settings before a run: every kind of doubt once, on real small files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from irltui.api.registry import Registry
from irltui.config.schema import RunConfig
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.engine.plan import make_plan
from irltui.preflight.findings import Finding, Seen, find
from irltui.preflight.rows import histogram, row_facts
from support import runs, tiny
from support.tiny import WORDS

ROWS = [{"prompt": f"{a} {b}?", "completion": f"the {b} {a}"} for a in WORDS[:6] for b in WORDS[6:16]]


def load(path: Path, rows: list[dict[str, str]], **section: Any) -> tuple[RunConfig, DemonstrationData]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    change = {"data": {"max_response_tokens": 32, **section}, "loop": {"batch": 2}}
    values = runs.config(path.parent / "model", path, change)
    config = RunConfig.model_validate(values, context={"registry": Registry()})
    return config, load_demonstrations(
        config.data, tiny.tokenizer(chat=section.get("template") != "none"), frozenset({2})
    )


def found(
    config: RunConfig, data: DemonstrationData, *, parameters: int = 0, seen: Seen | None = None
) -> list[Finding]:
    plan = make_plan(config.loop, len(data.train), 0)
    return find(config, data.report, row_facts(data), plan, parameters, seen)


def changed(config: RunConfig, **tables: Any) -> RunConfig:
    values = config.model_dump(mode="json")
    for key, value in tables.items():
        keeps = isinstance(value, dict) and value.get("kind") in {None, values[key].get("kind")}
        values[key] = {**values[key], **value} if keeps else value
    return RunConfig.model_validate(values, context={"registry": Registry()})


def test_good_data_and_settings_are_not_warned_of(tmp_path: Path) -> None:
    assert [f for f in found(*load(tmp_path / "d.jsonl", ROWS)) if f.level == "warning"] == []


def test_a_held_out_prompt_that_differs_in_case_and_punctuation_is_a_leak(tmp_path: Path) -> None:
    twins = [{**row, "prompt": row["prompt"].upper() + " ."} for row in ROWS]
    config, data = load(tmp_path / "d.jsonl", ROWS + twins)
    (leak,) = [f for f in found(config, data) if f.key == "data.held_out" and "prompt of a training row" in f.text]
    assert leak.level == "warning"
    assert "(rows " in leak.text or "(row " in leak.text


def test_questions_that_differ_by_a_sign_are_no_leak(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{i} {sign} 4 = ?", "completion": f"the {a}"}
        for i in range(40)
        for sign, a in (("+", "cat"), ("-", "dog"))
    ]
    assert not [f for f in found(*load(tmp_path / "d.jsonl", rows)) if "prompt of a training row" in f.text]


def test_a_long_held_out_response_that_is_a_training_rows_is_a_leak(tmp_path: Path) -> None:
    rows = [{**row, "completion": "the cat the dog the cat the dog the cat the dog the cat"} for row in ROWS]
    texts = [f.text for f in found(*load(tmp_path / "d.jsonl", rows))]
    assert any("response of a training row" in text for text in texts)
    assert any("have the same response" in text for text in texts)


def test_rows_left_out_or_cut_are_warned_of_with_what_to_raise(tmp_path: Path) -> None:
    long = [{**row, "completion": " ".join(WORDS)} for row in ROWS[:20]]
    config, data = load(tmp_path / "d.jsonl", ROWS[20:] + long, max_response_tokens=6)
    (lost,) = [f for f in found(config, data) if "are dropped" in f.text]
    assert "20 of 60" in lost.text
    assert "max_response_tokens" in lost.remedy
    config, data = load(tmp_path / "d.jsonl", ROWS[20:] + long, max_response_tokens=6, overlong="truncate")
    assert any("are truncated" in f.text for f in found(config, data))


def test_no_template_a_wide_cap_and_few_held_out_prompts_are_notes(tmp_path: Path) -> None:
    rows = [{"prompt": row["prompt"], "completion": "cat"} for row in ROWS]
    config, data = load(tmp_path / "d.jsonl", rows, template="none", max_response_tokens=64)
    notes = {f.key for f in found(config, data) if f.level == "note"}
    assert notes >= {"data.template", "decoding.max_new_tokens", "data.held_out"}


@pytest.mark.parametrize(
    ("tables", "parameters", "key"),
    [
        ({"loop": {"batch": 60, "outer_iterations": 1}}, 0, "loop.passes"),
        ({"adapter": {"kind": "lora"}, "optimizer": {"learning_rate": 5e-7}}, 0, "optimizer.learning_rate"),
        ({"optimizer": {"learning_rate": 1e-3}}, 10**9, "optimizer.learning_rate"),
        ({"decoding": {"temperature": 0.7}}, 0, "decoding.temperature"),
        ({"decoding": {"top_k": 5}}, 0, "decoding.top_k"),
        ({"decoding": {"top_p": 0.9}}, 0, "decoding.top_p"),
        ({"loop": {"inner_steps": 8, "batch": 2}}, 0, "loop.inner_steps"),
    ],
)
def test_settings_that_hardly_ever_work_are_warned_of(
    tables: dict[str, Any], parameters: int, key: str, tmp_path: Path
) -> None:
    config, data = load(tmp_path / "d.jsonl", ROWS)
    warnings = [f for f in found(changed(config, **tables), data, parameters=parameters) if f.level == "warning"]
    assert [f.key for f in warnings] == [key]
    assert warnings[0].remedy


def test_a_model_that_never_stops_or_finds_the_data_foreign_should_begin_with_sft(tmp_path: Path) -> None:
    config, data = load(tmp_path / "d.jsonl", ROWS)
    seen = Seen(demonstration_nll=6.0, generations=8, ended=0, longest=32)
    warnings = [f for f in found(config, data, seen=seen) if f.key == "model.name"]
    assert len(warnings) == 2
    assert all("SFT" in f.remedy for f in warnings)
    assert not [
        f
        for f in found(changed(config, algorithm="sft", objective={"kind": "sft"}), data, seen=seen)
        if f.key == "model.name"
    ]


def test_a_histogram_counts_every_length_in_bins_of_one_width() -> None:
    found = histogram([3, 3, 4, 90, 41])
    assert sum(found["counts"]) == 5
    assert len({b - a for a, b in zip(found["edges"], found["edges"][1:], strict=False)}) == 1
    assert found["edges"][0] == 3
    assert found["edges"][-1] > 90
    assert histogram([7, 7])["counts"] == [2]


def test_special_and_unknown_tokens_in_the_data_are_found_with_their_rows(tmp_path: Path) -> None:
    odd = [
        {"prompt": "the cat <|user|> one?", "completion": "the dog"},
        {"prompt": "the sun?", "completion": "schnee dog"},
    ]
    texts = [finding.text for finding in found(*load(tmp_path / "d.jsonl", ROWS + odd)) if finding.level == "warning"]
    assert f"special token <|user|> in the prompt: 1 (row {len(ROWS) + 1}), of {len(ROWS) + 2} rows" in texts
    assert f"unknown token <|unk|> in the response: 1 (row {len(ROWS) + 2}), of {len(ROWS) + 2} rows" in texts

"""`irltui init`: what it asks, what it guesses, what it writes."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from irltui.config.load import load
from irltui.config.requests import InspectRequest
from irltui.data.guess import guess_columns
from support.runs import demonstrations
from support.tiny import folder
from support.worker import worked

CSV = "\ufeffNr,Kundenfrage,Unsere Antwort\r\n" + "".join(f"{i},the cat {i}?,a red dog sees {i}\r\n" for i in range(20))


@pytest.fixture
def place(monkeypatch, tmp_path) -> Path:
    """A folder with a model without a chat template and demonstrations; the look happens in this process."""

    def ask(request: InspectRequest) -> tuple[int, dict[str, Any]]:
        printed = io.StringIO()
        with redirect_stdout(printed):
            code = worked(request)
        return code, json.loads(printed.getvalue() or "{}")

    monkeypatch.setattr("irltui.cli.worker.ask", ask)
    folder(tmp_path / "plain", chat=False)
    demonstrations(tmp_path / "demos.jsonl")
    (tmp_path / "odd.csv").write_bytes((CSV + "20,the moon?,\r\n").encode())
    return tmp_path


@pytest.mark.parametrize("algorithm", ["irft", "rft", "spin", "sft"])
def test_what_is_written_loads_and_holds_the_preset(irltui, place, algorithm) -> None:
    assert irltui("init", "--model", "plain", "--data", "demos.jsonl", "--algorithm", algorithm).code == 0
    written, preset = load("irltui.toml").config, load(algorithm, ["model.name=m", "data.source=d"]).config
    assert (written.model.name, written.data.source, written.data.template) == ("plain", "demos.jsonl", "none")
    loop = written.loop.model_copy(update={"batch": preset.loop.batch})  # of 24 rows it is smaller
    assert (written.algorithm, loop, written.optimizer) == (preset.algorithm, preset.loop, preset.optimizer)
    assert written.loop.batch == (16 if algorithm == "rft" else 2)
    assert written.data.max_prompt_tokens == 32
    assert written.data.held_out == 0.2


def test_a_file_that_cannot_be_written_is_named(irltui, place) -> None:
    (place / "full").touch()
    result = irltui("init", "--model", "plain", "--data", "demos.jsonl", "--out", "full/a.toml")
    assert result.code == 2
    assert "\n--out full/a.toml: cannot be written: " in result.err


def test_the_models_own_chat_template_is_used_if_it_has_one(irltui, place) -> None:
    folder(place / "chat")
    assert irltui("init", "--model", "chat", "--data", "demos.jsonl").code == 0
    assert load("irltui.toml").config.data.template == "auto"


def test_columns_with_odd_names_are_guessed_shown_and_taken_only_if_told(irltui, place) -> None:
    refused = irltui("init", "--model", "plain", "--data", "odd.csv")
    assert refused.code == 2
    assert "--prompt 'Kundenfrage' --completion 'Unsere Antwort'" in refused.err
    assert not (place / "irltui.toml").exists()
    taken = irltui("init", "--model", "plain", "--data", "odd.csv", "--yes")
    assert taken.code == 0
    assert "1 of 21 rows cannot be used" in taken.err
    columns = load("irltui.toml").config.data.columns
    assert (columns.prompt, columns.completion) == ("Kundenfrage", "Unsere Antwort")


def test_one_row_that_is_far_too_long_sets_no_limit(irltui, place) -> None:
    with (place / "demos.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": "the cat?", "completion": "dog " * 400}) + "\n")
    assert irltui("init", "--model", "plain", "--data", "demos.jsonl").code == 0
    assert load("irltui.toml").config.data.max_response_tokens == 32
    assert "1 longer ones are left out" in (place / "irltui.toml").read_text()


def test_columns_can_be_named(irltui, place) -> None:
    words = [
        "init",
        "--model",
        "plain",
        "--data",
        "odd.csv",
        "--prompt",
        "Unsere Antwort",
        "--completion",
        "Kundenfrage",
    ]
    assert irltui(*words).code == 0
    assert load("irltui.toml").config.data.columns.completion == "Kundenfrage"
    wrong = irltui(*words[:-1], "Antwort", "--force")
    assert wrong.code == 2
    assert 'column "Antwort" not found' in wrong.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--model and --data missing, and there is no terminal to ask on"),
        (["--model", "m"], "--data missing"),
        (["--algorithm", "ppo"], "--algorithm ppo: must be one of sft, dft, irft, spin, contrast, nce, few, rft"),
        (["--out", "x.json"], "--out x.json: not a TOML file"),
        (["--model", "plain", "--data", "there.toml"], "data.source: there.toml"),
        (["--model", "./gone", "--data", "demos.jsonl"], "model.name: ./gone: no such folder"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(irltui, place, words, message) -> None:
    result = irltui("init", *words)
    assert result.code == 2
    assert message in result.err
    assert not list(place.glob("*.toml"))


def test_a_file_that_is_there_is_replaced_only_by_force(irltui, place) -> None:
    (place / "irltui.toml").write_text("mine")
    words = ["init", "--model", "plain", "--data", "demos.jsonl"]
    refused = irltui(*words)
    assert refused.code == 2
    assert "--out irltui.toml: already exists" in refused.err
    assert (place / "irltui.toml").read_text() == "mine"
    assert irltui(*words, "--force").code == 0
    assert load("irltui.toml").config.model.name == "plain"


def test_data_without_one_usable_row_is_refused(irltui, place) -> None:
    (place / "empty.jsonl").write_text(json.dumps({"prompt": "", "completion": ""}) + "\n")
    result = irltui("init", "--model", "plain", "--data", "empty.jsonl")
    assert result.code == 2
    assert "none of the first 1 rows can be used" in result.err


@pytest.mark.parametrize(
    ("row", "guess"),
    [
        ({"user_query": "a b", "bot_reply": "c d"}, ("user_query", "bot_reply")),
        ({"id": "1", "kurz": "who is it", "lang": "it is the keeper of a lighthouse"}, ("kurz", "lang")),
        ({"id": "1", "n": 3}, ("", "")),
        ({"Qestion": "a b", "text": "c d e"}, ("Qestion", "text")),
    ],
)
def test_columns_are_guessed_by_name_then_by_length(row, guess) -> None:
    assert guess_columns([row, row]) == guess

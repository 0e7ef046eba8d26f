"""`irltui check` as a user runs it, on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from end_to_end.test_cli import irltui

from support.runs import demonstrations
from support.tiny import folder

SMALL = ["--set", "data.max_response_tokens=8", "--set", "loop.batch=4", "--set", "model.precision=float32"]


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    folder(tmp_path / "model")
    demonstrations(tmp_path / "demos.jsonl")
    return ["--model", "model", "--data", "demos.jsonl", *SMALL]


@pytest.mark.parametrize("preset", ["irft", "rft"])
def test_everything_is_told_of_each_algorithm(preset: str, given: list[str], tmp_path: Path) -> None:
    done = irltui("check", preset, *given, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["data"]["rows"] == 24
    assert found["prompt"]["text"].endswith("<|assistant|>")
    assert found["masked"][0]["response"][-1] == "<|end|>"
    assert {"sample", "reference", "update", "all", "run"} == set(found["estimate"]["seconds"])
    assert found["estimate"]["probe"]["seen"]["demonstration_nll"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demos.jsonl", "model"]  # nothing is written


def test_without_a_probe_no_weights_are_needed(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "model" / "model.safetensors").unlink()
    done = irltui("check", "irft", *given, "--no-probe", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Loss mask" in done.stdout
    assert "time on" not in done.stdout
    sized = irltui("check", "irft", *given, "--devices", "8xH100", "--set", "model.shard=fsdp2", cwd=tmp_path)
    told = " ".join(sized.stdout.split())
    assert "time on 8 x H100" in told
    assert "! loop.batch: 4 pairs per step: 4 of 8 devices" in told
    assert "GB on the first node, to load and save the model" in told


def test_rows_are_shown_before_the_model_is_loaded(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "model" / "model.safetensors").unlink()
    done = irltui("check", "irft", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert "no file named model.safetensors" in done.stderr
    assert "Loss mask" in done.stdout


def test_what_is_wrong_is_named_with_its_exit_code(given: list[str], tmp_path: Path) -> None:
    for arguments, said in (
        (["check", "irft", "--model", "model", "--data", "none.jsonl"], "none.jsonl: no such file"),
        (["check", "irft", *given, "--devices", "8xTPU"], "not a count and a device"),
        (["check", "irft", *given, "--set", "loop.batch=0"], "loop.batch"),
        (["check"], "TARGET"),
    ):
        done = irltui(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_what_does_not_fit_the_model_is_refused_before_its_weights_are_read(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "model" / "model.safetensors").unlink()
    system = ["--set", "data.system=the cat", "--set", "data.template=chat.jinja"]
    (tmp_path / "chat.jinja").write_text(
        "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}{% endfor %}"
    )
    for options, said in (
        (
            ["--set", "decoding.max_new_tokens=255"],
            "the model reads 256 tokens (max_position_embeddings in its config.json)",
        ),
        (system, "data.system: the chat template leaves out system messages"),
    ):
        for command in (["check", "irft", *given, "--no-probe"], ["run", "irft", *given, "--headless", "--out", "run"]):
            done = irltui(*command, *options, cwd=tmp_path)
            assert done.returncode == 2, done.stderr
            assert said in " ".join(done.stderr.split())


def test_hostile_rows_reach_the_terminal_defused(given: list[str], tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07 the \u202ecat [bold]\x9b31m"
    rows = [{"prompt": f"{word} {hostile}", "completion": hostile} for word in ("one", "two", "the", "dog")]
    (tmp_path / "demos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = irltui("check", "irft", *given, "--no-probe", "--set", "loop.outer_iterations=1", "--set",
                  "data.max_response_tokens=64", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    for character in ("\x1b", "\x9b", "\u202e", "\x07"):
        assert character not in done.stdout


def test_of_a_study_the_first_arm_is_looked_at(tmp_path: Path) -> None:
    done = irltui("check", "quickstart", "--no-probe", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "checking sft" in done.stderr
    assert "600 rows" in done.stdout


def test_a_model_folder_without_a_tokenizer_is_named(given: list[str], tmp_path: Path) -> None:
    for path in (tmp_path / "model").glob("token*"):
        shutil.move(path, tmp_path / path.name)
    done = irltui("check", "irft", *given, "--no-probe", cwd=tmp_path)
    assert done.returncode == 2
    assert "tokenizer" in done.stderr


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("quickstart-habit", "suggested: contrast. "),
        (
            "quickstart",
            "of demonstrations are near-copies of 'Find out yourself.', which the model itself",
        ),  # the mirror image
    ],
)
def test_a_habit_in_the_demonstrations_is_told_from_its_mirror_image(model: str, said: str, tmp_path: Path) -> None:
    small = ["--set", "data.max_response_tokens=32"]
    done = irltui("check", "irft", "--model", model, "--data", "quickstart-habit", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert said in " ".join(done.stdout.split())
    assert "Find out yourself." in done.stdout

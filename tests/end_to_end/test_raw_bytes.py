"""Hostile text of runs, data and names through every command: the bytes that reach a real terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.experiments import process as engine
from support.hostile import hostile_rows, write_hostile_run
from support.raw_bytes import assert_harmless, in_terminal
from support.runs import config, demonstrations, finish
from support.tiny import folder

NAME = "evil\x1b]0;x\x07\u202e[bold]"
GIVEN = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose runs/ holds two hostile runs."""
    path = tmp_path_factory.mktemp("home")
    values = load("irft", flags=GIVEN).config.model_dump(mode="json")
    for name in (NAME, "second"):
        write_hostile_run(path / "runs" / name, values)
    return path


EVIL, OTHER = f"runs/{NAME}", "runs/second"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("runs",), 0),
        (("runs", "--json"), 0),
        (("show", EVIL), 0),
        (("show", EVIL, "--json"), 0),
        (("watch", EVIL, "--headless"), 0),
        (("watch", EVIL, "--json"), 0),
        (("compare", EVIL, OTHER), 0),
        (("compare", EVIL, OTHER, "--json"), 0),
        (("report", EVIL, OTHER, "--out", f"{NAME}.html"), 0),
        (("doctor", EVIL), 1),
        (("doctor", EVIL, "--json"), 1),
        (("ctl", EVIL, "note", NAME), 1),
        (("config", "show", f"{EVIL}/run.json"), 0),
        (("bench", EVIL), 2),
        (("score", EVIL, "--data", f"{NAME}.jsonl"), 1),
        (("triage", EVIL), 1),
        (("sample", EVIL, "--prompts", NAME), 1),
        (("show", f"{NAME}/x"), 3),
        (("run", f"{NAME}.toml"), 2),
        (("run", "irft", "--set", f"{NAME}=1", "--set", f"seed={NAME}"), 2),
        (("plugins", "check", NAME), 1),
        ((NAME,), 2),
        (("runs", f"--{NAME}"), 2),
    ],
    ids=lambda value: " ".join(value).replace(NAME, "E") if isinstance(value, tuple) else None,
)
def test_no_command_passes_on_what_a_run_or_a_name_says(home: Path, arguments: tuple[str, ...], code: int) -> None:
    returned, seen = in_terminal(*arguments, cwd=home)
    text = assert_harmless(seen)
    assert returned == code, text
    assert text.strip()
    assert "Traceback" not in text


def test_the_display_of_a_working_run_shows_hostile_words_and_obeys_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = home / "engine.py"
    script.write_text(
        f"import sys, time; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from irltui.runs.events import Log, RunEnd\n"
        "from irltui.runs.folder import RunFolder\n"
        "from irltui.runs.writer import RunWriter\n"
        "from support.hostile import EVIL, write_hostile_events\n"
        "sys.stdout.buffer.write(EVIL.encode('utf-8', 'surrogatepass') + b'\\n')\n"
        "with RunWriter(RunFolder(Path(sys.argv[1]))) as writer:\n"
        "    write_hostile_events(writer)\n"
        "    time.sleep(0.5)  # the display draws four times a second\n"
        "sys.exit(1)\n"
    )
    monkeypatch.setattr(engine, "ENGINE", [sys.executable, "-u", str(script)])
    shutil.rmtree(home / "new", ignore_errors=True)
    arguments = ("run", "irft", "--model", "m", "--data", "d", "--out", "new", "--headless")
    code, seen = in_terminal(*arguments, cwd=home)
    text = assert_harmless(seen)
    assert code == 1, text
    assert "␛" in text
    assert "outer iteration" in text  # the display was drawn


@pytest.mark.slow
def test_hostile_demonstrations_reach_the_terminal_defused_through_check_score_sample_and_triage(
    tmp_path: Path,
) -> None:
    model = folder(tmp_path / "model")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in hostile_rows(12)))
    loop = {"loop": {"outer_iterations": 1}, "evaluation": {"samples": 2, "before_training": False}}
    finish(tmp_path / "run", config(model, demonstrations(tmp_path / "demos.jsonl", 14), loop))
    finish(tmp_path / "evil", config(model, rows, {**loop, "data": {"source": str(rows), "max_response_tokens": 256}}))
    values = load("irft", flags=GIVEN).config.model_dump(mode="json")
    write_hostile_run(tmp_path / NAME, values)
    for arguments in (("debug", "batch", f"{NAME}/faults/{NAME}"), ("export", NAME)):
        code, seen = in_terminal(*arguments, cwd=tmp_path)
        assert code == 1, assert_harmless(seen)
    longer = ("--set", "data.max_response_tokens=256")
    for arguments in (
        ("check", "irft", "--model", "model", "--data", "rows.jsonl", *longer),
        ("score", "run", "--data", "rows.jsonl", *longer),
        ("sample", "run", "--prompts", "rows.jsonl", "--best-of", "2"),
        ("triage", "evil"),
        ("init", "--model", "model", "--data", "rows.jsonl", "--yes"),
    ):
        code, seen = in_terminal(*arguments, cwd=tmp_path)
        text = assert_harmless(seen)
        assert code == 0, (arguments, text)
        assert "Traceback" not in text


def test_a_console_that_is_full_or_closed_ends_no_run_and_no_command_with_a_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "said"

    def silent(stdout: str | None, *arguments: str) -> int:
        pid = os.fork()
        if not pid:
            try:
                os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
                os.dup2(os.open(stdout or os.devnull, os.O_WRONLY), 1)
                os.chdir(home)
                sys.stdout = os.fdopen(1, "w", closefd=False) if stdout else None
                sys.stderr = os.fdopen(2, "w", closefd=False)
                sys.argv = ["irltui", *arguments]
                from irltui.cli.main import main

                main()
            except SystemExit as end:
                os._exit(int(end.code or 0))
            finally:
                os._exit(70)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    for stdout, reason in (("/dev/full", "No space left"), (None, "it is closed")):
        for command in ("show", "doctor"):
            assert silent(stdout, command, OTHER) == 1
            assert f"standard output cannot be written: {reason}" in said.read_text().replace("[Errno 28] ", "")
    script = home / "quiet.py"
    script.write_text(
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from irltui.runs.events import Log, RunEnd\n"
        "from irltui.runs.folder import RunFolder\n"
        "from irltui.runs.writer import RunWriter\n"
        "with RunWriter(RunFolder(Path(sys.argv[1]))) as writer:\n"
        "    writer.write(Log(text='x' * 9000))\n"
        "    writer.write(RunEnd('finished'))\n"
    )
    monkeypatch.setattr(engine, "ENGINE", [sys.executable, "-u", str(script)])
    for i, more in enumerate(([], ["--json"])):
        arguments = ("run", "irft", "--model", "m", "--data", "d", "--out", f"full-{i}", "--headless", *more)
        assert silent("/dev/full", *arguments) == 0, said.read_text()

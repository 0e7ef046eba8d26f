"""Every `irltui` line of README and docs: its command and options exist, and the quick ones run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from dashboard.written_events import Script
from dashboard.written_run import write_run
from typer.testing import CliRunner

from irltui.cli.main import app
from irltui.config.presets import presets
from support.commands import PAGES, ROOT, SPOKEN_OF, arguments, command_lines

QUICK = {"presets", "runs", "show", "compare", "report", "doctor", "config"}


def lines() -> list[Any]:
    found = {}
    for path in PAGES:
        for line in command_lines(path):
            if re.match("irltui [a-z]", line.text):
                found.setdefault(line.text, line.place)
    return [pytest.param(command, id=place) for command, place in found.items()]


def checked(words: list[str], *, is_whole: bool) -> None:
    """Let each command's parser read its words; nothing is run.

    Args:
        words: without "irltui".
        is_whole: nothing was left out by "...".
    """
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    try:
        command.make_context("irltui", list(words))
    except SystemExit:  # --help, --version
        return
    except Exception as error:
        is_left_out = type(error).__name__ == "MissingParameter" or "requires an argument" in str(error)
        if is_whole or not is_left_out:
            raise AssertionError(f"{type(error).__name__}: {error}") from error


@pytest.fixture
def plugin_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that `--plugin` names in the docs: the parser reads and records them."""
    for name in ("brief.py", "judge.py", "mine.py", "my_reward.py"):
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("IRLTUI_TRUSTED_CODE", "")  # so that it is restored
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("plugin_files")
@pytest.mark.parametrize("command", lines())
def test_a_command_of_the_docs_exists_with_its_options(command: str) -> None:
    words = arguments(command)
    if SPOKEN_OF.fullmatch(command):
        checked(words, is_whole=False)
        return
    checked(words, is_whole="..." not in command)
    if words[:1] == ["run"] and len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]):
        assert words[1] in presets(), f"no preset {words[1]}"
    known = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    for key in re.findall(r"--set '?([a-z_.0-9]+)=", command):
        if not key.startswith(("benchmarks.", "plugins.")) and words[:2] != ["plugins", "check"]:
            assert f"`{key.rpartition('.')[2]}`" in known or key.startswith("study."), f"no option {key}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the runs that the docs speak of exist."""
    folder = tmp_path_factory.mktemp("home")
    short = Script(outer_iterations=2, inner_steps=3)
    for name, beta in (
        ("first", 0.1),
        ("sft", 0.2),
        ("irft", 0.3),
        ("a", 0.4),
        ("b", 0.5),
        ("quickstart", 0.6),
        ("try", 0.7),
    ):
        write_run(folder / "runs" / name, replace(short, beta=beta))
    (folder / "runs" / "quickstart" / "seed-0").mkdir()
    write_run(folder / "runs" / "quickstart2", short)
    (folder / "my.toml").write_text('[model]\nname = "m"\n[data]\nsource = "d"\n', encoding="utf-8")
    return folder


def quick() -> list[Any]:
    found = []
    for case in lines():
        words = arguments(case.values[0])
        left_out = "..." in case.values[0] or {"RUN", "RUN/run.json", "/data/runs"} & set(words)
        whole = words[:1] in (["presets"], ["runs"]) or not SPOKEN_OF.fullmatch(case.values[0])
        if words and words[0] in QUICK and whole and not left_out:
            found.append(case)
    return found


@pytest.mark.parametrize("command", quick())
def test_a_quick_command_of_the_docs_runs(command: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    words = arguments(command)
    if words[0] == "compare" and len([word for word in words[1:] if "/" in word]) == 1:
        words.insert(1, "runs/quickstart2")
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_enough_commands_are_looked_at() -> None:
    assert len(lines()) > 80
    assert len(quick()) > 8

"""What all commands have in common: quiet and verbose, colours, exit codes, completion."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from irltui import errors
from irltui.cli.main import app
from irltui.cli.options import _presets_and_files, _runs
from irltui.console import QUIET, VERBOSE

ROOT = Path(__file__).parents[3]


@pytest.fixture
def unset(monkeypatch) -> None:
    """The options leave their mark in the environment of this process, too."""
    for name in (QUIET, VERBOSE):
        monkeypatch.setenv(name, "")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "irltui", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


def test_quiet_prints_results_and_errors_alone(irltui, unset) -> None:
    assert irltui("runs").err
    assert irltui("--quiet", "runs").err == ""
    assert irltui("--quiet", "presets").out
    assert "no run here" in irltui("--quiet", "show", "nowhere").err


def test_verbose_adds_where_an_error_arose(irltui, unset) -> None:
    assert "Traceback" not in irltui("show", "nowhere").err
    told = irltui("--verbose", "show", "nowhere").err
    assert "Traceback" in told
    assert told.rstrip().endswith("no run here (run.json is missing)")


def test_no_color_is_heeded_even_where_colours_are_forced() -> None:
    assert "\x1b[" not in run("--help", NO_COLOR="1", TERM="xterm-256color").stdout


def commands(group: Any, *above: str) -> Iterator[tuple[str, ...]]:
    yield above
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *above, name)


@pytest.mark.parametrize("words", commands(typer.main.get_command(app)), ids=" ".join)
def test_every_help_has_examples_that_fit_eighty_columns_and_names_no_types(words: tuple[str, ...]) -> None:
    told = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*words, "--help"]).output
    examples = [line.strip() for line in told.partition("Examples:")[2].partition("╭")[0].splitlines() if line.strip()]
    assert examples
    continued = [False, *(line.endswith("\\") for line in examples)]
    for line, follows in zip(examples, continued, strict=False):
        assert line.startswith("--" if follows else "irltui"), f"broken in two: {line}"
    assert not re.search(r"<(str|bool|int|path|float)", told)


def test_the_short_form_of_help_serves_every_command() -> None:
    for words in (["-h"], ["run", "-h"], ["config", "show", "-h"]):
        told = CliRunner(env={"COLUMNS": "80"}).invoke(app, words)
        assert told.exit_code == 0
        assert "Examples:" in told.output


def test_every_exit_code_is_in_the_one_table_and_means_one_thing() -> None:
    constants = {name: value for name, value in vars(errors).items() if name.startswith("EXIT_") and name.isupper()}
    codes = constants.pop("EXIT_CODES")
    assert sorted(constants.values()) == sorted(codes)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.IrltuiError)]
    assert {kind.exit_code for kind in kinds} <= set(codes)


def test_no_command_ends_with_a_number_of_its_own() -> None:
    for file in [*(ROOT / "irltui" / "cli").glob("*.py"), *(ROOT / "irltui" / "use").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"sys.exit", "typer.Exit"}:
                numbers = [a for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, int)]
                assert not numbers, f"{file}:{node.lineno}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_presets_without_importing_torch(shell) -> None:
    words = "irltui run i"
    asked = {"_IRLTUI_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words, "COMP_WORDS": words}
    code = (
        "import sys, atexit; from irltui.cli.main import main; sys.argv = ['irltui']\n"
        "try: main()\n"
        "finally: assert not {'torch', 'transformers', 'textual'} & set(sys.modules)"
    )
    environment = {**os.environ, **asked, "COMP_CWORD": "2", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "irft" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_runs_and_files_are_completed(irltui, make_run, tmp_path) -> None:
    make_run("runs/first")
    (tmp_path / "runs" / "other").mkdir()
    (tmp_path / "mine.toml").touch()
    assert _runs("") == ["runs/first"]
    assert _runs("runs/o") == ["runs/other/"]
    assert _runs("gone/x") == []
    assert _presets_and_files("m") == ["mine.toml"]
    assert "irft" in _presets_and_files("")

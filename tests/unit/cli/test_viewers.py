"""Commands that look: presets, config, runs, show, ctl; and what all commands have in common."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer

from irltui.cli import ctl as ctl_module
from irltui.cli.main import app
from irltui.cli.runs import fitting
from irltui.config.layers import file_layer, value_layer
from irltui.config.load import load, load_layers
from irltui.console import columns
from irltui.runs import find
from irltui.runs.control import take
from irltui.runs.events import Control
from irltui.runs.lock import hold
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

GIVEN = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d")]


def test_version_and_help_go_to_stdout(irltui) -> None:
    assert irltui("--version").out == "irltui 0.1.0\n"
    assert "irltui run irft --model M" in irltui().out


def words_of(typer_app: typer.Typer) -> list[tuple[str, ...]]:
    """Every command as it is typed."""
    own = [(command.name or command.callback.__name__,) for command in typer_app.registered_commands]
    return own + [
        (*([group.name] if isinstance(group.name, str) else []), *words)
        for group in typer_app.registered_groups
        for words in words_of(group.typer_instance)
    ]


@pytest.mark.parametrize("words", words_of(app), ids=" ".join)
def test_every_command_has_examples_in_its_help(irltui, words) -> None:
    result = irltui(*words, "--help")
    assert result.code == 0
    assert f"irltui {' '.join(words)}" in result.out.partition("Examples:")[2]


def test_presets_are_listed_with_what_they_are(irltui) -> None:
    assert re.search(r"^irft +IRFT: ", irltui("presets").out, re.MULTILINE)
    assert {"name", "description"} == set(json.loads(irltui("presets", "--json").out)[0])


def test_the_shown_configuration_is_the_one_that_would_run(irltui) -> None:
    result = irltui("config", "show", "irft", "--model", "m", "--data", "d", "--set", "loop.batch=3")
    assert result.code == 0
    expected = load("irft", ["loop.batch=3"], flags=GIVEN)
    assert load_layers([file_layer("printed", result.out)]).config == expected.config
    assert "batch = 3                                     # --set loop.batch=3" in result.out


def test_configuration_and_schema_come_as_json_too(irltui) -> None:
    shown = json.loads(irltui("config", "show", "irft", "--model", "m", "--data", "d", "--json").out)
    assert shown["origins"]["model.name"] == "--model"
    assert json.loads(irltui("config", "schema").out)["required"] == ["model", "data"]


def test_runs_are_listed_newest_first_and_a_damaged_one_too(irltui, make_run, tmp_path) -> None:
    make_run("a", at=5_000)
    make_run("b", State.FAILED).manifest.write_text("{")
    (tmp_path / "c").mkdir()
    lines = irltui("runs", tmp_path).out.splitlines()
    assert lines[0].split("  ")[0] == "run"
    assert [line.split()[1:5] for line in lines[1:]] == [
        ["finished", "irft", "2/2", "4/4"],
        ["failed", "?", "2/2", "4/4"],
    ]
    rows = json.loads(irltui("runs", tmp_path, "--json").out)
    assert [(row["state"], row["values"]) for row in rows] == [
        ("finished", {"heldout/nll": 2.5}),
        ("failed", {"heldout/nll": 2.5}),
    ]


def test_folders_that_may_not_be_looked_into_hide_no_other_run(irltui, make_run, tmp_path, monkeypatch) -> None:
    make_run("mine")
    (tmp_path / "theirs").mkdir()
    scandir = os.scandir

    def refuse(path: Path):  # no permission stops root, this does
        if path.name == "theirs":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(find.os, "scandir", refuse)
    assert [row["run"] for row in json.loads(irltui("runs", tmp_path, "--json").out)] == [f"{tmp_path}/mine"]


def test_a_list_too_wide_for_the_terminal_goes_without_what_can_be_spared(irltui, make_run, tmp_path) -> None:
    make_run("a")
    table = [line.split("  ") for line in irltui("runs", tmp_path).out.splitlines()]
    table = [[cell.strip() for cell in line if cell.strip()] for line in table]
    whole = max(len(line) for line in columns(table).splitlines())
    assert fitting(table, whole) == table
    assert set(table[0]) - set(fitting(table, whole - 1)[0]) == {"outer"}
    assert fitting(table, 10)[0] == ["run", "state", "step", "reward gap", "held-out loss"]


def test_runs_of_a_grid_are_listed_beside_others(irltui, make_run, tmp_path) -> None:
    names = ["single", "grid/loop.batch=4", "both/loop.batch=4/seed-0", "both/loop.batch=4/seed-1"]
    for name in names:
        make_run(name)
    listed = json.loads(irltui("runs", tmp_path, "--json").out)
    assert sorted(row["run"] for row in listed) == sorted(f"{tmp_path}/{name}" for name in names)


def test_no_runs_yet_is_no_error_but_a_wrong_folder_is(irltui) -> None:
    result = irltui("runs")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no runs in runs; start one with `irltui run irft --model M --data D`\n"
    assert json.loads(irltui("runs", "--json").out) == []
    assert irltui("runs", "nowhere").err == (
        "error: nowhere: No such file or directory\nhint: Name a folder with runs.\n"
    )


def test_show_tells_figures_alerts_and_the_result(irltui, make_run) -> None:
    run = make_run()
    lines = irltui("show", run.path).out.splitlines()
    told = [line for line in lines if not re.match(r"\s*$|\s+step |.*[\u2800-\u28ff]|        \w", line)]
    assert "        reward gap, 1 not finite" in "\n".join(lines)
    assert told[1:] == [
        "model      m␛]52;c;eA==␇<U+202E>[/bold]",
        "data       d",
        "seed       0",
        "finished: 4/4 steps in 4m05s",
        "                           first                       last",
        "held-out NLL (nats/token)  3.25                        2.50",
        "reward gap                 0.500                       NaN",
        "training loss              0.693                       0.173",
        "gold: quality              0.500 [0.250, 0.750] (n 8)  0.500 [0.250, 0.750] (n 8)",
        f"model      {run.model}",
        f'next       AutoModelForCausalLM.from_pretrained("{run.model}"), '
        f"to share: irltui export {run.path}, to train on: --model {run.path}",
        "warning at step 3: Both fall␛]52;c;eA==␇<U+202E>[/bold]: raise reward.beta.",
    ]


def test_show_as_json_keeps_numbers_and_their_strings(irltui, make_run) -> None:
    shown = json.loads(irltui("show", make_run().path, "--json").out)
    assert (shown["state"], shown["last"]["reward/gap"], shown["first"]["heldout/nll"]) == ("finished", "nan", 3.25)


def test_show_tells_why_a_run_failed(irltui, make_run) -> None:
    run = make_run(state=State.FAILED)
    lines = irltui("show", run.path).out.splitlines()
    assert lines[-2:] == ["reason     the loss is nan", "hint       Lower the rate."]
    assert f"next       irltui run --resume {run.path}" in lines


def test_damaged_lines_are_counted_not_fatal(irltui, make_run) -> None:
    run = make_run()
    with run.events.open("ab") as file:
        file.write(b'{"seq": 1}\n{"seq": 99, "time": 5, "kind": "metrics", "values": 3, "step": "x"}\n\xff\n')
    assert irltui("show", run.path).out.splitlines()[-1] == "3 damaged lines in events.jsonl were skipped"


@pytest.mark.parametrize("words", [["show"], ["ctl"]])
def test_what_is_no_run_exits_with_3(irltui, words) -> None:
    result = irltui(*words, "nowhere", *(["stop"] if words == ["ctl"] else []))
    assert (result.code, result.err) == (3, "error: nowhere: no run here (run.json is missing)\n")


def test_what_may_not_be_read_is_named(irltui, make_run, monkeypatch) -> None:
    def refuse(folder: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(folder / "run.json"))

    monkeypatch.setattr("irltui.runs.folder.is_run", refuse)  # no permission stops root, this does
    result = irltui("bench", make_run().path.name, "--benchmark", "quickstart")
    assert (result.code, result.err) == (1, "error: a/run.json: Permission denied\n")


def test_a_folder_of_runs_is_no_run_and_how_to_list_it_is_said(irltui, make_run, tmp_path) -> None:
    make_run("five/seed-0")
    result = irltui("show", "five")
    assert result.code == 3
    assert result.err.endswith("hint: It holds runs: `irltui runs five` lists them.\n")


def answering(run, writer, states) -> threading.Thread:
    """An engine that answers one command."""

    def answer() -> None:
        while not (asked := take(run)):
            pass
        for state in states:
            writer.write(Control(id=asked[0].id, command=asked[0].command, state=state, detail=asked[0].text))

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("words", "states", "code", "said"),
    [
        (["pause"], ["accepted", "applied"], 0, "pause: accepted\npause: applied\n"),
        (["sample", "Who?"], ["applied"], 0, "sample: applied: Who?\n"),
        (["checkpoint"], ["accepted", "rejected"], 1, "checkpoint: accepted\ncheckpoint: rejected\n"),
    ],
)
def test_ctl_waits_for_the_engines_answer(irltui, make_run, words, states, code, said) -> None:
    run = make_run(working=True)
    with hold(run), RunWriter(run) as writer:
        engine = answering(run, writer, states)
        result = irltui("ctl", run.path, *words)
        engine.join()
    assert (result.code, result.out, result.err) == (code, said, "")


def test_ctl_says_so_when_no_answer_comes(irltui, make_run, monkeypatch) -> None:
    monkeypatch.setattr(ctl_module, "PATIENCE", 0.0)
    run = make_run(working=True)
    with hold(run):
        result = irltui("ctl", run.path, "pause")
    assert (result.code, result.out) == (0, "")
    assert result.err == f"pause: sent; the engine answers at its next safe point (see `irltui show {run.path}`)\n"


def test_ctl_refuses_a_run_without_an_engine(irltui, make_run) -> None:
    run = make_run()
    result = irltui("ctl", run.path, "pause")
    assert result.code == 1
    assert result.err == (
        f"error: {run.path}: no engine is working on this run: it is finished\n"
        f"hint: Continue it with `irltui run --resume {run.path}`.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["jump"], "'jump' is none of pause, resume, checkpoint, stop, sample, note"),
        (["note"], "note needs a text"),
        (["pause", "now"], "pause takes no text"),
    ],
)
def test_ctl_knows_its_commands(irltui, make_run, monkeypatch, words, message) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = irltui("ctl", make_run().path, *words)
    assert result.code == 2
    assert message in result.err


def test_viewers_never_import_what_the_engine_needs(make_run, tmp_path) -> None:
    run = make_run()
    code = f"""
import sys
from irltui.cli.main import main
for words in (
    ["presets"], ["config", "show", "irft", "--model", "m", "--data", "d"], ["config", "schema"],
    ["runs", {str(tmp_path)!r}], ["show", {str(run.path)!r}], ["ctl", {str(run.path)!r}, "stop"],
):
    sys.argv = ["irltui", *words]
    try:
        main()
    except SystemExit:
        pass
    heavy = {{"torch", "transformers", "accelerate", "datasets", "peft", "numpy", "textual"}} & set(sys.modules)
    assert not heavy, (words, heavy)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_help_imports_the_declarations_alone() -> None:
    code = """
import sys
from irltui.cli.main import main
sys.argv = ["irltui", "--help"]
try:
    main()
except SystemExit:
    pass
assert not {"pydantic", "numpy", "asyncio", "irltui.runs.events", "irltui.config.load"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_python_dash_m_is_the_console_script() -> None:
    command = [sys.executable, "-m", "irltui", "--version"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "irltui 0.1.0\n"

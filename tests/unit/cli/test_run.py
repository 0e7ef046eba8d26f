"""`irltui run`: the folder it makes, the engine it starts, what it says about its end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from irltui.experiments import process as engine_module
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest

GOOD = "start(); writer.write(Metrics(step=2, values={'heldout/nll': 2.0})); end('finished', 0)"
ARGUMENTS = ("irft", "--model", "m", "--data", "d", "--headless")


def test_a_run_is_configured_started_followed_and_summed_up(irltui, stand_in, tmp_path) -> None:
    (tmp_path / "demos.jsonl").touch()
    stand_in("print('loading'); run.model.mkdir();" + GOOD)
    result = irltui(
        "run", "irft", "--model", "org/m", "--data", "demos.jsonl", "--out", "a", "--seed", "3", "--headless"
    )
    manifest = read_manifest(RunFolder(tmp_path / "a"))
    assert result.code == 0
    assert result.out.splitlines() == [
        "finished: 2/2 steps in 0s",
        "                           first  last",
        "held-out NLL (nats/token)  2.00   2.00",
        "model      a/model",
        'next       AutoModelForCausalLM.from_pretrained("a/model"), to share: irltui export a, to train on: --model a',
    ]
    assert [line[10:] for line in result.err.splitlines()[1:]] == [
        "irft: 1 outer iterations, 2 steps (pid 1)",
        "outer 1  step 2  heldout/nll 2.00",
        "finished",
    ]
    assert manifest.config["data"]["source"] == str(tmp_path / "demos.jsonl")
    assert manifest.config["seed"] == 3
    assert manifest.origins["seed"] == "--seed"
    assert (tmp_path / "a" / "console.log").read_text() == "loading\n"


def test_without_out_the_folder_is_named_after_preset_and_time(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    irltui("run", *ARGUMENTS)
    irltui("run", *ARGUMENTS)
    first, second = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert first.startswith("irft-2")
    assert first != second


def test_run_json_repeats_a_run_under_its_first_name(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    irltui("run", *ARGUMENTS, "--set", "loop.batch=3")
    (first,) = (tmp_path / "runs").iterdir()
    irltui("run", first / "run.json")
    (second,) = {*(tmp_path / "runs").iterdir()} - {first}
    assert second.name.startswith("irft-2")
    assert read_manifest(RunFolder(first)).config == read_manifest(RunFolder(second)).config


def test_json_prints_every_event_as_one_line_and_nothing_else(irltui, stand_in) -> None:
    stand_in("start(); writer.write(Log(level='info', text='\\x1b[31m\\u202e')); end('finished', 0)")
    result = irltui("run", *ARGUMENTS, "--json")
    assert [json.loads(line)["kind"] for line in result.out.splitlines()] == ["run_start", "log", "run_end"]
    assert result.out.isascii()
    assert "\x1b" not in result.out


def test_a_failed_run_tells_reason_hint_and_last_words_and_keeps_the_exit_code(irltui, stand_in) -> None:
    stand_in("start(); print('Traceback \\x1b[31m'); end('failed', 1, 'the loss is nan', 'Lower the rate.')")
    result = irltui("run", *ARGUMENTS, "--out", "a")
    assert result.code == 1
    assert result.err.splitlines()[-4:] == [
        "last lines of a/console.log:",
        "  Traceback ␛[31m",
        "error: the loss is nan",
        "hint: Lower the rate.",
    ]
    assert result.out.splitlines()[-1] == "next       irltui run --resume a"


@pytest.mark.parametrize(
    ("lines", "code", "message"),
    [
        ("sys.exit(0)", 1, "error: the engine ended without reporting a reason (exit code 0)"),
        ("sys.exit(3)", 3, "error: the engine ended without reporting a reason (exit code 3)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1, "error: the engine was killed (SIGKILL)"),
        ("start(); end('failed', 2, 'no such file')", 2, "error: no such file"),
    ],
)
def test_every_end_has_its_exit_code_and_its_word(irltui, stand_in, lines, code, message) -> None:
    stand_in(lines)
    result = irltui("run", *ARGUMENTS)
    assert (result.code, message in result.err.splitlines()) == (code, True)


def test_a_run_that_could_not_be_used_is_corrected_not_resumed(irltui, stand_in) -> None:
    stand_in("start(); end('failed', 2, 'no such file')")
    result = irltui("run", *ARGUMENTS, "--out", "a")
    assert result.out.splitlines()[-1] == "next       irltui run a/run.json, corrected by --model, --data or --set"


def test_a_preempted_run_exits_with_75_and_says_how_to_go_on(irltui, stand_in) -> None:
    stand_in("start(); end('preempted', 75, 'told to terminate (SIGTERM)')")
    result = irltui("run", *ARGUMENTS, "--out", "a")
    assert result.code == 75
    assert result.out.splitlines() == ["preempted: 0/2 steps in 0s", "next       irltui run --resume a"]


def test_resume_continues_without_repeating_what_was_said_before(irltui, stand_in) -> None:
    stand_in("start(); end('stopped', 0)")
    irltui("run", *ARGUMENTS, "--out", "a")
    stand_in("start(resumed=1); end('finished', 0)")
    result = irltui("run", "--resume", "a", "--headless")
    assert [line[10:] for line in result.err.splitlines()[1:]] == [
        "irft: 1 outer iterations, 2 steps, continued from step 1 (pid 1)",
        "finished",
    ]


def test_a_run_whose_folder_cannot_be_written_is_told(irltui, stand_in) -> None:
    stand_in("start(); end('stopped', 0)")
    irltui("run", *ARGUMENTS, "--out", "a")
    Path("a/console.log").unlink()
    Path("a/console.log").mkdir()  # no permission stops root, this does
    result = irltui("run", "--resume", "a", "--headless")
    assert (result.code, result.err.splitlines()[0]) == (1, "error: a/console.log: a folder at the place of a file")


def test_an_end_of_an_earlier_attempt_is_no_end_of_this_one(irltui, stand_in) -> None:
    stand_in("start(); end('finished', 0)")
    irltui("run", *ARGUMENTS, "--out", "a")
    stand_in("sys.exit(0)")
    assert irltui("run", "--resume", "a").code == 1


STOPPABLE = """
start()
while not (asked := take(run)):
    time.sleep(0.01)
end("stopped", 130, asked[0].command)
"""
STUBBORN = "start()\nwhile True: time.sleep(0.01)\n"
TERMINABLE = "signal.signal(signal.SIGTERM, lambda *_: end('preempted', 75))\nstart()\nwhile True: time.sleep(0.01)\n"


@pytest.mark.parametrize(
    ("lines", "signals", "code", "said"),
    [
        (STOPPABLE, [signal.SIGINT], 130, "stopped: stop"),
        (STUBBORN, [signal.SIGINT, signal.SIGINT], 130, "error: the engine was killed by Ctrl-C; "),
        (TERMINABLE, [signal.SIGTERM], 75, "preempted"),
    ],
    ids=["ctrl-c stops", "twice kills", "sigterm is passed on"],
)
def test_signals_reach_the_engine_as_what_they_mean(stand_in, tmp_path, lines, signals, code, said) -> None:
    stand_in(lines)
    program = f"""
import sys
from irltui.experiments import process as engine
from irltui.cli.main import main
engine.ENGINE = {engine_module.ENGINE!r}
sys.argv = ["irltui", "run", "irft", "--model", "m", "--data", "d", "--out", "a", "--headless"]
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        heard = []
        for line in process.stderr:
            heard.append(line)
            # The next signal goes when the one before has been answered.
            if "irft: 1 outer" in line or "Ctrl-C again" in line:
                process.send_signal(signals.pop(0)) if signals else None
    assert process.returncode == code
    assert said in "".join(heard)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "name a preset (`irltui presets` lists them), a TOML file or a run.json; or --resume RUN"),
        (["run", "irft", "--resume", "a"], "continues a run with its own configuration"),
        (["run", "irft", "--sed", "1"], "No such option: --sed"),
        (["run", "irft"], "model.name: required; give --model\ndata.source: required; give --data\n"),
        (["run", "irtf"], "irtf: no such preset, TOML file or run.json; did you mean 'irft'?\nhint: "),
    ],
)
def test_wrong_usage_exits_with_2_and_leaves_no_folder(irltui, tmp_path, monkeypatch, arguments, message) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = irltui(*arguments)
    assert result.code == 2
    assert message in result.err
    assert not list(tmp_path.iterdir())


def test_resuming_what_is_no_run_exits_with_3(irltui) -> None:
    result = irltui("run", "--resume", "nowhere")
    assert (result.code, result.err) == (3, "error: nowhere: no run here (run.json is missing)\n")


def test_a_folder_that_holds_a_run_is_not_written_over(irltui, make_run) -> None:
    run = make_run()
    result = irltui("run", *ARGUMENTS, "--out", run.path)
    assert result.code == 1
    assert (
        result.err
        == f"error: {run.path}: already holds a run\nhint: Continue it with --resume, or choose another --out.\n"
    )


def test_without_a_terminal_it_goes_headless_with_one_notice(irltui, stand_in) -> None:
    stand_in(GOOD)
    result = irltui("run", *ARGUMENTS[:-1], "--out", "a")
    assert result.err.splitlines()[0] == "no terminal for the dashboard: running headless"


def test_under_a_launcher_the_process_becomes_the_engine(tmp_path, stand_in) -> None:
    stand_in("print(os.getpid()); end('finished', 0)")
    program = f"""
import sys
from irltui.experiments import process as engine
from irltui.cli.main import main
engine.ENGINE = {engine_module.ENGINE!r}
sys.argv = ["irltui", "run", "irft", "--model", "m", "--data", "d", *sys.argv[1:]]
main()
"""
    environment = {**os.environ, "RANK": "0", "WORLD_SIZE": "1"}
    command = [sys.executable, "-c", program]
    with subprocess.Popen([*command, "--out", "a"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as process:
        printed, _ = process.communicate()
    assert (process.returncode, int(printed)) == (0, process.pid)
    refused = subprocess.run(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert refused.returncode == 2
    assert "--out" in refused.stderr
    assert not Path(tmp_path / "runs").exists()

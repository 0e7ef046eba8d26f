"""One log, resumed, damaged and partly of a newer version, says the same on every surface."""

from __future__ import annotations

import asyncio
import html
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from irltui.cli import live, planned_runs
from irltui.cli.main import main
from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.dashboard.store import Store
from irltui.experiments.local import Job
from irltui.experiments.plan import PlannedRun
from irltui.report.page import page
from irltui.runs.event_lines import encode
from irltui.runs.events import (
    Advice,
    Alert,
    Evaluation,
    Event,
    Figure,
    Metrics,
    PhaseProgress,
    RunEnd,
    RunStart,
    Sample,
)
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.reader import read_history
from irltui.use.card import card
from irltui.use.card_facts import Exported, facts
from irltui.views.arms import sides_of
from irltui.views.final_figures import final_rows
from irltui.views.loaded_runs import load_runs
from irltui.views.replay import Moment

VOID = (
    "9.12",
    "9.125",
    "7.12",
    "7.125",
    "an alert of lost steps",
    "advice of lost steps",
    "lost_benchmark",
    "lost answer",
)


def step(number: int, **values: float) -> Metrics:
    return Metrics({k.replace("_", "/", 1): v for k, v in values.items()}, number, 0, number, 10 * number, 2.0 * number)


def result(mean: float) -> dict[str, Figure]:
    return {"quality": Figure(mean, mean - 0.25, mean + 0.25, 8)}


FIRST_ATTEMPT: tuple[Event, ...] = (
    RunStart(1, "box", "irft", 4, 1),
    Metrics({"heldout/nll": 3.25}, 0, -1),
    Evaluation(result(0.25), "gold", 0, -1),
    step(1, train_loss=0.5, reward_gap=0.25),
    step(2, train_loss=math.nan, reward_gap=0.5),
    Alert(2, "warning", "both_down", "an alert that counts"),
)
LOST: tuple[Event, ...] = (
    step(3, train_loss=9.125, heldout_nll=7.125, reward_gap=math.inf),
    Alert(3, "warning", "overshoot", "an alert of lost steps"),
    Advice(3, 0, "stop", "advice of lost steps"),
    Evaluation(result(0.125), "lost_benchmark", 3, 0),
    Sample(3, 0, "p", "Who?", "I.", "lost answer"),
)
SECOND_ATTEMPT: tuple[Event, ...] = (
    PhaseProgress("update", 0, 2, 4, "steps"),
    step(3, train_loss=0.375, reward_gap=0.75),
    step(4, train_loss=0.3125, reward_gap=1.5),
    Metrics({"heldout/nll": 2.75}, 4, 0, 4, 40, 9.0),
    Evaluation(result(0.5), "gold", 4, 0),
    Sample(4, 0, "p", "Who?", "I.", "kept answer"),
    Advice(4, 0, "go_on", "advice that counts"),
    RunEnd("finished"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The log on disk, with two damaged lines and two things of a newer version."""
    made = create_run_folder(tmp_path_factory.mktemp("runs") / "run")
    flags = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d")]
    loaded = load("irft", flags=flags)
    write_manifest(made, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
    resumed = RunStart(2, "box", "irft", 4, 1, resumed_step=2, resumed_seq=len(FIRST_ATTEMPT))
    lines = []
    for seq, event in enumerate((*FIRST_ATTEMPT, *LOST, resumed, *SECOND_ATTEMPT)):
        line = json.loads(encode(event))
        lines.append(json.dumps(line | {"seq": seq, "time": 1_000.0 + seq}).encode())
    lines.insert(4, b'{"seq": 3, "time": 1003.0, "kind": "metrics", "values": {"train/loss": "high"}}')
    lines.insert(5, b"\xff torn")
    lines.insert(6, b'{"seq": 4, "time": 1003.5, "kind": "hologram", "values": 3}')
    lines[-1] = lines[-1][:-1] + b', "colour": "red"}'
    made.events.write_bytes(b"\n".join(lines) + b"\n")
    made.model.mkdir()
    return made


@pytest.fixture
def irltui(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["irltui", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out + printed.err

    return call


def told_right(text: str) -> None:
    """Nothing void, nothing raw."""
    assert not [words for words in VOID if words in text]


def test_the_history_holds_what_counts(run: RunFolder) -> None:
    history = read_history(run.events)
    assert (history.step, history.damaged, history.unknown) == (4, 2, 2)
    assert (history.first("heldout/nll"), history.last("heldout/nll")) == (3.25, 2.75)
    assert list(history.metrics["reward/gap"].values) == [0.25, 0.5, 0.75, 1.5]


def test_show_says_it(run: RunFolder, irltui: Callable[..., str]) -> None:
    text = irltui("show", run.path)
    told_right(text)
    assert re.search(r"held-out NLL.* 3\.25 +2\.75", text)
    assert re.search(r"training loss.* 0\.500 +0\.312", text)
    assert re.search(r"gold: quality +0\.250 .* 0\.500 ", text)
    for words in ("finished: 4/4 steps", "advice that counts", "an alert that counts", "2 damaged lines"):
        assert words in text
    assert "2 kinds or fields of a newer irltui" in text


def test_show_as_json_says_it(run: RunFolder, irltui: Callable[..., str]) -> None:
    text = irltui("show", run.path, "--json")
    told_right(text)
    found = json.loads(text)
    assert (found["state"], found["step"], found["damaged"], found["unknown"]) == ("finished", 4, 2, 2)
    assert (found["first"]["heldout/nll"], found["last"]["heldout/nll"]) == (3.25, 2.75)
    assert [(e["first"]["mean"], e["last"]["mean"]) for e in found["evaluations"]] == [(0.25, 0.5)]
    assert [row["text"] for row in found["alerts"]] == ["an alert that counts"]
    assert [row["text"] for row in found["advice"]] == ["advice that counts"]


def test_watch_says_it(run: RunFolder, irltui: Callable[..., str]) -> None:
    text = irltui("watch", run.path, "--headless")
    told_right(text)
    assert "outer 1  step 4  train/loss 0.312  reward/gap 1.50" in text
    assert "outer 1  step 2  train/loss NaN  reward/gap 0.500" in text
    told_right(irltui("watch", run.path, "--json"))


def drawn(renderable: object) -> str:
    console = Console(width=200, record=True, file=None, no_color=True)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_the_live_display_says_it(run: RunFolder) -> None:
    text = drawn(live.draw(read_history(run.events)))
    told_right(text)
    for words in ("4/4", "0.312", "1.50", "2.75", "advice that counts", "an alert that counts"):
        assert words in text


def test_the_table_of_a_study_says_it(run: RunFolder) -> None:
    text = drawn(planned_runs._table([Job(PlannedRun("seed-0/irft", "irft", 0), run)]))
    told_right(text)
    assert re.search(r"finished .*4/4 +1\.50 .*2\.75", text)


def test_the_dashboard_says_it(run: RunFolder) -> None:
    store = Store(run.path.parent)
    opened = store.open_run(run.path)

    async def read() -> None:
        await store.look()
        while not opened.loaded:
            await opened.look()

    asyncio.run(read())
    moment = Moment(opened.history)
    assert (opened.state, moment.step, opened.history.damaged) == ("finished", 4, 2)
    assert [line.status.state for line in store.lines] == ["finished"]
    assert list(moment.curve("reward/gap").y) == [0.25, 0.5, 0.75, 1.5]
    assert moment.last("heldout/nll") == 2.75
    assert [message.text for message in moment.alerts()] == ["an alert that counts", "advice that counts"]
    assert [sample.generation for sample in moment.samples(0).values()] == ["kept answer"]
    assert [evaluation.benchmark for evaluation in moment.evaluations()] == ["gold", "gold"]


def test_compare_says_it(run: RunFolder, irltui: Callable[..., str], tmp_path: Path) -> None:
    other = create_run_folder(tmp_path / "other")
    for name in ("run.json", "events.jsonl"):
        (other.path / name).write_bytes((run.path / name).read_bytes())
    text = irltui("compare", run.path, other.path)
    told_right(text)
    assert "kept answer" in text
    found = json.loads(irltui("compare", run.path, other.path, "--json"))
    last = {row["metric"]: row["estimates"][0]["mean"] for row in found["final"]}
    assert (last["heldout/nll"], last["reward/gap"], last["gold/quality"]) == (2.75, 1.5, 0.5)
    assert found["curves"]["reward/gap"][0][0]["value"] == [0.25, 0.5, 0.75, 1.5]
    assert [side["runs"][0]["step"] for side in found["sides"]] == [4, 4]


def test_the_report_says_it(run: RunFolder) -> None:
    text = html.unescape(page(sides_of(load_runs([run.path])), [read_manifest(run)], samples=3))
    told_right(re.sub(r"<(svg|style).*?</\1>", "", text, flags=re.DOTALL))
    for words in ("4 of 4", "2.75", "kept answer", "an alert that counts", "advice that counts", "2 damaged lines"):
        assert words in text


def test_the_model_card_says_it(run: RunFolder) -> None:
    found = facts(run.path, run, Exported())
    told_right(card(found))
    history: RunHistory = found.run.history
    assert (history.step, history.last("heldout/nll"), found.run.state) == (4, 2.75, "finished")
    (side,) = sides_of([found.run])
    assert {row.name: row.estimates[0].mean for row in final_rows([side]) if row.estimates[0]}["heldout/nll"] == 2.75
    assert "an alert that counts" in card(found)

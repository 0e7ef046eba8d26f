"""irltui from Python: a run is started, followed, read and used as from the command line."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import irltui
from irltui.errors import ConfigError, IrltuiError, NoRunError, RunFolderError
from irltui.runs.events import Kind
from irltui.runs.status import State
from support.runs import config, demonstrations
from support.tiny import folder

NOTEBOOK = Path(__file__).parents[2] / "docs" / "guides" / "python.ipynb"


def leaves(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Options by dotted keys, as `run` takes them."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    here = tmp_path_factory.mktemp("inputs")
    source = demonstrations(here / "demos.jsonl", 14)
    options = leaves(config(folder(here / "model"), source))
    return {"model": options.pop("model.name"), "data": options.pop("data.source"), "options": options}


@pytest.fixture(scope="module")
def finished(inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[irltui.Run, list[Any]]:
    run = irltui.run("irft", out=tmp_path_factory.mktemp("runs") / "first", seed=3, **inputs)
    return run, list(run.events())


def test_a_run_started_from_python_is_followed_to_its_end(finished) -> None:
    run, events = finished
    assert run.state is State.FINISHED
    assert Kind.RUN_START in [event.kind for event in events]
    assert events[-1].kind == Kind.RUN_END
    assert (run.config["seed"], run.config["algorithm"]) == (3, "irft")
    assert run.wait(0) is State.FINISHED
    assert [event.seq for event in irltui.load_run(run.path).events()] == [event.seq for event in events]


def test_the_history_holds_every_value_of_the_log(finished) -> None:
    run, events = finished
    history = run.history()
    assert list(history.columns[:4]) == ["step", "outer_iteration", "seconds", "tokens"]
    measured = [event for event in events if event.kind == Kind.METRICS]
    for name in ("reward/gap", "heldout/nll", "train/loss"):
        logged = [event.values[name] for event in measured if name in event.values]
        assert history[name].dropna().tolist() == logged
    assert set(history["outer_iteration"]) == {1, 2}


def test_samples_are_a_row_per_outer_iteration_and_prompt(finished) -> None:
    samples = finished[0].samples()
    assert sorted(samples["outer_iteration"]) == [0, 0, 1, 1, 2, 2]
    assert samples["prompt_id"].nunique() == 2


def test_a_plot_shows_the_asked_metric_and_names_those_there_are(finished) -> None:
    run, _ = finished
    assert run.plot().axes[0].get_legend() is not None
    assert run.plot("train/learning_rate").axes[0].get_title(loc="left")
    with pytest.raises(ConfigError, match="no curve of nix") as error:
        run.plot("nix")
    assert "reward/gap" in error.value.hint


def test_rewards_belong_to_their_rows_and_answers_to_their_prompts(finished, inputs) -> None:
    run, _ = finished
    rows = [json.loads(line) for line in Path(inputs["data"]).read_text().splitlines()][:3]
    prompts, completions = [row["prompt"] for row in rows], [row["completion"] for row in rows]
    scores = run.reward.score(prompts, completions)
    assert all(map(math.isfinite, scores))
    assert run.reward.score(prompts[::-1], completions[::-1]) == pytest.approx(scores[::-1], abs=1e-5)
    answers = run.generate([prompts[0], [{"role": "user", "content": prompts[0]}]], {"temperature": 0})
    assert answers[0] == answers[1]
    assert run.reward.score([], []) == []


def test_rows_that_cannot_be_used_are_named(finished) -> None:
    run, _ = finished
    with pytest.raises(IrltuiError, match="1 of 2 rows cannot be used; row 2: empty completion"):
        run.reward.score(["a", "b"], ["c", ""])
    with pytest.raises(ValueError, match="zip"):
        run.reward.score(["a", "b"], ["c"])
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        run.generate(["a"], {"temprature": 0})


def test_a_run_is_stopped_and_resumed(inputs, tmp_path) -> None:
    options = inputs["options"] | {"loop.passes": 40}
    run = irltui.run("irft", out=tmp_path / "long", **(inputs | {"options": options}))
    next(event for event in run.events() if event.kind == Kind.METRICS)
    with pytest.raises(RunFolderError):
        run.resume()
    with pytest.raises(TimeoutError, match="still"):
        run.wait(0)
    with pytest.raises(ValueError, match="no command is called 'halt': use one of pause"):
        run.send("halt")
    assert run.stop() is State.STOPPED
    with pytest.raises(RunFolderError, match="no result yet"):
        run.generate(["a"])
    run.resume()
    starts = (event for event in run.events() if event.kind == Kind.RUN_START)
    assert [next(starts).resumed_step is None, next(starts).resumed_step is None] == [True, False]
    assert run.stop() is State.STOPPED


def test_what_cannot_be_started_or_opened_says_why(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'batch'"):
        irltui.run("irft", model="quickstart", data="quickstart", options={"loop.batchs": 3})
    with pytest.raises(ConfigError, match="quickstart is a study of several runs"):
        irltui.run("quickstart")
    with pytest.raises(NoRunError):
        irltui.load_run("nowhere")
    assert list(tmp_path.iterdir()) == []


def test_the_python_api_imports_neither_torch_nor_pandas() -> None:
    code = """
import sys
from irltui import load_run, run
heavy = {"torch", "transformers", "datasets", "pandas", "matplotlib", "textual"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom() -> None:
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert [output for output in cell["outputs"] if output["output_type"] == "error"] == []
            exec("".join(line for line in cell["source"] if not line.startswith("%")), names)
    demonstrations_, generations = [sum(scores) for scores in names["scores"]]
    assert demonstrations_ > generations

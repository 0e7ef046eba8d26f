"""What is said of several runs, on run folders written by a script."""

from __future__ import annotations

import json
import math
import re
from array import array
from dataclasses import replace
from pathlib import Path

import pytest
from dashboard.written_events import Script
from dashboard.written_run import HOSTILE, write_run
from typer.testing import CliRunner

from irltui.cli.main import app
from irltui.errors import NoRunError
from irltui.experiments.plan import Plan, PlannedRun, read_plan, write_plan
from irltui.runs.events import Evaluation, Figure, Metrics
from irltui.runs.folder import RunFolder
from irltui.runs.writer import RunWriter
from irltui.views.answers import answers
from irltui.views.arms import Side, side_differences, sides_of
from irltui.views.effects import since_start
from irltui.views.final_figures import ITEMS, SEEDS, final_rows, over_seeds
from irltui.views.loaded_runs import ComparedRun, load_runs
from irltui.views.study import study_result
from irltui.views.text_charts import charts

SHORT = Script(outer_iterations=2, inner_steps=4, nan_at=())


def with_items(run: RunFolder, shift: float = 0.0, count: int = 20) -> RunFolder:
    """Store the items of the last evaluation."""
    (run.evaluations / "gold-0001.jsonl").write_text(items(count, shift), encoding="utf-8")
    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms over three seeds, the second one a little better on every item."""
    folder = tmp_path_factory.mktemp("study") / "s"
    starts = {"a": "", "b": "seed-{}/a"}
    runs = [PlannedRun(f"seed-{s}/{arm}", arm, s, start.format(s)) for s in (0, 1, 2) for arm, start in starts.items()]
    write_plan(Plan(folder_made(folder), tuple(runs), compare=("b", "a"), metric="gold/quality"))
    for seed in (0, 1, 2):
        for arm, beta, shift in (("a", 0.1, 0.0), ("b", 0.5, 0.1)):
            place = folder / f"seed-{seed}" / arm
            start = {"model.name": str(folder / f"seed-{seed}" / "a" / "model")} if arm == "b" else {}
            with_items(write_run(place, replace(SHORT, seed=seed, beta=beta, config=start)), shift + 0.01 * seed)
    return folder


def items(count: int, shift: float) -> str:
    """The stored items of an evaluation."""
    rows = [{"item": f"i{i}", "metric": "quality", "value": i % 5 / 5 + shift} for i in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def folder_made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def row(sides: list[Side], name: str):
    return next(row for row in final_rows(sides) if row.name == name)


def test_runs_that_differ_by_seed_only_are_one_side_also_when_they_start_from_runs_of_their_seed(study: Path) -> None:
    sides = sides_of(load_runs([study]))
    assert [(side.name, side.seeds) for side in sides] == [("a", ("0", "1", "2")), ("b", ("0", "1", "2"))]
    found = side_differences(sides)
    assert found["reward.beta"] == ["0.1", "0.5"]
    assert "seed" not in found
    assert "seed-*" in found["model.name"][1]


def test_the_folder_of_a_grid_stands_for_its_points_and_that_of_a_point_for_its_seeds(tmp_path: Path) -> None:
    for beta in (0.1, 0.5):
        for seed in (0, 1):
            write_run(tmp_path / f"reward.beta={beta}" / f"seed-{seed}", replace(SHORT, seed=seed, beta=beta))
    (tmp_path / "submitit").mkdir()
    points = [tmp_path / f"reward.beta={beta}" for beta in (0.1, 0.5)]
    for paths in ([tmp_path], points):
        sides = sides_of(load_runs(paths))
        assert [(side.name, side.seeds) for side in sides] == [(point.name, ("0", "1")) for point in points]


def test_the_same_run_twice_is_one_and_a_repetition_is_no_seed(tmp_path: Path) -> None:
    first, again = write_run(tmp_path / "x", SHORT), write_run(tmp_path / "y", SHORT)
    assert len(load_runs([first.path, first.path])) == 1
    assert [side.name for side in sides_of(load_runs([first.path, again.path]))] == ["x", "y"]


def test_metrics_have_intervals_over_seeds_and_benchmarks_over_items(study: Path) -> None:
    sides = sides_of(load_runs([study]))
    gap = row(sides, "reward/gap").estimates[0]
    assert gap is not None
    assert (gap.over, gap.n) == (SEEDS, 3)
    assert gap.low < gap.mean < gap.high
    quality = row(sides, "gold/quality")
    first = quality.estimates[0]
    assert first is not None
    assert (first.over, first.n) == (ITEMS, 20)
    assert first.mean == pytest.approx(0.41)
    difference = quality.against_first[1]
    assert difference is not None
    assert difference.verdict == 1
    assert difference.by_seed == pytest.approx((0.1, 0.1, 0.1))
    assert quality.against_first[0] is None


def test_students_t_over_two_seeds_is_wide() -> None:
    found = over_seeds([1.0, 2.0])
    assert found is not None
    assert found.high - found.mean == pytest.approx(12.706 * 0.5)
    assert over_seeds([]) is None
    alone = over_seeds([1.0])
    assert alone is not None
    assert math.isnan(alone.low)
    broken = over_seeds([1.0, math.nan])
    assert broken is not None
    assert math.isnan(broken.mean)


def test_without_stored_items_a_benchmark_keeps_the_interval_of_its_event(tmp_path: Path) -> None:
    runs = load_runs([write_run(tmp_path / name, replace(SHORT, beta=b)).path for name, b in (("x", 0.1), ("y", 0.2))])
    found = row(sides_of(runs), "gold/quality")
    assert [estimate and (estimate.over, estimate.n) for estimate in found.estimates] == [(ITEMS, 64)] * 2
    assert found.against_first == (None, None)


def test_damaged_items_are_not_stored_ones(tmp_path: Path) -> None:
    runs = [with_items(write_run(tmp_path / name, replace(SHORT, beta=b))) for name, b in (("x", 0.1), ("y", 0.2))]
    (runs[1].evaluations / "gold-0001.jsonl").write_text("{\n", encoding="utf-8")
    found = row(sides_of(load_runs([run.path for run in runs])), "gold/quality")
    assert found.against_first == (None, None)


def test_answers_of_runs_meet_at_the_same_prompt(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", SHORT)
    two = write_run(
        tmp_path / "two", replace(SHORT, prompts={"p7": ("Why is the sky blue?", "Air."), "p8": ("?", "!")})
    )
    found = answers([run.history for run in load_runs([one.path, two.path])])
    assert found[0].prompt == "Why is the sky blue?"
    assert all(sample is not None for sample in found[0].samples)
    assert found[-1].samples[0] is None


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoRunError, match="nowhere: no run here"):
        load_runs([tmp_path / "nowhere"])


def test_what_was_measured_once_is_not_compared_with_its_start(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", replace(SHORT, seed=0))
    with RunWriter(run) as writer:
        writer.write(Metrics({"heldout/once": 0.5}, step=8))
    names = {effect.name for effect in since_start(sides_of(load_runs([run.path]))[0]).effects}
    assert "heldout/nll" in names
    assert "heldout/once" not in names


# -- the command ------------------------------------------------------------------------------


def test_compare_prints_configuration_figures_curves_and_samples(study: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(study)], env={"COLUMNS": "140"}, catch_exceptions=False)
    assert done.exit_code == 0
    for words in (
        "━━ a",
        "╺╸ b",
        "reward.beta",
        "seeds 0, 1, 2",
        "Better: b against a, gold: quality +0.100",
        "95 % over 20 items",
        "±0.",
    ):
        assert words in done.output, words
    assert "Why is the sky blue?" in done.output
    assert "reward gap" in done.output
    assert max(map(len, done.output.splitlines())) <= 140


def test_compare_of_a_narrow_terminal_says_the_difference_alone(study: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(study)], env={"COLUMNS": "40"}, catch_exceptions=False)
    assert re.search(r"^ gold: quality +↑ +\+0\.100 ▲ higher$", done.output, re.MULTILINE)


def test_compare_as_json_holds_estimates_differences_and_curves(study: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(study), "--json", "--samples", "1"], catch_exceptions=False)
    found = json.loads(done.output)
    assert [side["name"] for side in found["sides"]] == ["a", "b"]
    quality = next(row for row in found["final"] if row["metric"] == "gold/quality")
    assert quality["against_first"][1]["verdict"] == 1
    assert found["differences"]["reward.beta"] == ["0.1", "0.5"]
    assert len(found["curves"]["reward/gap"][1]) == 3
    assert len(found["samples"]) == 1


def test_hostile_text_reaches_no_terminal(tmp_path: Path) -> None:
    hostile = {"p\x1b": (HOSTILE, HOSTILE)}
    bad = write_run(
        tmp_path / "x\x1b[31m",
        replace(SHORT, prompts=hostile, answer=HOSTILE, config={"data.system": HOSTILE.replace("\ud800", "")}),
    )
    good = write_run(tmp_path / "good", SHORT)
    for arguments in ([], ["--json"]):
        done = CliRunner().invoke(app, ["compare", str(bad.path), str(good.path), *arguments], catch_exceptions=False)
        assert not set(done.output) & {"\x1b", "\x07", "\x9b", "\u202e", "\x00"}, arguments


def test_one_run_is_nothing_to_compare_with(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(write_run(tmp_path / "x", SHORT).path)])
    assert "at least two runs are needed" in str(done.exception)


def test_a_run_without_events_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    empty, good = write_run(tmp_path / "empty", SHORT), write_run(tmp_path / "good", SHORT)
    empty.events.unlink()
    done = CliRunner().invoke(app, ["compare", str(empty.path), str(good.path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert isinstance(load_runs([empty.path])[0], ComparedRun)


def test_a_tiny_value_beside_a_chart_does_not_push_it_aside(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, SHORT) for name in ("a", "b")]
    sides = [Side(run.name, (run,)) for run in load_runs([run.path for run in runs])]
    for side in sides:
        values = side.runs[0].history.metrics["reward/gap"].values
        values[:] = array("d", [-1.6964e-05 * (step + 1) for step in range(len(values))])
    assert (
        len({len(line) for line in charts([[run.history for run in side.runs] for side in sides], 100) if line.plain})
        == 1
    )


def swept_study(folder: Path) -> Plan:
    """Arm a is the better one at temperature 1, b greedily: b at its best is above a at its best."""
    folder_made(folder)
    runs = tuple(PlannedRun(f"seed-{s}/{arm}", arm, s) for s in (0, 1) for arm in "ab")
    plan = Plan(folder, runs, compare=("b", "a"), metric="gold/quality")
    swept = {f"benchmarks.{name}.kind": "quickstart" for name in ("gold", "greedy")}
    for run in runs:
        place = folder / run.path
        made = write_run(place, replace(SHORT, seed=run.seed or 0, config=swept | {"benchmarks.greedy.decoding": COLD}))
        shifts = {"gold": 0.2, "greedy": 0.1} if run.arm == "a" else {"gold": 0.0, "greedy": 0.3}
        twice(made, shifts)
    write_plan(plan)
    return plan


def test_a_study_compares_each_arm_at_its_best_temperature_too(tmp_path: Path) -> None:
    found = study_result(swept_study(tmp_path / "s"), ("b", "a"))
    assert found.best == ("greedy/quality", "gold/quality")
    assert found.difference.interval.mean == pytest.approx(-0.2)
    assert found.at_best is not None
    assert found.at_best.interval.mean == pytest.approx(0.1)
    assert "Each at its best temperature (b greedy, a at temperature 1): b - a, quality: +0.1000" in found.text()
    assert "heldout/nll counts bad demonstrations as right" in found.text()


def test_screens_show_the_table_and_the_sentences_that_a_headless_study_prints(tmp_path: Path) -> None:
    found = study_result(swept_study(tmp_path / "s"), ("b", "a"))
    rows = ["".join(span.text for span in row) for row in found.rows(200)]
    for line in found.text().splitlines():
        assert any(line.removeprefix("Each at its best temperature (b greedy, a at temperature 1): ") in row
                   for row in rows) or line.startswith(("a is", "b is")), line  # fmt: skip
    assert rows[0] == "▼ b is lower than a: the interval excludes zero and all seeds agree."
    assert "▲ Each at its best temperature (b greedy, a at temperature 1): b is higher than a." in rows
    best = [row for row in found.rows(200) if len(row) == 1 and "b" in row[0].look]
    assert [re.findall(r"(\S+) \[", row[0].text) for row in best] == [["0.600"], ["0.700"]]
    for width, columns in ((60, "arm heldout/nll benchmark quality"), (32, "arm benchmark quality")):
        shown = ["".join(span.text for span in row) for row in found.rows(width)]
        assert any(row.split()[: len(columns.split())] == columns.split() for row in shown)
        assert max(map(len, shown)) <= width


def test_compare_of_a_study_begins_with_its_result_and_the_metric_that_decides(tmp_path: Path) -> None:
    plan = swept_study(tmp_path / "s")
    folder = str(plan.folder)
    done = CliRunner().invoke(app, ["compare", folder], env={"COLUMNS": "140"}, catch_exceptions=False)
    assert done.output.startswith("▼ b is lower than a")
    assert "Each at its best temperature (b greedy, a at temperature 1): b is higher than a." in done.output
    assert "b against a, gold: quality" in done.output
    done = CliRunner().invoke(app, ["compare", folder, "--json"], catch_exceptions=False)
    assert json.loads(done.output)["study"]["best"] == ["greedy/quality", "gold/quality"]


def test_the_table_of_a_study_fits_a_narrow_terminal(study: Path) -> None:
    table = study_result(read_plan(study), ("b", "a")).text().partition("\n\n")[0].splitlines()
    assert table[0].split() == ["arm", "heldout/nll", "benchmark", "quality"]
    assert [line.split()[0] for line in table[1:]] == ["start", "a", "b"]
    assert max(map(len, table)) <= 80


def test_a_study_at_one_temperature_says_that_another_one_is_missing(study: Path) -> None:
    found = study_result(read_plan(study), ("b", "a"))
    assert found.best is None
    assert "Measured at one temperature alone" in found.text()


COLD = {"temperature": 0.0}


def twice(run: RunFolder, shifts: dict[str, float]) -> None:
    """Repeat the last evaluation of `gold` under the name `greedy`, and store items of both."""
    lines = run.events.read_text(encoding="utf-8").splitlines()
    last = [json.loads(line) for line in lines if '"kind":"evaluation"' in line][-1]
    place = last["step"], last["outer_iteration"]
    event = Evaluation({"quality": Figure(0.5 + shifts["greedy"], 0.4, 0.9, 20)}, "greedy", *place, "g.jsonl")
    with RunWriter(run) as writer:
        writer.write(event)
        gold = {"quality": Figure(0.5 + shifts["gold"], 0.4, 0.9, 20)}
        writer.write(replace(event, values=gold, benchmark="gold", file="gold-0001.jsonl"))
    for name, shift in (("gold-0001", shifts["gold"]), ("g", shifts["greedy"])):
        (run.evaluations / f"{name}.jsonl").write_text(items(20, shift))

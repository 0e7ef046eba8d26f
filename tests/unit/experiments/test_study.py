"""A study's file: what is common, what is an arm's own, and what is told when it does not add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.errors import ConfigError
from irltui.experiments.plan import kept_rows, read_plan, write_plan
from irltui.experiments.study import Study, study_of, study_plan
from irltui.runs.folder import RunFolder

TEXT = """
seed = 9

[study]
seeds = [0, 1]
compare = ["b", "a"]
metric = "gold/quality"

[model]
name = "m"

[data]
source = "d"

[loop]
batch = 8

[arms.a]
algorithm = "sft"

[arms.b]
start = "a"
loop.batch = 4
"""


def study(tmp_path: Path, text: str = TEXT, sets: tuple[str, ...] = ()) -> Study:
    path = tmp_path / "s.toml"
    path.write_text(text)
    found = study_of(str(path), sets)
    assert found is not None
    return found


def refused(tmp_path: Path, text: str, sets: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, text, sets)
    return caught.value.message.replace(f"{tmp_path}/", "")


def test_a_file_without_a_study_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("seed = 1\n")
    assert study_of(str(tmp_path / "r.toml")) is None
    assert study_of("irft") is None
    assert study_of("") is None


def test_an_arm_is_the_common_tables_its_own_and_the_seed(tmp_path: Path) -> None:
    found = study(tmp_path)
    a, b = found.arms
    first = found.load(a, 1, None, ()).config
    assert (first.algorithm, first.seed, first.loop.batch, first.model.name) == ("sft", 1, 8, "m")
    second = found.load(b, 0, tmp_path / "seed-0", ()).config
    assert (second.algorithm, second.seed, second.loop.batch) == ("irft", 0, 4)
    assert second.model.name == str(tmp_path / "seed-0" / "a" / "model")


def test_an_arm_trains_on_the_rows_that_the_triage_of_another_one_keeps(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT.replace('start = "a"', 'keep = "a"'))
    plan, loaded = study_plan(found, (), tmp_path / "out")
    run = next(run for run in plan.runs if run.path == "seed-1/b")
    assert (run.start, run.keep) == ("", "seed-1/a")
    rows = kept_rows(RunFolder(plan.folder / run.keep))
    assert loaded[run].config.data.source == str(rows)
    assert rows.is_relative_to(tmp_path / "out" / "seed-1" / "a")
    assert loaded[run].config.model.name == "m"


def test_what_a_study_says_beside_its_result_is_kept_in_the_plan(tmp_path: Path) -> None:
    found = study(tmp_path, sets=('study.note="It turns round."',))
    plan, _ = study_plan(found, (), tmp_path)
    write_plan(plan)
    assert read_plan(tmp_path) == plan
    assert plan.note == "It turns round."


def test_values_of_an_arm_keep_their_lines(tmp_path: Path) -> None:
    found = study(tmp_path)
    origins = found.load(found.arms[1], 0, None, ()).origins
    assert origins["loop.batch"] == f"{tmp_path}/s.toml:23"


def test_assignments_reach_the_study_or_every_run(tmp_path: Path) -> None:
    found = study(tmp_path, sets=("study.seeds=[5]", "loop.batch=2"))
    assert found.section.seeds == [5]
    assert {found.load(arm, 5, None, ()).config.loop.batch for arm in found.arms} == {2}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["b", "a"]', '["b", "c"]', "s.toml:6: study.compare: there is no arm 'c' (arms: a, b)"),
        ('start = "a"', 'start = "z"', "s.toml:22: arms.b.start: no arm 'z' above it"),
        ('start = "a"', 'keep = "z"', "s.toml:22: arms.b.keep: no arm 'z' above it"),
        ('start = "a"', 'start = "b"', "s.toml:22: arms.b.start: no arm 'b' above it"),
        ("seeds = [0, 1]", "seeds = []", "s.toml:5: study.seeds: "),
        ("seeds = [0, 1]", "seeds = [0, -1]", "s.toml:5: study.seeds: must be a list, each at least 0 (got -1)"),
        ('"gold/quality"', '"quality"', "s.toml:7: study.metric: "),
        ("seeds = [0, 1]", "seeds = [0]\nsede = 3", "s.toml:6: study.sede: "),
    ],
)
def test_what_does_not_add_up_is_told_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refused(tmp_path, TEXT.replace(old, new)).startswith(message)


def test_a_study_without_arms_is_told(tmp_path: Path) -> None:
    assert "a study needs arms" in refused(tmp_path, TEXT.split("[arms.a]")[0])


def test_a_problem_in_an_arm_is_told_when_its_run_is_configured(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT.replace("loop.batch = 4", "loop.bach = 4"))
    with pytest.raises(ConfigError, match=r"s\.toml:23: loop\.bach: unknown key; did you mean 'batch'\?"):
        found.load(found.arms[1], 0, None, ())


@pytest.mark.parametrize("name", ["..", "../outside", "/tmp", "a/b", ""])
def test_an_arm_whose_name_would_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(TEXT + f'[arms."{name}"]\nalgorithm = "sft"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="not a valid arm name"):
        study_of(str(path))

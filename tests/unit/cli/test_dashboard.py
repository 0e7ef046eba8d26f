"""How the dashboard starts what was filled in."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from irltui.cli import dashboard
from irltui.dashboard.form import Form
from irltui.experiments.plan import has_plan, read_plan
from irltui.runs.folder import is_run


def test_a_study_gets_all_its_run_folders_and_a_process_that_works_it_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[list[str]] = []
    stand_in = SimpleNamespace(Popen=lambda line, **options: lines.append(line), DEVNULL=None, STDOUT=None)
    monkeypatch.setattr(dashboard, "subprocess", stand_in)
    monkeypatch.chdir(tmp_path)
    first = dashboard.launch(Form("quickstart").with_value("study.seeds", "[7]").load(), "quickstart")
    (study,) = (tmp_path / "runs").iterdir()
    assert has_plan(study)
    assert [is_run(study / "seed-7" / arm) for arm in ("sft", "contrast", "triage", "oracle")] == [True] * 4
    assert first.resolve() == (study / "seed-7" / "sft").resolve()
    assert lines == [[sys.executable, "-P", "-m", "irltui", "run", "--resume", str(study)]]
    assert {run.seed for run in read_plan(study).runs} == {7}

"""inputs.json: damage is called damage, never other data."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.errors import RunFolderError
from irltui.runs.doctor import diagnose
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.inputs import read_inputs, write_inputs
from irltui.runs.manifest import new_manifest, write_manifest


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = create_run_folder(tmp_path / "run")
    write_manifest(made, new_manifest({"algorithm": "irft"}, {}))
    return made


def test_what_is_written_is_read_back(run: RunFolder) -> None:
    assert read_inputs(run) == {}
    write_inputs(run, {"model": "a1", "data": "b2"})
    assert read_inputs(run) == {"model": "a1", "data": "b2"}


@pytest.mark.parametrize("change", [("a1", "a2"), ("{", "["), ("sha256", "sha255"), ("b2", "b2\x00")])
def test_any_change_is_named_as_damage_by_doctor_and_by_resume(run: RunFolder, change: tuple[str, str]) -> None:
    write_inputs(run, {"model": "a1", "data": "b2"})
    run.inputs.write_text(run.inputs.read_text().replace(*change))
    with pytest.raises(RunFolderError, match=r"inputs\.json: damaged"):
        read_inputs(run)
    found = diagnose(run)
    assert found.resumes_from is None
    assert [f.subject for f in found.findings if f.is_problem] == ["inputs.json"]

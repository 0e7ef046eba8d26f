"""What `irltui doctor` says of a folder, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from irltui.runs import doctor
from irltui.runs.checked_rows import checked_line, checked_row, line_key
from irltui.runs.doctor import Diagnosis, diagnose
from irltui.runs.events import Metrics, RunStart
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.seal import SEAL, seal
from irltui.runs.writer import RunWriter
from irltui.samplers.store import pack_before


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = create_run_folder(tmp_path / "run")
    write_manifest(made, new_manifest({"algorithm": "irft"}, {}))
    with RunWriter(made) as writer:
        writer.write(RunStart())
        for step in range(4):
            writer.write(Metrics({}, step))
    return made


def problems(found: Diagnosis) -> dict[str, str]:
    return {f.subject: f.text for f in found.findings if f.is_problem}


def test_a_sound_folder_has_no_problem(run: RunFolder) -> None:
    found = diagnose(run)
    assert found.problems == 0
    assert found.resumes_from == ""


def test_a_missing_line_is_a_break_in_the_count_and_in_the_steps(run: RunFolder) -> None:
    lines = run.events.read_bytes().splitlines(keepends=True)
    run.events.write_bytes(b"".join(lines[:2] + lines[4:]))
    assert [f.text for f in diagnose(run).findings if f.is_problem] == [
        "events are missing before 4",
        "optimizer steps jump from 0 to 3",
    ]


def test_steps_that_a_resume_made_void_are_no_break(run: RunFolder) -> None:
    with RunWriter(run) as writer:
        writer.write(RunStart(resumed_seq=2))
        writer.write(Metrics({}, 1))
    assert diagnose(run).problems == 0


def test_a_changed_configuration_is_told_and_cannot_be_resumed(run: RunFolder) -> None:
    run.manifest.write_text(run.manifest.read_text().replace("irft", "sft"))
    found = diagnose(run)
    assert "has changed since the run began" in problems(found)["run.json"]
    assert found.resumes_from is None


def test_lines_that_are_no_events_are_counted(run: RunFolder) -> None:
    with run.events.open("ab") as file:
        file.write(b"\x00\xff\n[]\n")
    assert problems(diagnose(run))["events.jsonl"] == "2 damaged lines"


def test_a_flipped_bit_in_a_stored_generation_is_found_with_its_line(run: RunFolder) -> None:
    content = bytearray(
        b"".join(checked_line({"prompt_id": str(i), "tokens": [i, 7]}, line_key(Path("0000.jsonl"))) for i in range(3))
    )
    content[-6] ^= 1
    (run.samples / "0000.jsonl").write_bytes(content)
    assert problems(diagnose(run))["samples/0000.jsonl"] == "line 3: the line is damaged"


def test_a_file_that_is_compressed_while_it_is_looked_at_is_no_problem(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("0000", "0001"):
        file = run.samples / f"{name}.jsonl"
        file.write_bytes(checked_line({"prompt_id": "a"}, line_key(file)))

    def compressed_meanwhile(line: bytes, key: int) -> dict[str, Any]:
        pack_before(run.samples, 2)
        return checked_row(line, key)

    monkeypatch.setattr(doctor, "checked_row", compressed_meanwhile)
    found = diagnose(run)
    assert problems(found) == {}
    assert {f.text for f in found.findings if f.subject.startswith("samples/")} == {"1 lines, unchanged"}


def test_a_result_that_is_not_what_was_written_is_told_with_the_file(run: RunFolder) -> None:
    run.model.mkdir()
    file = run.model / "model.safetensors"
    file.write_bytes(bytes(20))
    seal(run.model)
    assert diagnose(run).problems == 0
    file.write_bytes(bytes(17))
    assert problems(diagnose(run)) == {"model/model.safetensors": "has 17 bytes instead of 20"}
    file.write_bytes(bytes(19) + b"\x01")
    assert problems(diagnose(run)) == {"model/model.safetensors": "has changed since it was written"}
    file.unlink()
    assert problems(diagnose(run)) == {"model/model.safetensors": "is missing"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}', '{"files": {"../x": {"bytes": 1, "sha256": ""}}}'])
def test_a_seal_that_is_damaged_is_told(run: RunFolder, content: str) -> None:
    run.model.mkdir()
    (run.model / SEAL).write_text(content)
    assert list(problems(diagnose(run))) == [f"model/{SEAL}"]


def test_files_that_the_seal_does_not_list_are_no_part_of_the_result(run: RunFolder) -> None:
    run.model.mkdir()
    (run.model / "config.json").write_text("{}")
    seal(run.model)
    (run.model / ".env").write_text("PASSWORD=1")
    found = diagnose(run)
    assert found.problems == 0
    assert any(f.subject == "model/.env" and "export leaves it out" in f.text for f in found.findings)


def test_a_checked_line_reads_back_and_any_flip_is_noticed() -> None:
    row = {"text": "naïve \udc80 \n", "tokens": [1, 2], "logprobs": [-0.1, 1e-300]}
    line = checked_line(row, 7)
    assert checked_row(line, 7) == row
    with pytest.raises(ValueError, match="damaged"):
        checked_row(line, 8)
    for place in range(len(line) - 1):
        harmed = bytearray(line)
        harmed[place] ^= 1
        with pytest.raises(ValueError, match="damaged"):
            checked_row(bytes(harmed), 7)

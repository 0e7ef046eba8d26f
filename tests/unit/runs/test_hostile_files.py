"""Whatever lies in the files of a run folder: it is read, or refused by an error of ours; never anything else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irltui.errors import IrltuiError
from irltui.experiments.plan import read_plan
from irltui.runs.checked_rows import checked_line, line_key
from irltui.runs.checkpoints import damage, newest_first
from irltui.runs.control import take
from irltui.runs.doctor import diagnose
from irltui.runs.events import Log
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import has_changed, new_manifest, read_manifest, write_manifest
from irltui.runs.reader import read_events
from irltui.runs.status import read_status
from irltui.runs.writer import RunWriter
from irltui.samplers.store import SampleStore

WORDS = """schema config created state phase step time values host id command text sent seeds arms compare metric
jobs format files bytes sha256 seq kind prompt_id tokens logprobs ended position demonstration generation"""
KEYS = st.sampled_from(WORDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("../../x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
NESTED = st.just(b"[" * 100_000)
CONTENT = st.binary(max_size=80) | NESTED | JSON.map(lambda value: json.dumps(value).encode())
fuzz = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = create_run_folder(tmp_path / "run")
    write_manifest(run, new_manifest({"algorithm": "irft"}, {}))
    (run.checkpoints / "0001-000000").mkdir()
    return run


@fuzz
@given(content=CONTENT)
def test_any_run_json_is_read_or_refused(run: RunFolder, content: bytes) -> None:
    run.manifest.write_bytes(content)
    with contextlib.suppress(IrltuiError):
        has_changed(read_manifest(run))


@fuzz
@given(
    changes=st.dictionaries(st.sampled_from(["schema", "config", "origins", "versions", "sha256"]), JSON, min_size=1)
)
def test_any_fields_of_run_json_are_read_or_refused(run: RunFolder, changes: dict[str, Any]) -> None:
    write_manifest(run, new_manifest({"algorithm": "irft"}, {}))
    run.manifest.write_text(json.dumps({**json.loads(run.manifest.read_text()), **changes}))
    with contextlib.suppress(IrltuiError):
        has_changed(read_manifest(run))


@fuzz
@given(content=CONTENT)
def test_any_status_is_a_status(run: RunFolder, content: bytes) -> None:
    run.status.write_bytes(content)
    read_status(run)


@fuzz
@given(fields=st.dictionaries(KEYS, JSON, max_size=6))
def test_any_fields_of_a_status_are_a_status(run: RunFolder, fields: dict[str, Any]) -> None:
    run.status.write_text(json.dumps({**fields, "state": "running"}))
    read_status(run)


@fuzz
@given(content=CONTENT, fields=st.dictionaries(KEYS, JSON, max_size=4))
def test_any_file_in_control_is_a_command_or_its_name_and_is_taken_away(
    run: RunFolder, content: bytes, fields: dict[str, Any]
) -> None:
    (run.control / "1-a.json").write_bytes(content)
    (run.control / "2-a.json").write_text(
        json.dumps({"id": "2", "command": "note", "text": "", "sent": 10**400, **fields})
    )
    assert len(take(run)) == 2
    assert not list(run.control.iterdir())


@fuzz
@given(content=CONTENT, row=st.dictionaries(KEYS, JSON, min_size=1))
def test_any_stored_generations_are_read_or_refused(run: RunFolder, content: bytes, row: dict[str, Any]) -> None:
    for name in ("0000.jsonl", "0000.reference.jsonl"):
        for harmed in (content, content + b"\n", checked_line(row, line_key(Path(name)))):
            (run.samples / "0000.jsonl").unlink(missing_ok=True)
            (run.samples / name).write_bytes(harmed)
            with contextlib.suppress(IrltuiError):
                SampleStore(run.samples, "0000")


@fuzz
@given(content=CONTENT, fields=JSON)
def test_any_log_is_read_continued_and_diagnosed(run: RunFolder, content: bytes, fields: Any) -> None:
    line = json.dumps({"seq": 0, "time": 0, "kind": "metrics", "step": fields, "values": fields}).encode()
    run.events.write_bytes(line + b"\n" + content)
    RunHistory().take(read_events(run.events))
    diagnose(run)
    with RunWriter(run) as writer:
        assert writer.next_seq >= 1


@fuzz
@given(content=CONTENT)
def test_any_manifest_of_a_checkpoint_is_damage_or_whole(run: RunFolder, content: bytes) -> None:
    (run.checkpoints / "0001-000000" / "manifest.json").write_bytes(content)
    for name in newest_first(run):
        damage(run.checkpoints / name)
    diagnose(run)


@fuzz
@given(content=CONTENT)
def test_any_plan_json_is_read_or_refused(run: RunFolder, content: bytes) -> None:
    (run.path / "plan.json").write_bytes(content)
    with contextlib.suppress(IrltuiError):
        read_plan(run.path)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../outside"])
def test_the_manifest_of_a_checkpoint_names_files_of_its_own_folder_alone(run: RunFolder, name: str) -> None:
    (run.checkpoints / "outside").write_text("x")
    manifest = {"format": 1, "files": {name: {"bytes": 1, "sha256": "0"}}}
    (run.checkpoints / "0001-000000" / "manifest.json").write_text(json.dumps(manifest))
    assert "outside the folder" in damage(run.checkpoints / "0001-000000")


@pytest.mark.parametrize("name", ["..", "../outside", "/etc", "a/../../b", ".hidden"])
def test_the_runs_of_a_plan_lie_below_it(tmp_path: Path, name: str) -> None:
    runs = [{"path": name, "arm": "", "seed": 0, "start": "", "keep": ""}]
    plan = {"runs": runs, "compare": None, "metric": "", "note": "", "jobs": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(IrltuiError, match="is not a folder below it"):
        read_plan(tmp_path)


def test_every_folder_of_a_run_is_its_owners_alone(run: RunFolder) -> None:
    assert all(path.stat().st_mode & 0o077 == 0 for path in (run.path, *run.path.iterdir()) if path.is_dir())


def test_a_secret_in_an_event_is_masked(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "correct-horse-battery")
    with RunWriter(run) as writer:
        writer.write(Log(text='cannot load https://me:s3cret@host/x?token=abc&y=1 "'))
        writer.write(Log(text=f"with correct-horse-battery and hf_{'a' * 34}"))
        writer.status(now=True, reason="https://s3cret@host/")
    told = [event.text for event in read_events(run.events)]
    assert told == ['cannot load https://***@host/x?token=***&y=1 "', "with *** and ***"]
    assert "s3cret" not in run.status.read_text()


def test_a_reason_with_half_a_surrogate_pair_leaves_the_status_readable(run: RunFolder) -> None:
    with RunWriter(run) as writer:
        writer.status(now=True, state="failed", reason="model.name: /data/caf\udce9: no such folder")
    assert read_status(run).state == "failed"
    assert json.loads(run.status.read_text(encoding="utf-8"))["reason"] == "model.name: /data/caf\udce9: no such folder"


def test_text_without_a_secret_is_left_as_it_is(run: RunFolder) -> None:
    texts = ["a@b.c", "see https://host/a?b=c", 'x "://" @', "hf_short", "mail me: a://b c@d"]
    with RunWriter(run) as writer:
        for text in texts:
            writer.write(Log(text=text))
    assert [event.text for event in read_events(run.events) if isinstance(event, Log)] == texts

"""What is fuzzed: functions of bytes that must come back, or raise an error of ours; anything else is a find.

Each has seeds: inputs that get far, for a fuzzer to begin with. `explore.py` runs them under atheris; `test_finds.py`
runs seeds and past finds in every test run.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from irltui.config.layers import file_layer, set_layers, value_layer
from irltui.config.load import load_layers, recorded
from irltui.config.render import render
from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.data.text_files import read_text_file
from irltui.errors import IrltuiError
from irltui.runs.checked_rows import checked_line, line_key
from irltui.runs.checkpoints import damage, newest_first
from irltui.runs.doctor import diagnose
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import has_changed, new_manifest, read_manifest, write_manifest
from irltui.runs.reader import EventReader
from irltui.runs.status import read_status
from irltui.runs.writer import RunWriter
from irltui.samplers.store import SampleStore
from irltui.text import masked, safe
from support import tiny

SUFFIXES = (".jsonl", ".json", ".csv", ".ndjson")


@dataclass(frozen=True)
class Target:
    """A function of bytes, and inputs to begin with."""

    take: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


@cache
def scratch() -> Path:
    """A folder in memory, if there is such a thing."""
    memory = Path("/dev/shm")
    made = tempfile.mkdtemp(prefix="irltui-fuzz-", dir=memory if memory.is_dir() else None)
    return Path(made)


@cache
def run_folder() -> RunFolder:
    """A run folder whose files are replaced one after another."""
    run = create_run_folder(scratch() / "run")
    write_manifest(run, new_manifest(configuration(), {}))
    (run.checkpoints / "0001-000000").mkdir()
    (run.checkpoints / "0001-000000" / "state.json").write_text('{"position": {"step": 3}}', encoding="utf-8")
    return run


GIVEN = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d.jsonl")]


def configuration() -> dict[str, Any]:
    """A whole one."""
    return load_layers(GIVEN).config.model_dump(mode="json")


# -- demonstrations ---------------------------------------------------------------------------------------------------

_ROWS = [
    {"prompt": "the cat sees?", "completion": "the sun"},
    {"messages": [{"role": "user", "content": "the"}, {"role": "assistant", "content": "a dog"}]},
    {"prompt": [{"role": "user", "content": "the"}], "completion": [{"role": "assistant", "content": "cat"}]},
    {"prompt": None, "completion": 3, "id": "007"},
    {"instruction": "the", "input": "cat", "output": "\ud800"},
]
_LINES = "".join(json.dumps(row) + "\n" for row in _ROWS).encode()


def _parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"prompt": ["the"], "completion": ["cat"]}), sink)
    return sink.getvalue().to_pybytes()


_FILES = (
    b"\0" + _LINES,
    b"\1" + json.dumps(_ROWS).encode(),
    b'\2prompt;completion\n"the; ""cat""";the sun\n\na,b;c\n',
    b"\2\xef\xbb\xbfprompt,completion\r\nthe,cat\r\n",
    b"\3" + b"[" * 300,
    b"\0" + _parquet(),
)


def _file(data: bytes) -> Path:
    """The first byte chooses what the file is called."""
    path = scratch() / f"data{SUFFIXES[data[0] % len(SUFFIXES)] if data else '.jsonl'}"
    path.write_bytes(data[1:])
    return path


def take_text_file(data: bytes) -> None:
    """A file of rows becomes rows."""
    path = _file(data)
    with contextlib.suppress(IrltuiError):
        for row, text in read_text_file(path):
            assert isinstance(row, dict)
            assert json.dumps(row) == json.dumps(json.loads(text))


@cache
def _tokenizer() -> Any:
    return tiny.tokenizer()


def take_demonstrations(data: bytes) -> None:
    """A file of rows becomes token ids."""
    section = DataSection(source=str(_file(data)), held_out=0.0)
    with contextlib.suppress(IrltuiError):
        found = load_demonstrations(section, _tokenizer(), frozenset({2}))
        assert all(row.tokens and row.prompt.tokens for row in found.train)


# -- run folder -------------------------------------------------------------------------------------------------------

_EVENTS = b"".join(
    json.dumps({"seq": seq, "time": 1.5 * seq, "kind": kind, **fields}).encode() + b"\n"
    for seq, (kind, fields) in enumerate(
        [
            ("run_start", {"pid": 1, "host": "h", "total_steps": 9, "resumed_step": None, "resumed_seq": None}),
            ("data", {"report": {"source": "s", "dropped": [{"reason": "r", "count": 1, "rows": [1]}]}, "masked": []}),
            ("phase", {"phase": "sample", "outer_iteration": 0, "done": 1, "total": 2, "unit": "prompts"}),
            ("metrics", {"step": 1, "tokens": 2, "elapsed": 0.5, "values": {"train/loss": 0.7, "x": float("nan")}}),
            ("sample", {"step": 1, "prompt_id": "p", "generation": "g", "token_rewards": [0.1], "pieces": ["g"]}),
            ("evaluation", {"benchmark": "b", "values": {"m": {"mean": 1, "low": 0, "high": 2, "n": 3}}}),
            ("checkpoint", {"step": 1, "name": "0001-000000", "seconds": 1, "bytes": 2, "reason": "r"}),
            ("alert", {"level": "warning", "code": "c", "text": "t"}),
            ("control", {"id": "i", "command": "note", "state": "applied", "detail": ""}),
            ("run_start", {"resumed_step": 1, "resumed_seq": 3}),
            ("run_end", {"state": "finished", "reason": "", "exit_code": 0}),
        ]
    )
)


def take_events(data: bytes) -> None:
    """A log is the same whether it is read at once or as it grows; it can be gone on with."""
    run = run_folder()
    cut = data[0] * len(data) // 256 if data else 0
    run.events.write_bytes(data[1:cut])
    growing = EventReader(run.events)
    found = growing.poll()
    with run.events.open("ab") as file:
        file.write(data[max(cut, 1) :])
    found += growing.poll()
    at_once = EventReader(run.events)
    same = at_once.poll()
    assert repr(found) == repr(same)
    history = RunHistory()
    history.take(found)
    diagnose(run)
    with RunWriter(run) as writer:
        assert all(event.seq < writer.next_seq for event in found)


def take_run_files(data: bytes) -> None:
    """What stands in run.json, a status and a checkpoint's manifest is read or refused."""
    run = run_folder()
    run.status.write_bytes(data)
    read_status(run)
    (run.checkpoints / "0001-000000" / "manifest.json").write_bytes(data)
    for name in newest_first(run):
        damage(run.checkpoints / name)
    run.manifest.write_bytes(data)
    with contextlib.suppress(IrltuiError):
        manifest = read_manifest(run)
        has_changed(manifest)
        recorded(manifest.config)


def _run_files() -> tuple[bytes, ...]:
    run = run_folder()
    state = (run.checkpoints / "0001-000000" / "state.json").stat().st_size
    checkpoint = {"format": 1, "files": {"state.json": {"bytes": state, "sha256": "0" * 64}}}
    status = {"schema": 1, "pid": 1, "host": "h", "time": 1.0, "state": "running", "step": 1, "values": {"a": 0.5}}
    return run.manifest.read_bytes(), json.dumps(checkpoint).encode(), json.dumps(status).encode()


_GENERATION = {"prompt_id": "row-1", "tokens": [5, 2], "logprobs": [-0.5, -1.25], "ended": True, "text": "a"}
_SCORE = {"prompt_id": "row-1", "demonstration": -1.5, "generation": -2.5, "logp_error": None, "logp_error_max": None}


def take_generations(data: bytes) -> None:
    """Stored generations, compressed (first byte odd) or not, are read or refused."""
    run = run_folder()
    is_packed = bool(data) and data[0] % 2
    for name in ("0000.jsonl", "0000.reference.jsonl"):
        for file in run.samples.iterdir():
            file.unlink()
        (run.samples / (f"{name}.gz" if is_packed else name)).write_bytes(data[1:])
        with contextlib.suppress(IrltuiError):
            SampleStore(run.samples, "0000")
    diagnose(run)


# -- configuration and text -------------------------------------------------------------------------------------------

_TOML = b"""algorithm = "irft"
seed = 3
[model]
name = "m"
dtype = "float32"
[data]
source = "d.jsonl"
columns = {prompt = "q"}
limit = 5
[loop]
outer_iterations = 2
inner_steps = "auto"
[reward]
kind = "implicit"
beta = 0.2
[benchmarks."my own"]
kind = "quickstart"
"""


def take_configuration(data: bytes) -> None:
    """A file of any text is a configuration that prints to itself, or is refused; lines are `--set` values too."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(IrltuiError):
        loaded = load_layers([*GIVEN, file_layer("run.toml", text)])
        assert load_layers([file_layer("printed", render(loaded))]).config == loaded.config
    with contextlib.suppress(IrltuiError):
        load_layers([*GIVEN, *set_layers(text.splitlines()[:4])])


_DANGERS = (
    "\x1b[31m\x1b]52;c;eA==\x07\x9b2J\u202e\u2028\ud800\x00\x7f[/][bold]\U000e0041\ufeff👩‍🚀 https://me:pw@h/?token=x"
)


def take_text(data: bytes) -> None:
    """No text can do anything on a terminal but be seen, and hiding secrets a second time hides nothing more."""
    text = data.decode("utf-8", "surrogatepass" if data[:1] == b"\0" else "replace") if _decodes(data) else repr(data)
    for lines in (False, True):
        shown = safe(text, lines=lines)
        left = shown.replace("\n", "").replace("\t", "") if lines else shown
        assert not any(
            unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}
            or (unicodedata.category(c) == "Cf" and c not in "\u200c\u200d")
            for c in left
        )
        shown.encode("utf-8")
    hidden = masked(text)
    assert masked(hidden) == hidden


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass" if data[:1] == b"\0" else "replace")
    except UnicodeDecodeError:
        return False
    return True


def _stored() -> tuple[bytes, ...]:
    rows = checked_line(_GENERATION, line_key(Path("0000"))), checked_line(_SCORE, line_key(Path("0000.reference")))
    packed = tuple(b"\1" + gzip.compress(row, mtime=0) for row in rows)
    return (*(b"\0" + row for row in rows), b"\0" + rows[0] + b'{"crc"', *packed)


@cache
def targets() -> dict[str, Target]:
    """All, by name."""
    return {
        "text-files": Target(take_text_file, _FILES),
        "demonstrations": Target(take_demonstrations, _FILES),
        "events": Target(take_events, (b"\x80" + _EVENTS, b"\xff" + _EVENTS[:-9], b"\0\n\n{}\n" + b"[" * 300)),
        "run-files": Target(take_run_files, _run_files()),
        "generations": Target(take_generations, _stored()),
        "configuration": Target(take_configuration, (_TOML, b"reward.kind=implicit\nloop.batch=3\n")),
        "text": Target(
            take_text, (_DANGERS.encode("utf-8", "replace"), b"\0" + _DANGERS.encode("utf-8", "surrogatepass"))
        ),
    }

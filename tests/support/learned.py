"""score, sample and triage on a run, inside the test's process; and as if they were killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from irltui.config.requests import SampleRequest, ScoreRequest
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.use import sample, score
from irltui.use.learned import Learned

TOLERANCE = 2e-5  # float32 sums in another order


def request(run: RunFolder, out: Path, data: Path | None = None, **options: Any) -> dict[str, Any]:
    values = json.loads(json.dumps(dict(read_manifest(run).config)))
    if data is not None:
        values["data"]["source"] = str(data)
    for key, value in options.pop("section", {}).items():
        values["data"][key] = value
    return {"run": str(run.path), "values": values, "out": str(out), "batch": 8, **options}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def scored(run: RunFolder, out: Path, data: Path, **options: Any) -> list[dict[str, Any]]:
    score.main(ScoreRequest(**request(run, out, data, **options)))
    return lines(out)


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def sampled(run: RunFolder, out: Path, data: Path, **options: Any) -> list[dict[str, Any]]:
    sample.main(SampleRequest(**request(run, out, data, **{"count": 4, **options})))
    return lines(out)


def copied(run: RunFolder, path: Path) -> RunFolder:
    shutil.copytree(run.path, path)
    return RunFolder(path)


class Killed(BaseException):
    """As if the process had died."""


def dies_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    true, calls = Learned.rewards, []

    def rewards(self: Learned, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise Killed
        return true(self, *arguments, **options)

    monkeypatch.setattr(Learned, "rewards", rewards)

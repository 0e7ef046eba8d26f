"""Requests to a worker process (`python -m irltui.use`): one model per command, whose help explains the fields."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from irltui.config.load import recorded
from irltui.config.schema import RunConfig
from irltui.runs.folder import RunFolder, open_run_folder


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def command(cls) -> str:
        return cls.__name__.removesuffix("Request").lower()


class OnRows(Request):
    """Requests of `score`, `sample` and `triage`: apply what a run learned to rows of data."""

    run: Path
    values: Mapping[str, Any]
    """The run's configuration with the data to work on."""
    out: Path
    batch: int = 8
    named: bool = True
    """Whether the columns were named for this data."""
    overwrite: bool = False

    @cached_property
    def folder(self) -> RunFolder:
        return open_run_folder(self.run)

    @cached_property
    def config(self) -> RunConfig:
        return recorded(self.values)

    @property
    def is_guided(self) -> bool:
        """Whether answers are drawn with another strength than the policy's own."""
        return self.config.decoding.strength != 1


class ScoreRequest(OnRows):
    tokens: bool = False
    rank: bool = False
    best: bool = False


class SampleRequest(OnRows):
    count: int = 8
    seed: int = 0


class TriageRequest(OnRows):
    keep: Path | None = None


class BenchRequest(Request):
    config: Mapping[str, Any]
    """Resolved; its benchmarks are measured, and its model unless `run` is given."""
    run: Path | None = None
    """The run whose result is measured."""
    strengths: tuple[float, ...] = ()
    """Each in turn; () for that of the configuration."""
    temperatures: tuple[float, ...] = ()
    items: Path | None = None
    as_json: bool = False


class ExportRequest(Request):
    run: Path
    out: Path
    iteration: str = "result"
    """result, best, last, after how many outer iterations, or a checkpoint's name."""
    merge: bool = True
    """For LoRA: merge the adapter into the weights; otherwise the folder is the adapter alone."""
    dtype: str = ""
    """float32, bfloat16 or float16; "" keeps what there is."""
    hub: str = ""
    public: bool = False
    as_json: bool = False


class CheckRequest(Request):
    config: Mapping[str, Any]
    devices: str = ""
    """Size the run for these, "8xH100"; "" for this machine."""
    probe: bool = True


class InspectRequest(Request):
    model: str
    data: Mapping[str, Any]
    """The [data] table as far as it is known."""


class PluginRequest(Request):
    plugin: str
    file: str = ""
    """Its file, "" for an installed one."""
    options: Mapping[str, Mapping[str, Any]] = {}
    """Of kinds by their short names, for the checks."""
    check: bool = False


class DebugRequest(Request):
    folder: Path
    as_json: bool = False


_KINDS = (
    BenchRequest, CheckRequest, DebugRequest, ExportRequest, InspectRequest, PluginRequest, SampleRequest, ScoreRequest,
    TriageRequest,
)  # fmt: skip
COMMANDS: dict[str, type[Request]] = {kind.command(): kind for kind in _KINDS}

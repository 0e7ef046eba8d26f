"""`irltui export`: what was asked for is checked here, and done where torch is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import typer

from irltui.cli import worker
from irltui.errors import RunFolderError
from irltui.runs.folder import open_run_folder
from irltui.text import safe

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class ExportRequest:
    """What `irltui export` was asked for; None and "" are "not given"."""

    run: Path
    out: Path | None
    iteration: str
    merge: bool
    dtype: str
    hub: str
    public: bool
    as_json: bool


def export(request: ExportRequest) -> None:
    """Become the process that exports.

    Raises:
        NoRunError: there is no run.
        RunFolderError: the folder to write is there already.
        BadParameter: an option's value makes no sense.
    """
    run = open_run_folder(request.run)
    out = request.out if request.out is not None else run.path / "export"
    if out.exists():
        raise RunFolderError(
            f"{safe(out)}: is there already", "Choose another folder with --out, or delete it: nothing is replaced."
        )
    if request.dtype not in {"", *_DTYPES}:
        raise typer.BadParameter(f"{safe(request.dtype)}: say one of {', '.join(_DTYPES)}", param_hint="--dtype")
    if request.hub and not _NAME.fullmatch(request.hub):
        raise typer.BadParameter(f"{safe(request.hub)}: write it as OWNER/NAME", param_hint="--push-to-hub")
    if request.public and not request.hub:
        raise typer.BadParameter("says who may read what --push-to-hub pushes", param_hint="--public")
    worker.become(
        "export",
        run=str(request.run),
        iteration=request.iteration,
        out=str(out),
        merge=request.merge,
        dtype=request.dtype,
        hub=request.hub,
        public=request.public,
        as_json=request.as_json,
    )

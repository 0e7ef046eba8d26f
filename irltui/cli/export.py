"""`irltui export`: what was asked for is checked here, and done where torch is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Json, Run, TrustCode, TrustedPlugins
from irltui.errors import RunFolderError
from irltui.text import safe

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_DTYPES = ("float32", "bfloat16", "float16")


def export(  # noqa: PLR0913 - an option each
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="A folder that is not there yet; default: RUN/export."),
    ] = None,
    iteration: Annotated[
        str,
        typer.Option(
            "--iteration", metavar="T", help="result, best, last, after how many outer iterations, or a checkpoint."
        ),
    ] = "result",
    merge: Annotated[
        bool, typer.Option("--merge/--no-merge", help="LoRA: weights with the adapter merged in, or the adapter alone.")
    ] = True,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="Write float32, bfloat16 or float16 weights.")
    ] = "",
    hub: Annotated[
        str,
        typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Also upload it to the Hugging Face hub, private."),
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="Let everybody read what is uploaded.")] = False,
    plugins: TrustedPlugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Write a folder to use and to share: weights, tokenizer, reward, and a model card filled from the run.

    A transformers folder, safetensors alone; of a LoRA run with the adapter in FOLDER/adapter, of an RFT run with the
    reward in FOLDER/reward. The best iteration is the one with the lowest held-out loss (fixed reference) or NLL.

    Examples:
      irltui export runs/first
      irltui export runs/first --iteration best --out models/best
      irltui export runs/first --iteration 2 --out models/second --dtype bfloat16
      irltui export runs/lora --no-merge --out models/adapter
      irltui export runs/first --out models/first --push-to-hub OWNER/NAME
    """
    from irltui.cli.worker import become
    from irltui.config.requests import ExportRequest
    from irltui.runs.folder import open_run_folder

    folder = open_run_folder(run)
    target = out if out is not None else folder.path / "export"
    if target.exists():
        raise RunFolderError(
            f"{safe(target)}: is there already", "Choose another folder with --out, or delete it: nothing is replaced."
        )
    _check(dtype, hub, public=public)
    become(
        ExportRequest(
            run=run,
            out=target,
            iteration=iteration,
            merge=merge,
            dtype=dtype,
            hub=hub,
            public=public,
            as_json=as_json,
        )
    )


def _check(dtype: str, hub: str, *, public: bool) -> None:
    if dtype not in {"", *_DTYPES}:
        raise typer.BadParameter(f"{safe(dtype)}: say one of {', '.join(_DTYPES)}", param_hint="--dtype")
    if hub and not _NAME.fullmatch(hub):
        raise typer.BadParameter(f"{safe(hub)}: write it as OWNER/NAME", param_hint="--push-to-hub")
    if public and not hub:
        raise typer.BadParameter("says who may read what --push-to-hub pushes", param_hint="--public")

"""`irltui export`: check the options, then hand the request to a worker with torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Json, Plugins, Run, TrustCode
from irltui.errors import RunFolderError
from irltui.text import safe

_DTYPES = ("float32", "bfloat16", "float16")


def export(  # noqa: PLR0913 - an option each
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="A new folder; default: RUN/export."),
    ] = None,
    iteration: Annotated[
        str,
        typer.Option(
            "--iteration", metavar="T", help="result, best, last, a number of outer iterations, or a checkpoint."
        ),
    ] = "result",
    merge: Annotated[
        bool, typer.Option("--merge/--no-merge", help="LoRA: merge the adapter into the weights, or not.")
    ] = True,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="Type of the weights: float32, bfloat16 or float16.")
    ] = "",
    hub: Annotated[
        str,
        typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Also upload to a private Hugging Face repository."),
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="Make the uploaded repository public.")] = False,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Export a model to use and share: weights, tokenizer, reward, and a model card filled in from the run.

    The folder has transformers' format with safetensors only; a LoRA adapter goes to FOLDER/adapter, the reward of an
    RFT run to FOLDER/reward. The best iteration is the one with the lowest held-out loss (fixed reference) or NLL.

    Examples:
      irltui export runs/first
      irltui export runs/first --iteration best --out models/best
      irltui export runs/first --iteration 2 --out models/second --dtype bfloat16
      irltui export runs/lora --no-merge --out models/adapter
      irltui export runs/first --out models/first --push-to-hub OWNER/NAME
    """
    from irltui.cli.worker import work
    from irltui.config.requests import ExportRequest
    from irltui.runs.folder import open_run_folder

    folder = open_run_folder(run)
    target = out if out is not None else folder.path / "export"
    if target.exists():
        raise RunFolderError(
            f"{safe(target)}: already exists", "Choose another folder with --out, or delete it: nothing is replaced."
        )
    _check(dtype, hub, public=public)
    options = {"iteration": iteration, "merge": merge, "dtype": dtype, "hub": hub, "public": public, "as_json": as_json}
    sys.exit(work(ExportRequest.model_validate({"run": run, "out": target, **options})))


def _check(dtype: str, hub: str, *, public: bool) -> None:
    if dtype not in {"", *_DTYPES}:
        raise typer.BadParameter(f"{safe(dtype)}: must be one of {', '.join(_DTYPES)}", param_hint="--dtype")
    if public and not hub:
        raise typer.BadParameter("needs --push-to-hub", param_hint="--public")
    if hub and not _is_hub_name(hub):
        raise typer.BadParameter(f"{safe(hub)}: write it as OWNER/NAME", param_hint="--push-to-hub")


def _is_hub_name(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1

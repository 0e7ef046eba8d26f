"""`irltui triage`: a run's demonstrations, most suspicious first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Batch, Json, Out, Overwrite, Plugins, Run, TrustCode
from irltui.errors import RunFolderError
from irltui.text import safe


def triage(  # noqa: PLR0913 - an option each
    run: Run,
    out: Out = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to show; 0 shows all.")] = 20,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FILE", help="Write the rows worth keeping there, as they were (JSONL)."),
    ] = None,
    batch: Batch = 8,
    overwrite: Overwrite = False,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Rank a run's demonstrations from most to least suspicious, with reasons.

    Criteria: low reward, duplicates and near-duplicates, unusual length, empty answers, truncation.

    Where the rewards fall into two groups, as when a part of the demonstrations shows another habit, --keep writes the
    upper one, to train on with `irltui run --data`; where there is one group, all rows.

    Examples:
      irltui triage runs/first
      irltui triage runs/first --limit 50 --out doubtful.jsonl
      irltui triage runs/sft --keep good.jsonl
      irltui triage runs/first --limit 0 --json
    """
    from irltui.cli.learned import finished_run, work_on
    from irltui.cli.learned_view import rows_of, triage_view
    from irltui.config.requests import TriageRequest
    from irltui.runs.manifest import read_manifest

    folder = finished_run(run)
    if keep is not None and keep.exists() and not overwrite:
        raise RunFolderError(f"--keep {safe(keep)}: already exists", "Choose another file, or add --overwrite.")
    request = TriageRequest(
        run=folder.path,
        values=read_manifest(folder).config,
        out=out or folder.applied / "triage.jsonl",
        batch=batch,
        overwrite=overwrite,
        keep=keep,
    )
    sys.exit(work_on(request, lambda path: rows_of(path, limit) if as_json else triage_view(path, limit, keep)))

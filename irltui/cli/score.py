"""`irltui score`: the learned reward of rows of data."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from irltui.cli.options import Batch, Data, Json, Out, Overwrite, Reading, Run, TrustCode, TrustedPlugins


def score(  # noqa: PLR0913 - an option each
    run: Run,
    data: Data,
    out: Out = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Also write the reward of each token.")] = False,
    rank: Annotated[bool, typer.Option("--rank", help="Sort by reward, highest first.")] = False,
    best: Annotated[bool, typer.Option("--best-of-group", help="Keep only the best response to each prompt.")] = False,
    assignments: Reading = None,
    batch: Batch = 8,
    overwrite: Overwrite = False,
    plugins: TrustedPlugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Score responses with a run's reward (rft), or with its log-ratio to the model that it started from.

    Rows are written as they are scored. Repeat an interrupted command to continue it.

    Examples:
      irltui score runs/first --data answers.jsonl
      irltui score runs/first --data answers.parquet --rank --out ranked.jsonl
      irltui score runs/first --data D --best-of-group --out best.jsonl
      irltui score runs/first --data D --set data.columns.completion=reply
    """
    from irltui.cli.learned import DATA, finished_run, place, reading, work_on
    from irltui.cli.learned_view import score_view
    from irltui.config.requests import ScoreRequest

    folder = finished_run(run)
    request = ScoreRequest(
        run=folder.path,
        **reading(folder, data, assignments or (), DATA),
        out=out or place(folder, "score", data),
        batch=batch,
        overwrite=overwrite,
        tokens=tokens,
        rank=rank,
        best=best,
    )
    sys.exit(work_on(request, lambda path: score_view(path, as_json=as_json), as_json=as_json))

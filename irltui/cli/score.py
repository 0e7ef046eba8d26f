"""`irltui score`: the learned reward of rows of data."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from irltui.cli.options import Batch, Data, Json, Out, Overwrite, Plugins, Reading, Run, TrustCode


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
    plugins: Plugins = None,
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
    from irltui.cli.learned import finished_run, request_on, work_on
    from irltui.cli.learned_view import described, score_view
    from irltui.config.requests import ScoreRequest

    options = {"batch": batch, "overwrite": overwrite, "tokens": tokens, "rank": rank, "best": best}
    request = request_on(ScoreRequest, finished_run(run), data, assignments, out, **options)
    sys.exit(work_on(request, described if as_json else score_view))

"""`irltui sample`: sample a run's policy, and keep the best of n by its reward."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from irltui.cli.options import Batch, Json, Out, Overwrite, Plugins, Reading, Run, TrustCode


def sample(  # noqa: PLR0913 - an option each
    run: Run,
    prompts: Annotated[str, typer.Option("--prompts", metavar="D", help="Data with prompts; answers are not read.")],
    best_of: Annotated[int, typer.Option("--best-of", min=1, help="Answers to sample per prompt.")] = 8,
    strength: Annotated[
        float | None,
        typer.Option("--strength", min=0, help="Amplify what the run learned over its initial model; 1 is as learned."),
    ] = None,
    out: Out = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sampling.")] = 0,
    assignments: Reading = None,
    batch: Batch = 8,
    overwrite: Overwrite = False,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Sample answers from a run's policy, and keep the best of n by its reward.

    The reward of a run that learned none (sft) is its log-ratio to the model that it started from. With --strength W
    tokens are sampled from log pi_0 + W (log pi - log pi_0), among those that the policy finds plausible.

    The output holds each prompt with its best answer, which `irltui run --data` reads, and all n with rewards.
    Repeat an interrupted command to continue it.

    Examples:
      irltui sample runs/first --prompts prompts.jsonl
      irltui sample runs/first --prompts P --best-of 16 --seed 1 --out best.jsonl
      irltui sample runs/first --prompts P --set decoding.temperature=0.8
      irltui sample runs/sft --prompts P --best-of 1 --strength 3
    """
    from irltui.cli.learned import finished_run, request_on, work_on
    from irltui.cli.learned_view import described, sample_view
    from irltui.config.requests import SampleRequest

    guided = [] if strength is None else [f"decoding.strength={strength}"]
    options = {"batch": batch, "overwrite": overwrite, "count": best_of, "seed": seed}
    sets = [*(assignments or ()), *guided]
    request = request_on(SampleRequest, finished_run(run), prompts, sets, out, **options)
    sys.exit(work_on(request, described if as_json else sample_view))

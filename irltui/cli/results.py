"""The commands for what runs learned, and their help; like `main`, they import what they need when they are called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.help_style import App
from irltui.cli.options import Assignments, Batch, Data, Json, Out, Overwrite, Reading, Run

RESULTS = "Results"
results_app = App()


@results_app.command(rich_help_panel=RESULTS)
def bench(
    target: Annotated[
        str, typer.Argument(metavar="MODEL_OR_RUN", help="Hub name, model folder, or a finished run's folder.")
    ],
    benchmarks: Annotated[
        list[str] | None,
        typer.Option("--benchmark", metavar="NAME", help="One that the run configures, or a kind; repeatable."),
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="D", help="The benchmarks' file or hub data set.")] = "",
    assignments: Assignments = None,
    items: Annotated[
        Path | None, typer.Option("--items", metavar="FILE", help="Also write every value, item by item (JSONL).")
    ] = None,
    as_json: Json = False,
) -> None:
    r"""Measure a model, or what a run learned: every figure with its 95 % interval and n.

    Of a run, without --benchmark: the benchmarks that it was configured with.

    Examples:
      irltui bench runs/first --benchmark logprob_gap --data pairs.jsonl
      irltui bench runs/first --benchmark planted --data marked.jsonl \
          --set benchmarks.planted.bad=is_bad
      irltui bench quickstart --benchmark quickstart
      irltui bench M --benchmark win_rate --data answers.jsonl --json \
          --set benchmarks.win_rate.judge=JUDGE
    """
    from irltui.cli.bench import BenchRequest
    from irltui.cli.bench import bench as measure

    measure(BenchRequest(target, tuple(benchmarks or ()), data, tuple(assignments or ()), items, as_json))


@results_app.command(rich_help_panel=RESULTS)
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
    from irltui.cli.export import ExportRequest
    from irltui.cli.export import export as write

    write(ExportRequest(run, out, iteration, merge, dtype, hub, public, as_json))


@results_app.command(rich_help_panel=RESULTS)
def score(  # noqa: PLR0913 - an option each
    run: Run,
    data: Data,
    out: Out = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Write each token's part of the reward, too.")] = False,
    rank: Annotated[bool, typer.Option("--rank", help="Highest rewards first.")] = False,
    best: Annotated[bool, typer.Option("--best-of-group", help="Keep the best response to each prompt.")] = False,
    assignments: Reading = None,
    batch: Batch = 8,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Score responses with the reward that a run learned, its own (rft) or its log-ratio (irft, spin).

    Rows are stored as they are scored: a command that was interrupted, given again, goes on.

    Examples:
      irltui score runs/first --data answers.jsonl
      irltui score runs/first --data answers.parquet --rank --out ranked.jsonl
      irltui score runs/first --data D --best-of-group --out best.jsonl
      irltui score runs/first --data D --set data.columns.completion=reply
    """
    from irltui.cli.learned import Common, score

    common = Common(run, out, batch, overwrite=overwrite, as_json=as_json)
    sys.exit(score(common, data, tuple(assignments or ()), tokens=tokens, rank=rank, best=best))


@results_app.command(rich_help_panel=RESULTS)
def sample(  # noqa: PLR0913 - an option each
    run: Run,
    prompts: Annotated[str, typer.Option("--prompts", metavar="D", help="Data with prompts; answers are not read.")],
    best_of: Annotated[int, typer.Option("--best-of", min=1, help="Answers drawn for each prompt.")] = 8,
    out: Out = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 0,
    assignments: Reading = None,
    batch: Batch = 8,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Answer prompts with a run's policy, the best of n by its reward.

    The file holds the best answer as prompt and completion, which `irltui run --data` reads, and all n with rewards.
    An interrupted command, given again, goes on.

    Examples:
      irltui sample runs/first --prompts prompts.jsonl
      irltui sample runs/first --prompts P --best-of 16 --seed 1 --out best.jsonl
      irltui sample runs/first --prompts P --set decoding.temperature=0.8
      irltui sample runs/sft --prompts P --best-of 1
    """
    from irltui.cli.learned import Common, sample

    common = Common(run, out, batch, overwrite=overwrite, as_json=as_json)
    sys.exit(sample(common, prompts, tuple(assignments or ()), count=best_of, seed=seed))


@results_app.command(rich_help_panel=RESULTS)
def triage(
    run: Run,
    out: Out = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to show; 0 shows all.")] = 20,
    batch: Batch = 8,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Order a run's own demonstrations from most to least suspicious, with reasons.

    Looked at: low reward, repeated or nearly repeated rows, unusual length, nothing said, cut at the length cap.

    Examples:
      irltui triage runs/first
      irltui triage runs/first --limit 50 --out doubtful.jsonl
      irltui triage runs/first --limit 0 --json
    """
    from irltui.cli.learned import Common, triage

    sys.exit(triage(Common(run, out, batch, overwrite=overwrite, as_json=as_json), limit))

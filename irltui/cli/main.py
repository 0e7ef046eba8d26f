"""The commands and their help. Everything else is imported by the command that needs it: `--help` must be quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_RUNS, _RESULTS, _CONFIGURATION = "Runs", "Results", "Configuration"

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 no such run, 75 preempted (resume it).",
)
config_app = typer.Typer(help="Look at configurations.", no_args_is_help=True)
app.add_typer(config_app, name="config", rich_help_panel=_CONFIGURATION)
debug_app = typer.Typer(help="Find out why a step failed.", no_args_is_help=True)
app.add_typer(debug_app, name="debug", rich_help_panel=_RUNS)

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A preset, a TOML file, or RUN/run.json to repeat a run.")
]
Model = Annotated[str, typer.Option("--model", metavar="M", help="Hub name, model folder, or a finished run's folder.")]
Data = Annotated[str, typer.Option("--data", metavar="D", help="Hub name, or a JSONL, Parquet, CSV or Arrow file.")]
Preset = Annotated[str, typer.Option("--preset", metavar="P", help="A preset that lies under a TOML file.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one value, such as loop.batch=8; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Order of the data and everything drawn.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Reading = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="How the data is read, such as data.split=test; repeatable."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="F", help="JSONL file; default: in RUN/applied/.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Responses a forward pass; rewards do not depend on it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin anew, whatever the output holds.")]


def main() -> None:
    """Run the command line and end the process; errors of ours become a message and a hint."""
    from irltui.cli.say import error_text, prepare_streams, talk
    from irltui.errors import IrltuiError

    prepare_streams()
    try:
        app(prog_name="irltui")
    except IrltuiError as error:
        talk(error_text(error))
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def irltui(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Fine-tune language models from demonstrations by inverse reinforcement learning: IRFT, RFT, SPIN, SFT.

    Alone, on a terminal, irltui opens the dashboard.

    Examples:
      irltui run irft --model M --data demos.jsonl   train, and watch
      irltui presets                                 what can be run
      irltui runs                                    what has been run
    """
    if version:
        from irltui import __version__
        from irltui.cli.say import out

        out(f"irltui {__version__}")
    elif context.invoked_subcommand is None:
        from irltui.cli.dashboard import open_dashboard
        from irltui.cli.say import has_screen, out

        if not (has_screen() and open_dashboard(None)):
            out(context.get_help())


@app.command(rich_help_panel=_RUNS)
def run(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Folder of the new run.")] = None,
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: a progress display, or lines.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events as JSON lines; implies --headless.")
    ] = False,
    resume: Annotated[Path | None, typer.Option("--resume", metavar="RUN", help="Continue a run as it was.")] = None,
) -> None:
    """Train: start a run, or continue one, and follow it.

    The engine is a process of its own: closing the terminal does not end it.
    Ctrl-C stops it with a checkpoint, a second Ctrl-C at once.

    Examples:
      irltui run irft --model M --data demos.jsonl --out runs/first
      irltui run spin --model M --data D --set loop.batch=8 --headless
      irltui run my.toml --preset irft --seed 1
      irltui run runs/first/run.json                repeat a run
      irltui run --resume runs/first                continue a run
      irltui run irft --model runs/first --data D   train its result further
    """
    from irltui.cli.run import Request, run_command
    from irltui.cli.sources import Sources

    sources = Sources(target, preset, model, data, seed, tuple(assignments or ()))
    sys.exit(run_command(Request(sources, out, resume, headless=headless, as_json=as_json)))


@app.command(rich_help_panel=_RUNS)
def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to look.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List runs and how they are doing.

    Examples:
      irltui runs
      irltui runs /data/runs --json
    """
    from irltui.cli.listing import list_runs

    list_runs(folder, as_json=as_json)


@app.command(rich_help_panel=_RUNS)
def show(run: Run, as_json: Json = False) -> None:
    """Tell what a run did: state, figures at start and end, alerts, result.

    Examples:
      irltui show runs/first
      irltui show runs/first --json
    """
    from irltui.cli.summary import show_run

    show_run(run, as_json=as_json)


@app.command(rich_help_panel=_RUNS)
def ctl(
    run: Run,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="pause, resume, checkpoint, stop, sample or note.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A prompt for sample, the words of a note.")] = "",
) -> None:
    """Steer a run that is working; waits a few seconds for its answer.

    Examples:
      irltui ctl runs/first pause
      irltui ctl runs/first sample "Who are you?"
      irltui ctl runs/first note "lowered the fan"
      irltui ctl runs/first stop                    with a checkpoint
    """
    from irltui.cli.ctl import control

    sys.exit(control(run, command, text))


@app.command(rich_help_panel=_RUNS)
def doctor(run: Run, as_json: Json = False) -> None:
    """Check that a run folder is whole, and say from where it can go on.

    Reads every file, changes nothing. Exit code 1 if something is wrong.

    Examples:
      irltui doctor runs/first
      irltui doctor runs/first --json
    """
    from irltui.cli.doctor import examine

    sys.exit(examine(run, as_json=as_json))


@app.command(rich_help_panel=_RESULTS)
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
    """Measure a model, or what a run learned: every figure with its 95 % interval and n.

    Of a run, without --benchmark: the benchmarks that it was configured with.

    Examples:
      irltui bench runs/first --benchmark logprob_gap --data pairs.jsonl
      irltui bench runs/first --benchmark planted --data marked.jsonl --set benchmarks.planted.bad=is_bad
      irltui bench quickstart --benchmark quickstart
      irltui bench M --benchmark win_rate --data answers.jsonl --set benchmarks.win_rate.judge=JUDGE --json
    """
    from irltui.cli.bench import BenchRequest
    from irltui.cli.bench import bench as measure

    measure(BenchRequest(target, tuple(benchmarks or ()), data, tuple(assignments or ()), items, as_json))


@app.command(rich_help_panel=_RESULTS)
def export(
    run: Run,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="A folder that is not there yet.")],
    iteration: Annotated[
        str, typer.Option("--iteration", metavar="T", help="best, last, or after how many outer iterations.")
    ] = "best",
    as_json: Json = False,
) -> None:
    """Write the model of one outer iteration to a folder of its own, from its checkpoint.

    A transformers folder, adapters merged; of an RFT run with the reward of that iteration in FOLDER/reward.
    The best iteration is the one with the lowest held-out loss (fixed reference) or NLL.

    Examples:
      irltui export runs/first --iteration best --out models/best
      irltui export runs/first --iteration 2 --out models/second
    """
    from irltui.cli.bench import export as write

    write(run, iteration, out, as_json=as_json)


@app.command(rich_help_panel=_RESULTS)
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


@app.command(rich_help_panel=_RESULTS)
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


@app.command(rich_help_panel=_RESULTS)
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


@app.command(rich_help_panel=_CONFIGURATION)
def presets(as_json: Json = False) -> None:
    """List the presets.

    Examples:
      irltui presets
      irltui presets --json
    """
    from irltui.cli.listing import list_presets

    list_presets(as_json=as_json)


@config_app.command("show")
def config_show(
    target: Target = "",
    model: Model = "",
    data: Data = "",
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Print the resolved configuration as TOML, each value with its origin.

    Examples:
      irltui config show irft --model M --data D
      irltui config show my.toml --set loop.batch=8
      irltui config show runs/first/run.json
    """
    from irltui.cli.listing import show_config
    from irltui.cli.sources import Sources

    show_config(Sources(target, preset, model, data, seed, tuple(assignments or ())), as_json=as_json)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of a configuration.

    Examples:
      irltui config schema > irltui.schema.json
    """
    from irltui.cli.say import out_json
    from irltui.config.json_schema import json_schema
    from irltui.registry import Registry

    out_json(json_schema(Registry()))


@debug_app.command("batch")
def debug_batch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RUN/faults/NAME, which the failed run named.")],
    as_json: Json = False,
) -> None:
    """Compute a step that failed once more: which response, parameter or gradient is not finite.

    Examples:
      irltui debug batch runs/first/faults/0001-000004
      irltui debug batch runs/first/faults/0001-000004 --json
    """
    from irltui.cli.apply import become

    become("debug", folder=folder, as_json=as_json)

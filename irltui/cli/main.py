"""The commands and their help. Everything else is imported by the command that needs it: `--help` must be quick.

Those for what runs learned are declared in `results`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.help_style import App
from irltui.cli.options import Assignments, Data, Json, Model, Plugins, Preset, Run, Seed, Target
from irltui.cli.reports import reports_app
from irltui.cli.results import results_app

_RUNS, _CONFIGURATION = "Runs", "Configuration"

app = App(
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, configuration, data or model, 3 no such run, 75 preempted, "
    "130 interrupted. NO_COLOR is heeded.",
)
app.add_typer(reports_app)
app.add_typer(results_app)
config_app = App(
    help="Look at configurations.\n\nExamples:\n  irltui config show irft --model M --data D\n"
    "  irltui config schema > irltui.schema.json",
    no_args_is_help=True,
)
app.add_typer(config_app, name="config", rich_help_panel=_CONFIGURATION)
plugins_app = App()
app.add_typer(plugins_app, name="plugins", rich_help_panel=_CONFIGURATION)
debug_app = App(
    help="Find out why a step failed.\n\nExamples:\n  irltui debug batch runs/first/faults/0001-000004",
    no_args_is_help=True,
)
app.add_typer(debug_app, name="debug", rich_help_panel=_RUNS)


def main() -> None:
    """Run the command line and end the process; errors of ours become a message and a hint."""
    from irltui.console import complain, is_verbose
    from irltui.errors import EXIT_FAILED, IrltuiError
    from irltui.text import safe
    from irltui.views.terminal import error_text, prepare_streams, refuse_odd_options

    prepare_streams()
    try:
        refuse_odd_options(sys.argv[1:])
        app(prog_name="irltui")
    except IrltuiError as error:
        if is_verbose():
            import traceback

            complain("".join(traceback.format_exception(error)).rstrip())
        complain(error_text(error))
        sys.exit(error.exit_code)
    except PermissionError as error:  # of a file or folder that was named, met wherever it is first looked at
        complain(f"error: {safe(error.filename)}: {safe(error.strerror)}")
        sys.exit(EXIT_FAILED)


@app.callback(invoke_without_command=True)
def irltui(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Before any command: results and errors alone.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Before any command: errors with where in the program they arose.")
    ] = False,
) -> None:
    """Fine-tune language models from demonstrations by inverse reinforcement learning: IRFT, RFT, SPIN, SFT.

    Alone, on a terminal, irltui opens the dashboard.

    Examples:
      irltui run irft --model M --data demos.jsonl   train, and watch
      irltui presets                                 what can be run
      irltui runs                                    what has been run
      irltui --quiet export runs/first               nothing but the result
      irltui --install-completion                    completion in this shell
    """
    from irltui.console import QUIET, VERBOSE

    os.environ.update({name: "1" for name, is_set in ((QUIET, quiet), (VERBOSE, verbose)) if is_set})
    if version:
        from irltui import __version__
        from irltui.console import out

        out(f"irltui {__version__}")
    elif context.invoked_subcommand is None:
        from irltui.cli.dashboard import open_dashboard
        from irltui.console import out
        from irltui.views.terminal import has_screen

        if not (has_screen() and open_dashboard(None)):
            out(context.get_help())


@app.command(rich_help_panel=_RUNS)
def run(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Folder of the new run; default: runs/NAME-TIME.")
    ] = None,
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    plugins: Plugins = None,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: a progress display, or lines.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events as JSON lines; implies --headless.")
    ] = False,
    resume: Annotated[Path | None, typer.Option("--resume", metavar="RUN", help="Continue a run as it was.")] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, metavar="N", help="The same run from N seeds, in RUN/seed-S.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=A,B", help="A run for each value, in RUN/KEY=A; repeatable: all pairs."),
    ] = None,
    submit: Annotated[
        list[str] | None,
        typer.Option(
            "--submit",
            metavar="KEY=VALUE",
            help="Submit every run to Slurm, through submitit, and return: time=12:00:00, partition=gpu; repeatable.",
        ),
    ] = None,
) -> None:
    r"""Train: start a run, or continue one, and follow it.

    The engine is a process of its own: closing the terminal does not end it.
    Ctrl-C stops it with a checkpoint, a second Ctrl-C at once.

    Examples:
      irltui run irft --model M --data demos.jsonl --out runs/first
      irltui run spin --model M --data D --set loop.batch=8 --headless
      irltui run my.toml --preset irft --seed 1
      irltui run irft --model M --data D --out runs/five --seeds 5
      irltui run irft --model M --data D --out runs/lr --seeds 3 \
          --grid optimizer.learning_rate=1e-6,2e-6
      irltui run irft --model M --data D --out runs/five --seeds 5 \
          --submit time=12:00:00 --submit gpus_per_node=8
      irltui run rft --model M --data D --plugin mine.py \
          --set reward.kind=mine/short
      irltui run runs/first/run.json                repeat a run
      irltui run --resume runs/first                continue a run
      irltui run irft --model runs/first --data D   train its result further
    """
    from irltui.cli.run import Request, run_command
    from irltui.cli.sources import Sources

    sources = Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ()))
    request = Request(
        sources,
        out,
        resume,
        headless=headless,
        as_json=as_json,
        seeds=seeds,
        grid=tuple(grid or ()),
        submit=tuple(submit or ()),
    )
    sys.exit(run_command(request))


@app.command(rich_help_panel=_RUNS)
def watch(
    run: Run,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")] = False,
) -> None:
    """Attach to a run that was started elsewhere, and steer it; leaving leaves it alone.

    To watch a run on another machine, run the command there: `ssh -t HOST irltui watch RUN`.

    Examples:
      irltui watch runs/first
      irltui watch runs/first --headless
    """
    from irltui.cli.watch import watch as attach

    sys.exit(attach(run, headless=headless, as_json=as_json))


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
def config_show(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    plugins: Plugins = None,
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

    show_config(
        Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ())), as_json=as_json
    )


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of a configuration.

    Examples:
      irltui config schema > irltui.schema.json
    """
    from irltui.api.registry import Registry
    from irltui.config.json_schema import json_schema
    from irltui.console import out_json

    out_json(json_schema(Registry()))


@plugins_app.callback(invoke_without_command=True)
def plugins(context: typer.Context, as_json: Json = False) -> None:
    """What is installed, what it provides, whether it keeps its contract.

    Alone, `irltui plugins` lists. Listing imports nothing.

    Examples:
      irltui plugins
      irltui plugins --json
      irltui plugins check acme
    """
    if context.invoked_subcommand is None:
        from irltui.cli.plugins import list_plugins

        sys.exit(list_plugins(load=False, as_json=as_json))


@plugins_app.command("list")
def plugins_list(
    load: Annotated[bool, typer.Option("--load", help="Import each, in its own process, for its options.")] = False,
    as_json: Json = False,
) -> None:
    """List plugins with where they come from; with --load also their kinds and options.

    Examples:
      irltui plugins list
      irltui plugins list --load --json
    """
    from irltui.cli.plugins import list_plugins

    sys.exit(list_plugins(load=load, as_json=as_json))


@plugins_app.command("check")
def plugins_check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An installed plugin, or a Python file.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KIND.OPTION=VALUE", help="An option for the checks; repeatable."),
    ] = None,
    limit: Annotated[float, typer.Option("--limit", min=0.1, help="Seconds that one check may take.")] = 120.0,
    as_json: Json = False,
) -> None:
    """Load a plugin in a process of its own and try everything it provides on the embedded model.

    Exit code 1 if anything is wrong.

    Examples:
      irltui plugins check acme
      irltui plugins check ./my_reward.py --set bounded.limit=2.0
      irltui plugins check acme --limit 600 --json
    """
    from irltui.cli.plugins import check_plugin

    sys.exit(check_plugin(name, tuple(assignments or ()), limit, as_json=as_json))


@plugins_app.command("new")
def plugins_new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name, which its kinds begin with.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="reward, sampler or benchmark.")] = "reward",
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Default: ./irltui-NAME.")] = None,
) -> None:
    """Write a new plugin: a whole distribution whose own tests pass as it is.

    Examples:
      irltui plugins new acme --kind reward
      irltui plugins new acme --kind sampler --out ~/code/irltui-acme
    """
    from irltui.cli.new_plugin import new_plugin

    new_plugin(name, kind, out)


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
    from irltui.cli.worker import become

    become("debug", folder=folder, as_json=as_json)

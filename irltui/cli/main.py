"""The command line. Each command is a module, which imports heavy packages only when called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli import (
    bench,
    check,
    compare,
    config,
    ctl,
    debug,
    doctor,
    export,
    init,
    metrics,
    new_plugin,
    plugins,
    presets,
    report,
    run,
    runs,
    sample,
    score,
    show,
    triage,
    watch,
)
from irltui.cli.help_style import PlainCommand, PlainGroup
from irltui.errors import EXIT_CODES

app = typer.Typer(
    cls=PlainGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}. Respects NO_COLOR.",
)
_PANELS = {
    "Runs": (init.init, check.check, run.run, watch.watch, runs.runs, show.show, ctl.ctl, doctor.doctor,
             metrics.metrics, compare.compare, report.report),
    "Results": (score.score, sample.sample, triage.triage, bench.bench, export.export),
    "Configuration": (presets.presets,),
}  # fmt: skip
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(cls=PlainCommand, rich_help_panel=panel)(command)
config_app = typer.Typer(
    cls=PlainGroup,
    help="Show configurations and their schema.\n\nExamples:\n  irltui config show irft --model M --data D\n"
    "  irltui config schema > irltui.schema.json",
    no_args_is_help=True,
)
plugins_app = typer.Typer(
    cls=PlainGroup,
    help="List, check and create plugins.\n\nExamples:\n  irltui plugins list\n  irltui plugins check acme",
    no_args_is_help=True,
)
debug_app = typer.Typer(
    cls=PlainGroup,
    help="Find out why a step failed.\n\nExamples:\n  irltui debug batch runs/first/faults/0001-000004",
    no_args_is_help=True,
)
_GROUPS = (
    ("config", "Configuration", config_app, {"show": config.show, "schema": config.schema}),
    ("plugins", "Configuration", plugins_app, {"list": plugins.show, "check": plugins.check, "new": new_plugin.new}),
    ("debug", "Runs", debug_app, {"batch": debug.debug_batch}),
)
for name, panel, group, below in _GROUPS:
    app.add_typer(group, name=name, rich_help_panel=panel)
    for short, function in below.items():
        group.command(short, cls=PlainCommand)(function)


def main() -> None:
    """Run the command line and exit; our own errors become a message and a hint."""
    from irltui.console import complain, is_verbose
    from irltui.errors import EXIT_FAILED, IrltuiError
    from irltui.text import safe
    from irltui.views.terminal import error_text, prepare_streams, refuse_odd_options

    prepare_streams()
    try:
        refuse_odd_options(sys.argv[1:])
        if (folder := _folder(sys.argv[1:])) is not None:
            _look_into(folder)
        else:
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


def _folder(arguments: list[str]) -> Path | None:
    """The folder of `irltui FOLDER`: the only argument, and no command is called so (`./runs` is a folder)."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return None
    path = Path(arguments[0])
    if not path.is_dir():
        return None
    commands = getattr(typer.main.get_command(app), "commands", {})
    return path if arguments[0] not in commands else None


def _look_into(folder: Path) -> None:
    """Open the dashboard on a folder of runs, or on a run; without a terminal, list the runs."""
    from irltui.cli.dashboard import open_dashboard
    from irltui.runs.folder import is_run
    from irltui.views.terminal import has_screen

    if has_screen():
        open_dashboard(*((folder,) if is_run(folder) else (None, folder)))
    else:
        app(["show" if is_run(folder) else "runs", str(folder)], prog_name="irltui")


@app.callback(invoke_without_command=True)
def irltui(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only results and errors; goes before the command.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print tracebacks with errors; goes before the command.")
    ] = False,
) -> None:
    """Fine-tune language models from demonstrations by inverse reinforcement learning: IRFT, RFT, SPIN, SFT.

    Without a command, or with a folder, irltui opens the dashboard on a terminal.

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

        if has_screen():
            open_dashboard(None)
        else:
            out(context.get_help())

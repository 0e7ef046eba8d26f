"""Open the dashboard from the command line, and start runs for it."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING

from irltui.errors import EXIT_OK
from irltui.runs.folder import new_folder

if TYPE_CHECKING:
    from irltui.config.load import Loaded
    from irltui.dashboard.form import Offers
    from irltui.experiments.study import Study
    from irltui.views.check import Checked

RUNS = Path("runs")


def open_dashboard(run: Path | None, folder: Path | None = None, study: Path | None = None) -> int:
    """Show the dashboard on a run or on all runs of a folder, and follow a study that works.

    Returns:
        Its exit code, 130 if whoever left it wants the work to stop.
    """
    gc.disable()  # imports make many objects and no garbage: looking for some takes a tenth of the start
    from irltui.cli.answers import answers
    from irltui.dashboard.app import Dashboard
    from irltui.dashboard.services import Services
    from irltui.dashboard.store import study_of
    from irltui.dashboard.terminal import has_light_ground
    from irltui.dashboard.theme import DARK, LIGHT, kept_theme

    if folder is None and run is not None and run.parent != Path():
        folder = study_of(run) or run.parent
    folder = folder or RUNS
    theme = kept_theme() or (LIGHT if has_light_ground() else DARK)
    gc.freeze()
    gc.enable()
    code = Dashboard(folder, run, Services(launch, look, check, report, answers), study, theme).run()
    return EXIT_OK if code is None else code


def look() -> Offers:
    """The kinds of installed plugins; each is loaded in its own process, since it may crash or hang."""
    from irltui.cli.plugins import look_at_installed
    from irltui.dashboard.form import Offers

    kinds: dict[str, dict[str, str]] = {}
    problems = []
    for row in look_at_installed():
        for kind in row["kinds"]:
            kinds.setdefault(kind["component"], {})[kind["kind"]] = kind["description"]
        if row["error"]:
            problems.append(row["error"])
    return Offers(kinds, tuple(problems))


def report(paths: Sequence[Path]) -> Path:
    """Write report.html beside the runs, or beside what they have in common."""
    from irltui.cli.report import write_report

    folder = paths[0] if len(paths) == 1 else Path(commonpath([path.absolute().parent for path in paths]))
    write_report(paths, folder / "report.html", None, 8)
    return folder / "report.html"


async def check(loaded: Loaded | Study, width: int) -> Checked:
    """The findings of `irltui check`. Cancelling it ends the checking process."""
    from irltui.cli.check import look_at
    from irltui.views.check import checked

    run, found = await look_at(loaded)
    return checked(found, run.config.model_dump(), width)


def launch(loaded: Loaded | Study, name: str) -> Path:
    """Make the folder of a new run, or of a study's runs, start the work, and return the (first) run's folder.

    A separate `irltui run` works through a study and, like an engine, outlives the dashboard.
    """
    from irltui.experiments.plan import create_run, make
    from irltui.experiments.process import start_engine
    from irltui.experiments.study import Study, study_plan

    folder = new_folder(name)
    if isinstance(loaded, Study):
        plan, runs = study_plan(loaded, (), folder)
        make(plan, runs)
        start_working(folder)
        return plan.run_folder(plan.runs[0]).path
    start_engine(create_run(folder, loaded))
    return folder


def start_working(folder: Path) -> subprocess.Popen[bytes]:
    """Work through the runs of a folder in a process that outlives this one."""
    with (folder / "console.log").open("ab") as console:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "irltui", "run", "--resume", str(folder.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

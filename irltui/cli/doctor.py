"""`irltui doctor`: print the findings of `irltui.runs.doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from irltui.cli.options import Json, Run
from irltui.console import columns, out, out_json
from irltui.errors import EXIT_FAILED, EXIT_OK
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.runs.doctor import Diagnosis
    from irltui.runs.folder import RunFolder


def doctor(run: Run, as_json: Json = False) -> None:
    """Check a run folder for damage, and show where it would resume.

    Reads every file, changes nothing. Exit code 1 if something is wrong.

    Examples:
      irltui doctor runs/first
      irltui doctor runs/first --json
    """
    from dataclasses import asdict

    from irltui.runs.doctor import diagnose
    from irltui.runs.folder import open_run_folder

    folder = open_run_folder(run)
    found = diagnose(folder)
    if as_json:
        out_json({"run": str(folder.path), **asdict(found), "problems": found.problems})
    else:
        rows = [["!!" if f.is_problem else "ok", safe(f.subject), safe(f.text, limit=300)] for f in found.findings]
        out(columns(rows))
        out(f"\nstate      {found.state}\nproblems   {found.problems or 'none'}\nresume     {_resume(folder, found)}")
    sys.exit(EXIT_FAILED if found.problems else EXIT_OK)


def _resume(run: RunFolder, found: Diagnosis) -> str:
    from irltui.runs.status import WORKING, State

    folder = safe(run.path)
    if found.state == State.FINISHED:
        return "not needed: the run has finished"
    if found.state in WORKING:
        return f"an engine is working: irltui ctl {folder} stop"
    if found.resumes_from is None:
        return "not possible; see !! above"
    place = f"from checkpoint {safe(found.resumes_from)}" if found.resumes_from else "from the beginning"
    return f"{place}: irltui run --resume {folder}"

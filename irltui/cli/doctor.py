"""`irltui doctor`: what `irltui.runs.doctor` found, in words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from irltui.console import columns, out, out_json
from irltui.errors import EXIT_FAILED, EXIT_OK
from irltui.runs.doctor import Diagnosis, diagnose
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.status import State
from irltui.text import safe


def examine(path: Path, *, as_json: bool) -> int:
    """Print the findings.

    Returns:
        The exit code: 1 if there are problems.

    Raises:
        NoRunError: there is no run.
    """
    run = open_run_folder(path)
    found = diagnose(run)
    if as_json:
        out_json({"run": str(run.path), **asdict(found), "problems": found.problems})
    else:
        rows = [["!!" if f.is_problem else "ok", safe(f.subject), safe(f.text, limit=300)] for f in found.findings]
        out(columns(rows))
        out(f"\nstate      {found.state}\nproblems   {found.problems or 'none'}\nresume     {_resume(run, found)}")
    return EXIT_FAILED if found.problems else EXIT_OK


def _resume(run: RunFolder, found: Diagnosis) -> str:
    folder = safe(run.path)
    if found.state == State.FINISHED:
        return "not needed: the run has finished"
    if found.state in {State.STARTING, State.RUNNING, State.PAUSED}:
        return f"an engine is working: irltui ctl {folder} stop"
    if found.resumes_from is None:
        return "not possible as it is; see !! above"
    place = f"from checkpoint {safe(found.resumes_from)}" if found.resumes_from else "from the beginning"
    return f"{place}: irltui run --resume {folder}"

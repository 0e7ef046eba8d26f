"""`irltui triage`: a run's own demonstrations from the most to the least suspicious."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from irltui.lm.load import quiet_transformers
from irltui.use.request import Request
from irltui.use.rows import open_source
from irltui.use.scoring import ScoredRow, gather_scores, summarise
from irltui.use.triage_reasons import Suspect, suspects


def main(**options: Any) -> None:
    """Order demonstrations into a file; the options are those of a `Request`.

    All rows are looked at, over-long ones that the run left out included.

    Raises:
        IrltuiError: the run learned no reward, its data is gone, or the file is another job's.
    """
    quiet_transformers()
    asked = Request(**options)
    trained_on_cut = asked.config.data.overlong == "truncate"
    asked = replace(asked, values={**asked.values, "data": {**asked.values["data"], "overlong": "truncate"}})
    source = open_source(asked.config.data)
    with asked.output("triage", source, {}, {}) as output:
        if output.is_complete:
            return
        gather_scores(output, asked, source, parts=False)
        rows = [ScoredRow.of(line) for line in output.lines()]
        found = suspects(rows, trained_on_cut=trained_on_cut)
        output.finish(map(_line, found), summarise(rows) | {"suspicious": _with_reasons(found)})


def _line(suspect: Suspect) -> dict[str, Any]:
    line: dict[str, Any] = {"row": suspect.row.number, "suspicion": round(suspect.suspicion, 4)}
    line["reasons"] = suspect.reasons
    if suspect.rank is not None:
        line["reward_rank"] = round(suspect.rank, 4)
    return line | suspect.row.line()


def _with_reasons(found: Sequence[Suspect]) -> int:
    return sum(bool(suspect.reasons) for suspect in found)

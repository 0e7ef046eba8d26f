"""`irltui triage`: a run's own demonstrations from the most to the least suspicious."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irltui.config.requests import TriageRequest
from irltui.lm.load import quiet_transformers
from irltui.use.request import output_of
from irltui.use.rows import open_source
from irltui.use.scoring import ScoredRow, gather_scores, summarise
from irltui.use.triage_reasons import Suspect, suspects


def main(request: TriageRequest) -> None:
    """Order demonstrations into a file.

    All rows are looked at, over-long ones that the run left out included.

    Raises:
        IrltuiError: the run learned no reward, its data is gone, or the file is another job's.
    """
    quiet_transformers()
    trained_on_cut = request.config.data.overlong == "truncate"
    data = {**request.values["data"], "overlong": "truncate"}
    asked = TriageRequest.model_validate({**request.model_dump(), "values": {**request.values, "data": data}})
    source = open_source(asked.config.data)
    with output_of(asked, source, {}, {}) as output:
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

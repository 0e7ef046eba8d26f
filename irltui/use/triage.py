"""`irltui triage`: a run's own demonstrations from the most to the least suspicious."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from irltui.config.requests import TriageRequest
from irltui.data.source import Rows, load_rows
from irltui.errors import RunFolderError
from irltui.lm.load import quiet_transformers
from irltui.runs.durable import replace_file
from irltui.use.heaps import two_heaps
from irltui.use.request import output_of
from irltui.use.rows import open_source
from irltui.use.scoring import ScoredRow, gather_scores, summarise
from irltui.use.triage_reasons import Suspect, suspects


def main(request: TriageRequest) -> None:
    """Order demonstrations into a file.

    All rows are looked at, over-long ones that the run left out included.

    Raises:
        IrltuiError: its data is gone, or the file is another job's.
    """
    quiet_transformers()
    trained_on_cut = request.config.data.overlong == "truncate"
    data = {**request.values["data"], "overlong": "truncate"}
    asked = TriageRequest.model_validate({**request.model_dump(), "values": {**request.values, "data": data}})
    source = open_source(asked.config.data)
    with output_of(asked, source, {}, {}) as output:
        if not output.is_complete:
            gather_scores(output, asked, source, parts=False)
            rows = [ScoredRow.of(line) for line in output.lines()]
            found = suspects(rows, trained_on_cut=trained_on_cut)
            heaps = two_heaps([row.reward for row in rows if row.reward is not None])
            summary = {"suspicious": _with_reasons(found), "heaps": None if heaps is None else asdict(heaps)}
            output.finish(map(_line, found), summarise(rows) | summary)
    if asked.keep is not None:
        _keep(asked.out, asked.keep, load_rows(asked.config.data))


def _keep(triaged: Path, file: Path, rows: Rows) -> None:
    """Write the rows of the upper heap, or all that have a reward, as they stand in the data.

    Raises:
        RunFolderError: the disk refuses.
    """
    with triaged.open(encoding="utf-8") as lines:
        rewards = {line["row"]: line["reward"] for line in map(json.loads, lines) if line["reward"] is not None}
    heaps = two_heaps(list(rewards.values()))
    least = -math.inf if heaps is None else heaps.border
    kept = (rows[number - 1] for number in sorted(rewards) if rewards[number] >= least)
    text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in kept)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise RunFolderError(f"--keep {file}: cannot be written: {error}", "Choose another file.") from error


def _line(suspect: Suspect) -> dict[str, Any]:
    line: dict[str, Any] = {"row": suspect.row.number, "suspicion": round(suspect.suspicion, 4)}
    line["reasons"] = suspect.reasons
    if suspect.rank is not None:
        line["reward_rank"] = round(suspect.rank, 4)
    return line | suspect.row.line()


def _with_reasons(found: Sequence[Suspect]) -> int:
    return sum(bool(suspect.reasons) for suspect in found)

"""`irltui triage`: a run's demonstrations from the most to the least suspicious, with reasons.

Suspicion is 1 minus the reward's rank (from 0 for the lowest to 1 for the highest) plus a weight for every other
reason, so that the order follows the reward where there is no other reason. Over-long rows are ranked separately.
"""

from __future__ import annotations

import bisect
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from irltui.config.requests import TriageRequest
from irltui.data.source import Rows, load_rows
from irltui.lm.load import quiet_transformers
from irltui.runs.durable import write_named
from irltui.use.near_duplicates import find_twins, words_of
from irltui.use.output import output_of
from irltui.use.rows import open_source
from irltui.use.score import Line, gather_scores, summarise
from irltui.use.two_groups import two_groups

_UNUSABLE = 2.0
_EMPTY = 0.8
_REPEATED = {"prompt and response": (0.5, 0.4), "response": (0.3, 0.2), "prompt": (0.1, 0.05)}  # exactly, and nearly
_TRUNCATED = 0.15
_LENGTH = 0.3

_SOME = 3  # fewer rows give no meaningful share
_LOW = 0.1  # share of lowest rewards that counts as low
_OUTLIER = 3.5  # modified z-score of the logarithm of the length (Iglewicz and Hoaglin)
_HABIT = 0.1  # share of rows above which repeated prompts are by design
_TELLING_WORDS = 5  # shorter responses may well be the same


def main(request: TriageRequest) -> None:
    quiet_transformers()
    trained_on_truncated = request.config.data.overlong == "truncate"
    data = {**request.values["data"], "overlong": "truncate"}
    asked = TriageRequest.model_validate({**request.model_dump(), "values": {**request.values, "data": data}})
    source = open_source(asked.config.data)
    with output_of(asked, source, {}, {}) as output:
        if not output.is_complete:
            gather_scores(output, asked, source, parts=False)
            rows = list(output.lines())
            found = suspects(rows, trained_on_truncated=trained_on_truncated)
            groups = two_groups([row["reward"] for row in rows if row["reward"] is not None])
            summary = {
                "suspicious": sum(bool(suspect.reasons) for suspect in found),
                "groups": groups and asdict(groups),
            }
            output.finish((suspect.line() for suspect in found), summarise(rows) | summary)
    if asked.keep is not None:
        _keep(asked.out, asked.keep, load_rows(asked.config.data))


def _keep(triaged: Path, file: Path, rows: Rows) -> None:
    """Write the rows of the upper group, or all that have a reward, as they stand in the data."""
    with triaged.open(encoding="utf-8") as lines:
        rewards = {line["row"]: line["reward"] for line in map(json.loads, lines) if line["reward"] is not None}
    groups = two_groups(list(rewards.values()))
    least = -math.inf if groups is None else groups.border
    kept = (rows[number - 1] for number in sorted(rewards) if rewards[number] >= least)
    text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in kept)
    write_named("--keep", file, text.encode("utf-8", "backslashreplace"))


class Reason(NamedTuple):
    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A demonstration; `rank` is the share of lower rewards among rows of its kind, None without a reward."""

    row: Line
    suspicion: float
    rank: float | None
    reasons: tuple[str, ...]

    def line(self) -> dict[str, Any]:
        ranked = {} if self.rank is None else {"reward_rank": round(self.rank, 4)}
        about = {"row": self.row["row"], "suspicion": round(self.suspicion, 4), "reasons": self.reasons}
        return {**about, **ranked, **self.row}


def suspects(rows: Sequence[Line], *, trained_on_truncated: bool = False) -> list[Suspect]:
    """All rows, the most suspicious first; ties in the order of the data. Over-long rows were dropped or truncated."""
    usable = [row for row in rows if row["reward"] is not None]
    # A truncated text has a lower reward because nobody trained on it as it is.
    ordered = {
        is_truncated: sorted(row["reward"] for row in usable if ("truncated" in row) is is_truncated)
        for is_truncated in (False, True)
    }
    reasons = _Reasons(usable, trained_on_truncated=trained_on_truncated)
    unusable = [row for row in rows if row["reward"] is None]
    found = [Suspect(row, _UNUSABLE, None, (f"cannot be used: {row['reason']}",)) for row in unusable]
    for place, row in enumerate(usable):
        rank = _rank(row["reward"], ordered["truncated" in row])
        others = list(reasons.of(place))
        low = [f"reward among the lowest {max(1, math.ceil(100 * rank))} %"] if rank < _LOW else []
        texts = (*low, *(reason.text for reason in others))
        found.append(Suspect(row, 1 - rank + sum(reason.weight for reason in others), rank, texts))
    return sorted(found, key=lambda suspect: (-suspect.suspicion, suspect.row["row"]))


class _Reasons:
    """Reasons other than the reward; needs all rows."""

    def __init__(self, rows: Sequence[Line], *, trained_on_truncated: bool) -> None:
        self._rows = rows
        self._became = "truncated in training" if trained_on_truncated else "not trained on"
        prompts = [words_of(_text(row)) for row in rows]
        responses = [words_of(row["completion"]) for row in rows]
        self._words = [len(words) for words in responses]
        self._prompts, self._responses = find_twins(prompts), find_twins(responses)
        # No shingle spans both texts: the separator is no word.
        self._pairs = find_twins([(*x, "|", *y) for x, y in zip(prompts, responses, strict=True)])
        repeated = sum(twin is not None for twin in self._prompts)
        self._repeats_prompts = len(rows) >= _SOME / _HABIT and repeated > _HABIT * len(rows)
        logs = [math.log(row["length"]) for row in rows]
        self._usual = median(logs) if logs else 0.0
        self._spread = median(abs(value - self._usual) for value in logs) if logs else 0.0

    def of(self, place: int) -> Iterator[Reason]:
        row = self._rows[place]
        if not self._words[place]:
            yield Reason(_EMPTY, "response without words")
        if self._spread and 0.6745 * abs(math.log(row["length"]) - self._usual) / self._spread > _OUTLIER:
            yield Reason(_LENGTH, f"response of {row['length']} tokens (typical: {math.exp(self._usual):.0f})")
        if "truncated" in row:
            yield Reason(_TRUNCATED, f"{', '.join(row['truncated'])}: {self._became}")
        if (repeated := self._repeated(place)) is not None:
            yield repeated

    def _repeated(self, place: int) -> Reason | None:
        """The gravest repetition only: a repeated pair also repeats its prompt and its response."""
        pair = self._pairs[place]
        what, twin = "prompt and response", pair if pair is not None and pair.index < place else None
        if pair is None and self._words[place] >= _TELLING_WORDS:
            what, twin = "response", self._responses[place]
        if pair is None and twin is None and not self._repeats_prompts:
            what, twin = "prompt", self._prompts[place]
        if twin is None:
            return None
        near = "same" if twin.exact else "nearly the same"
        more = f" and {twin.others - 1} more" if twin.others > 1 else ""
        weight = _REPEATED[what][0 if twin.exact else 1]
        return Reason(weight, f"{near} {what} as row {self._rows[twin.index]['row']}{more}")


def _rank(reward: float, ordered: Sequence[float]) -> float:
    """The share of the other rewards that are lower; equal ones count half."""
    if len(ordered) == 1:
        return 1.0
    lower, upper = bisect.bisect_left(ordered, reward), bisect.bisect_right(ordered, reward)
    return (lower + (upper - lower - 1) / 2) / (len(ordered) - 1)


def _text(row: Line) -> str:
    prompt = row["prompt"]
    messages = [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]
    return " ".join([row.get("system", ""), *messages])

"""Facts about the demonstrations that a report of counts does not show: lengths, repetitions, leaks. Judges nothing."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from irltui.data.demonstrations import DemonstrationData

BINS = 12
EXAMPLES = 5
_LEAK_FROM = 40  # characters from which on an equal response is no coincidence
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Histogram:
    """Counts of lengths in tokens; `edges` are one more than `counts`, the last one included."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Repeated:
    """A count, with the ids of the first few rows."""

    count: int = 0
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowFacts:
    """Of the rows that train and those held out.

    Attributes:
        prompts: lengths of prompts.
        responses: lengths of responses, end-of-sequence included.
        pair: tokens of prompt and response at the 95th percentile of their sum.
        held_out_prompts: distinct held-out prompts; intervals are over them.
        same_response: training rows whose response is the commonest one.
        leaked_prompts: held-out rows whose prompt is a training prompt but for case, spaces and punctuation.
        leaked_responses: held-out rows whose (long) response is a training row's.
    """

    prompts: Histogram
    responses: Histogram
    pair: int
    held_out_prompts: int
    same_response: Repeated
    leaked_prompts: Repeated
    leaked_responses: Repeated


@dataclass
class _Finds:
    """Ids of rows, counted."""

    count: int = 0
    rows: list[str] = field(default_factory=list)

    def add(self, row: str) -> None:
        self.count += 1
        if len(self.rows) < EXAMPLES:
            self.rows.append(row)

    def found(self) -> Repeated:
        return Repeated(self.count, tuple(self.rows))


def row_facts(data: DemonstrationData) -> RowFacts:
    """Look at every row once; memory grows by a few bytes a row."""
    prompts, responses, commonest = array("q"), array("q"), Counter[int]()
    known_prompts, known_responses, first = set[int](), set[int](), dict[int, list[str]]()
    for row in data.train:
        prompts.append(len(row.prompt.tokens))
        responses.append(len(row.tokens))
        same = hash(row.tokens)
        commonest[same] += 1
        if len(examples := first.setdefault(same, [])) < EXAMPLES:
            examples.append(row.id)
        known_prompts.add(_plain(row.prompt.text))
        known_responses.add(hash(row.text))
    leaked_prompts, leaked_responses, held_out = _Finds(), _Finds(), set[int]()
    for row in data.held_out:
        held_out.add(hash(row.prompt.tokens))
        prompts.append(len(row.prompt.tokens))
        responses.append(len(row.tokens))
        if _plain(row.prompt.text) in known_prompts:
            leaked_prompts.add(row.id)
        if len(row.text) >= _LEAK_FROM and hash(row.text) in known_responses:
            leaked_responses.add(row.id)
    same, count = commonest.most_common(1)[0]
    both = np.asarray(prompts) + np.asarray(responses)
    return RowFacts(
        prompts=histogram(prompts),
        responses=histogram(responses),
        pair=int(np.percentile(both, 95)),
        held_out_prompts=len(held_out),
        same_response=Repeated(count, tuple(first[same])) if count > 1 else Repeated(),
        leaked_prompts=leaked_prompts.found(),
        leaked_responses=leaked_responses.found(),
    )


def histogram(lengths: Sequence[int] | Iterable[int]) -> Histogram:
    """At most `BINS` bins of whole numbers, equally wide."""
    values = np.fromiter(lengths, dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + width + 1, width)
    counts, _ = np.histogram(values, edges)
    return Histogram(tuple(map(int, edges)), tuple(map(int, counts)))


def _plain(text: str) -> int:
    return hash(tuple(_WORDS.findall(text.casefold())))

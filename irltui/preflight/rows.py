"""Lengths, repetitions and leaks of the demonstrations, which a report of counts does not show."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from irltui.api import Demonstration
from irltui.data.demonstrations import DemonstrationData
from irltui.runs.data_report import Tally

BINS = 12
_LEAK_FROM = 40  # characters from which an equal response is no coincidence
_ENDS = " .,;:!?\u2026"


@dataclass(frozen=True)
class Histogram:
    """Counts of lengths in tokens; there is one more of `edges` than of `counts`, the last included."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class RowFacts:
    """Facts about training and held-out rows.

    Attributes:
        prompts: lengths of prompts.
        responses: lengths of responses, including end-of-sequence.
        pair: tokens of prompt and response at the 95th percentile of their sum.
        held_out_prompts: distinct held-out prompts, the unit of intervals.
        same_response: training rows with the most frequent response.
        leaked_prompts: held-out rows with a training prompt, ignoring case, spaces and punctuation at the ends.
        leaked_responses: held-out rows with the (long) response of a training row.
    """

    prompts: Histogram
    responses: Histogram
    pair: int
    held_out_prompts: int
    same_response: Tally
    leaked_prompts: Tally
    leaked_responses: Tally


def row_facts(data: DemonstrationData) -> RowFacts:
    """Read every row once; memory grows by about 100 bytes per row, whatever its length."""
    prompts, responses, tokens = array("q"), array("q"), array("q")
    known_prompts, known_responses = set[int](), set[int]()
    for row in data.train:
        prompts.append(len(row.prompt.tokens))
        responses.append(len(row.tokens))
        tokens.append(hash(row.tokens))
        known_prompts.add(_plain(row.prompt.text))
        known_responses.add(hash(row.text))
    same, count = Counter(tokens).most_common(1)[0]
    same_response = Tally()
    for i in np.flatnonzero(np.asarray(tokens) == same) if count > 1 else ():
        same_response.add(_number(data.train[int(i)]))
    leaked_prompts, leaked_responses, held_out = Tally(), Tally(), set[int]()
    for row in data.held_out:
        held_out.add(hash(row.prompt.tokens))
        prompts.append(len(row.prompt.tokens))
        responses.append(len(row.tokens))
        if _plain(row.prompt.text) in known_prompts:
            leaked_prompts.add(_number(row))
        if len(row.text) >= _LEAK_FROM and hash(row.text) in known_responses:
            leaked_responses.add(_number(row))
    both = np.asarray(prompts) + np.asarray(responses)
    return RowFacts(
        prompts=histogram(prompts),
        responses=histogram(responses),
        pair=int(np.percentile(both, 95)),
        held_out_prompts=len(held_out),
        same_response=same_response,
        leaked_prompts=leaked_prompts,
        leaked_responses=leaked_responses,
    )


def histogram(lengths: Sequence[int] | Iterable[int]) -> Histogram:
    """At most `BINS` integer bins of equal width."""
    values = np.fromiter(lengths, dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + width + 1, width)
    counts, _ = np.histogram(values, edges)
    return Histogram(tuple(map(int, edges)), tuple(map(int, counts)))


def _number(row: Demonstration) -> int:
    """The row's number in its source, from 1."""
    return int(row.id.removeprefix("row-").partition(".")[0])


def _plain(text: str) -> int:
    """Punctuation inside stays: 3 + 4 and 3 - 4 are different questions."""
    return hash(" ".join(text.casefold().split()).strip(_ENDS))

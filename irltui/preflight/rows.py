"""Lengths, repetitions and leaks of the demonstrations, which a report of counts does not show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from irltui.data.demonstrations import DemonstrationData, Demonstrations
from irltui.runs.data_report import Tally

BINS = 12
_LEAK_FROM = 40  # characters from which an equal response is no coincidence


@dataclass(frozen=True)
class RowFacts:
    """Facts about training and held-out rows.

    Attributes:
        prompts: histogram of the lengths of prompts.
        responses: that of responses, including end-of-sequence.
        pair: tokens of prompt and response at the 95th percentile of their sum.
        held_out_prompts: distinct held-out prompts, the unit of intervals.
        same_response: training rows with the most frequent response.
        leaked_prompts: held-out rows with a training prompt, ignoring case, spaces and punctuation at the ends.
        leaked_responses: held-out rows with the (long) response of a training row.
    """

    prompts: dict[str, list[int]]
    responses: dict[str, list[int]]
    pair: int
    held_out_prompts: int
    same_response: Tally
    leaked_prompts: Tally
    leaked_responses: Tally


def row_facts(data: DemonstrationData) -> RowFacts:
    train, held_out = data.train, data.held_out
    _, first, counts = np.unique(train.response_keys(), return_index=True, return_counts=True)
    most = int(counts.max())
    same = train.response_keys()[int(first[counts == most].min())]
    prompts, responses = np.concatenate([train.lengths(), held_out.lengths()], axis=1)
    leaks = np.flatnonzero(np.isin(held_out.response_keys(), train.response_keys())).tolist()
    return RowFacts(
        prompts=histogram(prompts),
        responses=histogram(responses),
        pair=int(np.percentile(prompts + responses, 95)),
        held_out_prompts=len(set(held_out.prompts())),
        same_response=_tally(train, np.flatnonzero(train.response_keys() == same).tolist() if most > 1 else []),
        leaked_prompts=_tally(held_out, np.flatnonzero(np.isin(held_out.prompt_keys(), train.prompt_keys())).tolist()),
        leaked_responses=_tally(held_out, [i for i in leaks if len(held_out[i].text) >= _LEAK_FROM]),
    )


def _tally(rows: Demonstrations, places: Sequence[int]) -> Tally:
    found = Tally()
    for i in places:
        found.add(rows.number(i))
    return found


def histogram(lengths: Iterable[int]) -> dict[str, list[int]]:
    """`counts` of lengths in at most `BINS` bins of equal width, and the `edges`: one more, the last included."""
    values = np.fromiter(lengths, dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + width + 1, width)
    counts, _ = np.histogram(values, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}

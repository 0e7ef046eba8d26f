"""How suspicious each demonstration is, and why, in plain words. Knows rewards and texts, no models.

Suspicion is 1 minus the reward's rank (from 0 for the lowest to 1 for the highest) plus a weight for every other
reason, so that the order follows the reward where nothing else is to be said. Over-long rows are ranked by themselves.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from irltui.use.near_duplicates import Twin, find_twins, words_of
from irltui.use.scoring import ScoredRow

_UNUSABLE = 2.0
_EMPTY = 0.8
_REPEATED_PAIR, _NEAR_PAIR = 0.5, 0.4
_REPEATED_RESPONSE, _NEAR_RESPONSE = 0.3, 0.2
_REPEATED_PROMPT, _NEAR_PROMPT = 0.1, 0.05
_CUT = 0.15
_LENGTH = 0.3

_SOME = 3  # a share says nothing of fewer rows
_LOW = 0.1  # share of lowest rewards that is called low
_OUTLIER = 3.5  # modified z-score of the logarithm of the length (Iglewicz and Hoaglin)
_HABIT = 0.1  # share of rows from which on repeated prompts are how the data was made
_TELLING_WORDS = 5  # shorter responses are alike for good reasons


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is suspicious, in words, and how much."""

    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A demonstration; `rank` is the share of rewards of its kind below its own, None without one."""

    row: ScoredRow
    suspicion: float
    rank: float | None
    reasons: tuple[str, ...]


def suspects(rows: Sequence[ScoredRow], *, trained_on_cut: bool = False) -> list[Suspect]:
    """All rows, the most suspicious first; ties in their own order.

    Args:
        rows: in the order of the data.
        trained_on_cut: over-long rows were cut in training; otherwise they were left out.
    """
    usable = [row for row in rows if row.reward is not None]
    ordered = {is_cut: sorted(_rewards(usable, is_cut=is_cut)) for is_cut in (False, True)}
    reasons = _Reasons(usable, trained_on_cut=trained_on_cut)
    found = [Suspect(row, _UNUSABLE, None, (f"cannot be used: {row.reason}",)) for row in rows if row.reward is None]
    for place, row in enumerate(usable):
        rank = _rank(row.reward or 0.0, ordered[bool(row.cut)])
        others = reasons.of(place)
        low = [f"reward among the lowest {_percent(rank)} %"] if rank < _LOW else []
        texts = (*low, *(reason.text for reason in others))
        found.append(Suspect(row, 1 - rank + sum(reason.weight for reason in others), rank, texts))
    return sorted(found, key=lambda suspect: (-suspect.suspicion, suspect.row.number))


def _rewards(rows: Sequence[ScoredRow], *, is_cut: bool) -> list[float]:
    """Of rows that were cut, or of the others: a text that no one trained on as it is has a lower reward for that."""
    return [row.reward for row in rows if row.reward is not None and bool(row.cut) is is_cut]


class _Reasons:
    """What is to be said of rows beside their rewards; needs to have seen all of them."""

    def __init__(self, rows: Sequence[ScoredRow], *, trained_on_cut: bool) -> None:
        self._rows = rows
        self._became = "trained on a cut one" if trained_on_cut else "not trained on"
        prompts = [words_of(_text(row)) for row in rows]
        responses = [words_of(row.completion) for row in rows]
        self._words = [len(words) for words in responses]
        self._prompts, self._responses = find_twins(prompts), find_twins(responses)
        # The mark between the two is no word, so that nothing runs over it.
        self._pairs = find_twins([(*x, "|", *y) for x, y in zip(prompts, responses, strict=True)])
        repeated = sum(twin is not None for twin in self._prompts)
        self._repeats_prompts = len(rows) >= _SOME / _HABIT and repeated > _HABIT * len(rows)
        logs = [math.log(row.length) for row in rows]
        self._usual = median(logs) if logs else 0.0
        self._spread = median(abs(value - self._usual) for value in logs) if logs else 0.0

    def of(self, place: int) -> list[Reason]:
        """Of one row."""
        found = [self._empty(place), self._length(place), self._cut(place), self._repeated(place)]
        return [reason for reason in found if reason is not None]

    def _empty(self, place: int) -> Reason | None:
        return None if self._words[place] else Reason(_EMPTY, "response without words")

    def _length(self, place: int) -> Reason | None:
        length = self._rows[place].length
        if not self._spread or 0.6745 * abs(math.log(length) - self._usual) / self._spread <= _OUTLIER:
            return None
        return Reason(_LENGTH, f"response of {length} tokens, usual are {math.exp(self._usual):.0f}")

    def _cut(self, place: int) -> Reason | None:
        cut = self._rows[place].cut
        return Reason(_CUT, f"{', '.join(cut)}: {self._became}") if cut else None

    def _repeated(self, place: int) -> Reason | None:
        """The gravest repetition alone: a pair that is repeated repeats its prompt and its response, too."""
        pair, response, prompt = self._pairs[place], self._responses[place], self._prompts[place]
        if pair is not None and pair.index < place:
            weight = _REPEATED_PAIR if pair.exact else _NEAR_PAIR
            return Reason(weight, self._words_for("prompt and response", pair))
        if response is not None and self._words[place] >= _TELLING_WORDS and pair is None:
            weight = _REPEATED_RESPONSE if response.exact else _NEAR_RESPONSE
            return Reason(weight, self._words_for("response", response))
        if prompt is not None and pair is None and not self._repeats_prompts:
            weight = _REPEATED_PROMPT if prompt.exact else _NEAR_PROMPT
            return Reason(weight, self._words_for("prompt", prompt))
        return None

    def _words_for(self, what: str, twin: Twin) -> str:
        near = "same" if twin.exact else "nearly the same"
        more = f" and {twin.others - 1} more" if twin.others > 1 else ""
        return f"{near} {what} as row {self._rows[twin.index].number}{more}"


def _rank(reward: float, ordered: Sequence[float]) -> float:
    """Share of the other rewards that are lower; equal ones count half."""
    if len(ordered) == 1:
        return 1.0
    lower, upper = bisect.bisect_left(ordered, reward), bisect.bisect_right(ordered, reward)
    return (lower + (upper - lower - 1) / 2) / (len(ordered) - 1)


def _percent(rank: float) -> int:
    return max(1, math.ceil(100 * rank))


def _text(row: ScoredRow) -> str:
    if isinstance(row.prompt, str):
        return f"{row.system} {row.prompt}"
    return " ".join([row.system, *(message["content"] for message in row.prompt)])

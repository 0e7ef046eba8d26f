"""Exact and near duplicates among texts: MinHash over three-word shingles, then exact overlap.

Each text is compared with the first one of each bucket it falls into, so that a million copies of one text cost a
million comparisons rather than their square.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NEAR = 0.8
"""Jaccard overlap of the shingles above which two texts are near duplicates."""
_RUN = 3
_BANDS, _ROWS = 12, 3  # an overlap of 0.8 is found with probability 0.9998
_PRIME = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Twin:
    """The earliest similar text (for the first of them, the next); how many more there are if `exact`."""

    index: int
    others: int
    exact: bool


def words_of(text: str) -> tuple[str, ...]:
    """Words without case and punctuation."""
    return tuple("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def find_twins(texts: Sequence[tuple[str, ...]]) -> list[Twin | None]:
    """The duplicate of each text, if any; texts without words have none."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, words in enumerate(texts):
        if words:
            groups.setdefault(words, []).append(i)
    twins: list[Twin | None] = [None] * len(texts)
    for members in groups.values():
        for i in members[1:]:
            twins[i] = Twin(members[0], len(members) - 1, exact=True)
        if len(members) > 1:
            twins[members[0]] = Twin(members[1], len(members) - 1, exact=True)
    for i, j in _near([members[0] for members in groups.values()], texts):
        if twins[i] is None:
            twins[i] = Twin(j, 1, exact=False)
        if twins[j] is None:
            twins[j] = Twin(i, 1, exact=False)
    return twins


def _near(indices: Sequence[int], texts: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
    """Pairs of a text and an earlier, nearly equal one."""
    stream = np.random.default_rng(0)
    factors = stream.integers(1, _PRIME, (_BANDS * _ROWS, 1), dtype=np.int64)
    shifts = stream.integers(0, _PRIME, (_BANDS * _ROWS, 1), dtype=np.int64)
    leaders: dict[tuple[int, bytes], int] = {}
    runs: dict[int, frozenset[int]] = {}
    found: list[tuple[int, int]] = []
    for i in indices:
        own = _runs(texts[i])
        hashes = np.fromiter(own, dtype=np.int64)
        signature = ((factors * (hashes % _PRIME) + shifts) % _PRIME).min(axis=1).reshape(_BANDS, _ROWS)
        seen = [leaders.setdefault((band, signature[band].tobytes()), i) for band in range(_BANDS)]
        if i in seen:  # it leads a bucket: later ones are compared with it
            runs[i] = own
        close = [j for j in sorted(set(seen)) if j != i and len(own & runs[j]) >= NEAR * len(own | runs[j])]
        found += [(i, j) for j in close[:1]]
    return found


def _runs(words: tuple[str, ...]) -> frozenset[int]:
    """Hashes of all three-word shingles; of all words if there are fewer."""
    if len(words) < _RUN:
        return frozenset({zlib.crc32(" ".join(words).encode())})
    return frozenset(zlib.crc32(" ".join(words[i : i + _RUN]).encode()) for i in range(len(words) - _RUN + 1))

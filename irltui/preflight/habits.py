"""Whether demonstrations look like what the start model says by itself, and which algorithm suits that. Pure functions.

Two comparisons with the model's own generations to the same prompts. Likelihood: AUC and histogram of the start model's
NLL per token. Wording: near-copies, and common openings, of answers to different prompts. What the model says more
often than the demonstrations do is a habit that `contrast` unlearns (F5 in docs/method.md); what the demonstrations
say more often is the mirror image, which it amplifies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from irltui.engine.diagnostics import auc
from irltui.runs.data_report import Finding
from irltui.runs.thresholds import FEW_DEMONSTRATIONS

NEAR = 0.8  # overlap of three-token runs, from which two answers are near-copies
SHORTEST = 5  # tokens of an answer or opening that can be a habit: below are labels such as "yes"
LEAST = 0.05  # share of one side
CERTAIN = 2.0  # standard errors between the two shares
BINS = 10
_LABELS = 0.5  # share of demonstrations in further groups of near-copies, above which they are labels
_NEAREST = 0.95  # quantile of the model's own NLL, up to which a demonstration lies among them

Ids = Sequence[int]
Marks = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """Answers, or their openings, that are alike: an example, and the share of each side that is so."""

    text: str
    own: float
    demonstrations: float
    opening: bool


@dataclass(frozen=True)
class Habits:
    """What is found.

    Attributes:
        auc: chance that a demonstration is less likely, per token, than one of the model's own answers.
        among: share of demonstrations that are as likely as 95 % of the model's own answers.
        edges: of the histogram, in nats per token; one more than counts.
        demonstrations: how many lie in each bin.
        own: how many of the model's answers do.
        habits: kinds that the model says more often; the most frequent first.
        mirrored: kinds that the demonstrations say more often.
        algorithm: the preset that suits this, with `reason`.
    """

    auc: float
    among: float
    edges: tuple[float, ...]
    demonstrations: tuple[int, ...]
    own: tuple[int, ...]
    habits: tuple[Kind, ...]
    mirrored: tuple[Kind, ...]
    algorithm: str
    reason: str

    def findings(self) -> Iterator[Finding]:
        """The mirror-image warning."""
        for kind in self.mirrored[:1]:
            yield Finding(
                "warning",
                "data.source",
                f"{kind.demonstrations:.0%} of demonstrations {_are(kind)} {kind.text!r}, which the model itself says "
                f"in {kind.own:.0%} of its answers",
                "If these rows are bad, remove them: SFT copies them, and a long inner loop (contrast) amplifies them.",
            )


def habits(
    nll: tuple[Sequence[float], Sequence[float]],
    answers: tuple[Sequence[Ids], Sequence[Ids]],
    count: int,
    decode: Callable[[Ids], str],
) -> Habits:
    """Compare demonstrations with the start model's own answers.

    Args:
        nll: per token under the start model, of demonstrations and of its answers to the same prompts.
        answers: token ids of demonstrations, as long as its own may be, and of its own; each side to different prompts.
        count: training demonstrations in all.
        decode: the text of ids.
    """
    theirs, ours = map(np.array, nll)
    edges = np.histogram_bin_edges(np.concatenate([theirs, ours]), BINS)
    found = list(_kinds(*answers, decode))
    more = [kind for kind in found if kind.own > kind.demonstrations >= LEAST]
    less = [kind for kind in found if kind.own < kind.demonstrations and not kind.opening]
    separation, among = auc(theirs, ours), float((theirs <= np.quantile(ours, _NEAREST)).mean())
    return Habits(
        separation,
        among,
        tuple(edges.tolist()),
        tuple(np.histogram(theirs, edges)[0].tolist()),
        tuple(np.histogram(ours, edges)[0].tolist()),
        tuple(more),
        tuple(less),
        *_advised(more, less, separation, among, count),
    )


def _kinds(demonstrations: Sequence[Ids], own: Sequence[Ids], decode: Callable[[Ids], str]) -> Iterator[Kind]:
    """Kinds whose shares differ by more than chance: near-copies, then openings of the other answers.

    None if most demonstrations are near-copies in several groups: these are labels, whose rates are to be learned.
    """
    answers, count = [*demonstrations, *own], len(demonstrations)
    copies = _alike(answers, range(len(answers)), _runs)
    if sum(i < count for group in copies[1:] for i in group) > _LABELS * count:
        return
    others = set(range(len(answers))).difference(*copies)
    for groups, opening in ((copies, False), (_alike(answers, sorted(others), _opening), True)):
        for group in groups:
            shares = sum(i >= count for i in group) / len(own), sum(i < count for i in group) / count
            pooled = len(group) / len(answers)
            error = math.sqrt(pooled * (1 - pooled) * (1 / count + 1 / len(own)))
            if max(shares) >= LEAST and abs(shares[0] - shares[1]) > CERTAIN * error:
                tokens = answers[group[0]]
                yield Kind(decode(tokens[:SHORTEST] if opening else tokens), *shares, opening=opening)


def _alike(answers: Sequence[Ids], among: Iterable[int], marks: Callable[[Ids], frozenset[Marks]]) -> list[list[int]]:
    """Groups of at least two answers that share most marks with the first of their group; the largest group first."""
    groups: list[list[int]] = []
    first: list[frozenset[Marks]] = []
    for i in among:
        found = marks(answers[i])
        if not found:
            continue
        near = next((j for j, other in enumerate(first) if len(found & other) >= NEAR * len(found | other)), len(first))
        if near == len(first):
            first.append(found)
            groups.append([])
        groups[near].append(i)
    return sorted((group for group in groups if len(group) > 1), key=len, reverse=True)


def _runs(tokens: Ids) -> frozenset[Marks]:
    """Three tokens in a row, of answers that are long enough."""
    return frozenset(zip(tokens, tokens[1:], tokens[2:], strict=False)) if len(tokens) >= SHORTEST else frozenset()


def _opening(tokens: Ids) -> frozenset[Marks]:
    return frozenset({tuple(tokens[:SHORTEST])}) if len(tokens) > SHORTEST else frozenset()


def _advised(
    habit: Sequence[Kind], mirrored: Sequence[Kind], separation: float, among: float, count: int
) -> tuple[str, str]:
    """The preset and why."""
    if habit:
        kind = habit[0]
        return "contrast", (
            f"{kind.own:.0%} of the model's own answers {_are(kind)} {kind.text!r}, and still "
            f"{kind.demonstrations:.0%} of the demonstrations: SFT copies the habit at that rate, contrast unlearns "
            "it. Start from this model."
        )
    if mirrored:
        return "sft", (
            f"{mirrored[0].text!r} is in the demonstrations and not in the model: remove such rows if they are bad; "
            "contrast would amplify them."
        )
    if count <= FEW_DEMONSTRATIONS:
        return "few", (
            f"{count} demonstrations are few: comparing each with several of the model's answers teaches more than "
            "repeating them. Compare with SFT."
        )
    return "sft", (
        f"No habit of the model stands out in the demonstrations; {among:.0%} of them are as likely as the model's own "
        f"answers (AUC {separation:.2f}). On clean data nothing measured beats SFT."
    )


def _are(kind: Kind) -> str:
    return "open with" if kind.opening else "are near-copies of"

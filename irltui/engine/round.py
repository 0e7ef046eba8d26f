"""What an outer iteration learns from: demonstrations, the generations for their prompts, comparisons among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from irltui.api import Demonstration, Generation, Policy, Replay, Responses
from irltui.data.order import batches
from irltui.samplers.store import ReferenceScore


@dataclass(frozen=True, slots=True)
class Pair:
    """A demonstration, the generation for its prompt, and both log-probabilities under the reference."""

    demonstration: Demonstration
    generation: Generation
    reference: ReferenceScore

    @property
    def is_equal(self) -> bool:
        """y~ == y: the gap is zero and has no gradient."""
        return self.demonstration.tokens == self.generation.tokens

    @property
    def length(self) -> int:
        """Tokens of the prompt and both responses."""
        return len(self.demonstration.prompt.tokens) + len(self.demonstration.tokens) + len(self.generation.tokens)


Group = tuple[Pair, ...]
"""A demonstration with each of the generations for its prompt."""


@dataclass(frozen=True)
class Round:
    """What outer iteration `t` learns from: groups by the iteration that drew them and their demonstration's index.

    `held_out` are the pairs that only measure.
    """

    t: int
    train: dict[tuple[int, int], Group]
    held_out: list[Pair]

    @property
    def fresh(self) -> list[Pair]:
        """The pairs that this iteration drew."""
        return [pair for (s, _), group in self.train.items() if s == self.t for pair in group]


def collated(policy: Policy, groups: Sequence[Group]) -> Responses:
    """The groups' demonstrations, then the generations of each place, with log pi_ref of all."""
    first, sides = [group[0] for group in groups], list(zip(*groups, strict=True))
    return policy.collate(
        [pair.demonstration.prompt for pair in first] * (1 + len(sides)),
        [p.demonstration.tokens for p in first] + [p.generation.tokens for side in sides for p in side],
        [p.reference.demonstration for p in first] + [p.reference.generation for side in sides for p in side],
    )


def teaches_nothing(group: Group) -> bool:
    """Every gap is zero."""
    return all(pair.is_equal for pair in group)


def comparisons(
    current: Round, size: int, shares: Replay, seed: int, decode: Callable[[Sequence[int]], str]
) -> Iterator[list[Group]]:
    """Endless steps of at most `size` comparisons, each a pair of its own; the same for the same round and seed.

    A demonstration without earlier generations is compared with those of this outer iteration alone.
    """
    of_index: dict[int, list[Group]] = {}
    for (_, i), group in sorted(current.train.items(), key=lambda item: item[0]):
        of_index.setdefault(i, []).append(group)
    newest = [(i, j) for i, groups in of_index.items() for j in range(len(groups[-1]))]
    for number, batch in enumerate(batches(newest, size, seed, current.t)):
        stream = random.Random(f"{seed} replay {current.t} {number}")  # noqa: S311 - no secret is made of it
        earlier, between = (round(share * len(batch)) for share in (shares.earlier, shares.between))
        kinds = [2] * between + [1] * min(earlier, len(batch) - between) + [0] * len(batch)
        kinds = kinds[: len(batch)]
        stream.shuffle(kinds)
        yield [(_comparison(of_index[i], j, kind, stream, decode),) for (i, j), kind in zip(batch, kinds, strict=True)]


def _comparison(
    groups: Sequence[Group], j: int, kind: int, stream: random.Random, decode: Callable[[Sequence[int]], str]
) -> Pair:
    """Generation j of the newest group, or (kind 1) of an earlier one; or (2) a later one above an earlier one."""
    if kind == 0 or len(groups) == 1:
        return groups[-1][j]
    at = stream.randrange(len(groups) - 1)
    worse = stream.choice(groups[at])
    if kind == 1:
        return worse
    better = stream.choice(stream.choice(groups[at + 1 :]))
    tokens, ended = better.generation.tokens, better.generation.ended
    winner = replace(worse.demonstration, text=decode(tokens), tokens=tokens, ended=ended)
    return Pair(winner, worse.generation, replace(worse.reference, demonstration=better.reference.generation))

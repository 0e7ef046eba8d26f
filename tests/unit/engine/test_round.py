"""Comparisons with earlier generations: their shares, what is above what, and the same for every attempt."""

from __future__ import annotations

from itertools import islice

from irltui.api import Demonstration, Generation, Prompt, Replay
from irltui.engine.round import Pair, Round, comparisons
from irltui.samplers.store import ReferenceScore

DEMONSTRATIONS, DRAWS, T = 5, 4, 3


def made() -> Round:
    """Generation j of iteration s for demonstration i is the ids (s, i, j); log pi_ref is 100 s + 10 i + j."""
    train = {}
    for s in range(T):
        for i in range(DEMONSTRATIONS):
            demonstration = Demonstration(str(i), Prompt(str(i), "", (9,)), "", (7, i), ended=True)
            train[s, i] = tuple(
                Pair(
                    demonstration,
                    Generation(f"{i}#{j}", (s, i, j), (0.0,) * 3, ended=True),
                    ReferenceScore("", -1.0, 100.0 * s + 10 * i + j),
                )
                for j in range(DRAWS)
            )
    return Round(T - 1, train, [])


def test_a_step_has_the_shares_that_were_asked_for() -> None:
    for step in islice(comparisons(made(), 20, Replay(0.7, 0.2, 0.1), 0, str), 30):
        pairs = [pair for (pair,) in step]
        between = [pair for pair in pairs if pair.demonstration.tokens[0] != 7]
        earlier = [pair for pair in pairs if pair not in between and pair.generation.tokens[0] < T - 1]
        assert (len(pairs), len(earlier), len(between)) == (20, 4, 2)


def test_a_later_generation_to_the_same_prompt_is_above_an_earlier_one_with_its_own_reference() -> None:
    seen = set()
    for step in islice(comparisons(made(), 20, Replay(0.0, 0.0, 1.0), 0, str), 30):
        for (pair,) in step:
            (s, i, j), (below, other, k) = pair.demonstration.tokens, pair.generation.tokens
            assert s > below
            assert i == other
            assert pair.reference.demonstration == 100 * s + 10 * i + j
            assert pair.reference.generation == 100 * below + 10 * i + k
            seen.add((s, below))
    assert seen == {(1, 0), (2, 0), (2, 1)}


def test_without_earlier_generations_all_are_compared_with_the_current_ones_each_equally_often() -> None:
    first = made()
    first = Round(0, {key: group for key, group in first.train.items() if key[0] == 0}, [])
    steps = list(islice(comparisons(first, 10, Replay(0.7, 0.2, 0.1), 0, str), 4))
    found = [pair.generation.tokens for step in steps for (pair,) in step]
    assert all(pair.demonstration.tokens[0] == 7 for step in steps for (pair,) in step)
    assert all(found.count(tokens) == 2 for tokens in set(found))


def test_another_attempt_compares_the_same() -> None:
    first, second = (list(islice(comparisons(made(), 8, Replay(0.5, 0.3, 0.2), 3, str), 9)) for _ in range(2))
    assert first == second

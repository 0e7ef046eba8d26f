"""What an outer iteration asks of the model, counted: forward passes, tokens in them, rows of the output layer.

Seconds are noisy and these are not, so a waste that creeps in is seen. Counted is the second outer iteration:
in the first, sampler and policy also try once whether the model takes their masks.
"""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from irltui.engine import start_policy as parts
from irltui.engine.journal import Journal
from irltui.lm import logprobs
from irltui.runs.folder import RunFolder
from irltui.samplers.store import SampleStore, iteration_name
from support.runs import config, finish
from support.tiny import SPECIAL, WORDS, folder

PAIRS, STEP, MICRO_BATCH, SLOTS, WORDS_OF_A_PROMPT = 18, 9, 4, 4, 14
PROMPT = WORDS_OF_A_PROMPT + 2  # and the two marks of the chat template


@dataclass(frozen=True)
class Counts:
    """Of one phase."""

    calls: int
    tokens: int
    head_rows: int


@dataclass(frozen=True)
class Pair:
    """Tokens of both responses."""

    demonstration: int
    generation: int

    @property
    def both(self) -> int:
        return self.demonstration + self.generation


class Meter:
    """Counts by outer iteration and phase what goes through a model."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[int, str]] = Counter()
        self.tokens: Counter[tuple[int, str]] = Counter()
        self.head_rows: Counter[tuple[int, str]] = Counter()
        self.now = (-1, "prepare")

    def of(self, phase: str) -> Counts:
        place = (1, phase)
        return Counts(self.calls[place], self.tokens[place], self.head_rows[place])

    def watches(self, model: Any) -> Any:
        model.register_forward_pre_hook(self._called, with_kwargs=True)
        model.get_output_embeddings().register_forward_hook(self._headed)
        return model

    def _called(self, model: nn.Module, given: Any, named: dict[str, Any]) -> None:
        self.calls[self.now] += 1
        self.tokens[self.now] += named["input_ids"].numel()

    def _headed(self, head: nn.Module, given: Any, logits: Any) -> None:
        self.head_rows[self.now] += logits.numel() // logits.shape[-1]


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Meter, list[Pair]]]:
    """Train two outer iterations under count; the counts, and the pairs of the second in their order."""

    def train(*, share: bool) -> tuple[Meter, list[Pair]]:
        meter, load, phase = Meter(), parts.load_model, Journal.phase

        def told(journal: Journal, name: str, *given: Any) -> None:
            meter.now = (journal.position.t, str(name))
            phase(journal, name, *given)

        monkeypatch.setattr(parts, "load_model", lambda section: meter.watches(load(section)))
        monkeypatch.setattr(Journal, "phase", told)
        change = {
            "data": {"max_response_tokens": 12, "held_out": 0.0},
            "loop": {"batch": STEP, "micro_batch": MICRO_BATCH, "shuffle": False, "share_prefix": share},
            "sampler": {"slots": SLOTS},
            "evaluation": {"samples": 0, "before_training": False},
        }
        lengths = write(tmp_path / "data.jsonl")
        run = finish(tmp_path / "run", config(model_that_ends(tmp_path / "model"), tmp_path / "data.jsonl", change))
        return meter, pairs_of(run, lengths)

    return train


def model_that_ends(path: Path) -> Path:
    """The tiny model, whose responses end with any special token, lest nearly all be as long as the cap."""
    config = folder(path) / "generation_config.json"
    ends = {"eos_token_id": list(range(len(SPECIAL)))}
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | ends), encoding="utf-8")
    return path


def write(path: Path) -> list[int]:
    """Demonstrations for two outer iterations, all prompts of one length; the responses' lengths in tokens."""
    stream, rows, lengths = random.Random(5), [], []
    for _ in range(2 * PAIRS):
        prompt, response = (stream.choices(WORDS, k=k) for k in (WORDS_OF_A_PROMPT, stream.randint(1, 9)))
        rows.append({"prompt": " ".join(prompt), "completion": " ".join(response)})
        lengths.append(len(response) + 1)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return lengths


def pairs_of(run: RunFolder, lengths: list[int]) -> list[Pair]:
    drawn = SampleStore(run.samples, iteration_name(1)).generations
    second = range(PAIRS, 2 * PAIRS)
    return [Pair(lengths[i], len(drawn[f"row-{i + 1}"].tokens)) for i in second]


def passes(pairs: Iterable[Pair]) -> Iterator[Sequence[Pair]]:
    """Passes of equally many pairs of like length."""
    ordered = sorted(pairs, key=lambda pair: pair.both)
    return (ordered[at : at + MICRO_BATCH] for at in range(0, len(ordered), MICRO_BATCH))


def best_passes(pairs: Iterable[Pair]) -> Sequence[Sequence[Pair]]:
    """As many passes as these, with the fewest tokens of all ways to cut, none more than the longest pairs need."""
    ordered = sorted(pairs, key=lambda pair: pair.both)
    count, most = -(-len(ordered) // MICRO_BATCH), MICRO_BATCH * (PROMPT + ordered[-1].both)
    ways = []
    for cuts in combinations(range(1, len(ordered)), count - 1):
        way = [ordered[a:b] for a, b in zip((0, *cuts), (*cuts, len(ordered)), strict=True)]
        if all(shared(some) <= most for some in way):
            ways.append(way)
    return min(ways, key=lambda way: sum(map(shared, way)))


def shared(pairs: Sequence[Pair]) -> int:
    """Tokens of a forward pass whose rows are prompt, demonstration, generation."""
    return len(pairs) * (PROMPT + max(pair.both for pair in pairs))


def separate(pairs: Sequence[Pair]) -> int:
    """Tokens of a forward pass in which each response has a row with its prompt."""
    return 2 * len(pairs) * (PROMPT + max(max(pair.demonstration, pair.generation) for pair in pairs))


def calls_of_slots(lengths: Iterable[int], slots: int) -> int:
    """Forward passes if one fills all free slots, and gives their first token, or else gives one more to each row."""
    waiting, rows, calls = deque(lengths), [], 0
    while waiting or rows:
        if waiting and len(rows) < slots:
            rows += [waiting.popleft() - 1 for _ in range(min(slots - len(rows), len(waiting)))]
        else:
            rows = [left - 1 for left in rows]
        rows = [left for left in rows if left]
        calls += 1
    return calls


def test_sampling_computes_each_token_once_and_no_row_that_has_ended(counted: Any) -> None:
    meter, pairs = counted(share=True)
    lengths = [pair.generation for pair in pairs]  # the prompts are as long as each other: the order is the data's
    assert len(set(lengths)) > 3  # else there is nothing to fill in for
    groups = [lengths[at : at + 2 * SLOTS] for at in range(0, PAIRS, 2 * SLOTS)]
    assert meter.of("sample") == Counts(
        calls=sum(calls_of_slots(group, SLOTS) for group in groups),
        tokens=PAIRS * PROMPT + sum(lengths) - PAIRS,  # nobody looks at what follows the last token
        head_rows=sum(lengths),
    )


@pytest.mark.parametrize(("share", "tokens"), [(True, shared), (False, separate)])
def test_reference_and_update_compute_each_pair_once(
    share: bool, tokens: Callable[[Sequence[Pair]], int], counted: Any
) -> None:
    meter, pairs = counted(share=share)
    reference = list(passes(pairs))
    steps = [pairs[at : at + STEP] for at in range(0, PAIRS, STEP)]
    update = [some for step in steps for some in best_passes(step)]
    rows = sum(pair.both for pair in pairs)
    assert meter.of("reference") == Counts(len(reference), sum(map(tokens, reference)), rows)
    assert meter.of("update") == Counts(len(update), sum(map(tokens, update)), rows)


def test_a_head_in_chunks_is_computed_once_more_for_the_gradient_alone(
    counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logprobs, "MOST_LOGITS", 100)
    meter, pairs = counted(share=True)
    rows = sum(pair.both for pair in pairs)
    reference, update = meter.of("reference"), meter.of("update")
    assert reference.head_rows == rows + 2 * reference.calls  # of each pass, one row shows what the model makes of it
    assert update.head_rows == 2 * rows + 2 * update.calls

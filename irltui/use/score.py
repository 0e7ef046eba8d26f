"""`irltui score`: a run's reward of every row of some data."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from irltui.config.requests import ScoreRequest
from irltui.lm.load import quiet_transformers
from irltui.use.output import Output
from irltui.use.request import output_of
from irltui.use.rows import open_source
from irltui.use.scoring import ScoredRow, gather_scores, summarise


def main(asked: ScoreRequest) -> None:
    """Score rows into a file.

    Raises:
        IrltuiError: the data cannot be used, or the file is another job's.
    """
    quiet_transformers()
    source = open_source(asked.config.data, named=asked.named)
    view = {"rank": asked.rank, "best_of_group": asked.best}
    with output_of(asked, source, {"tokens": asked.tokens}, view) as output:
        if output.is_complete:
            return
        gather_scores(output, asked, source, parts=asked.tokens)
        summary = summarise(map(ScoredRow.of, output.lines()))
        output.finish(_view(output, rank=asked.rank, best=asked.best), summary)


def _view(output: Output, *, rank: bool, best: bool) -> Iterator[Mapping[str, Any]]:
    """Rows as they are to be shown; rows without a reward come last in a ranking, and are best of nothing."""
    places, counts = _best(output) if best else (array("q", (place for place, _ in output.rows())), array("q"))
    order = list(range(len(places)))
    if rank:
        rewards = [line["reward"] for line in output.at(places)]
        order.sort(key=lambda i: float("inf") if rewards[i] is None else -rewards[i])
    for position, (i, line) in enumerate(zip(order, output.at(places[i] for i in order), strict=True), start=1):
        ranked = {"rank": position} if rank and line["reward"] is not None else {}
        chosen = {"best_of": counts[i]} if best else {}
        yield {**ranked, **chosen, **line}


def _best(output: Output) -> tuple[array[int], array[int]]:
    """Places of each prompt's best row, in the order the prompts appear in, and among how many; ties: the first."""
    found: dict[bytes, tuple[float, int, int]] = {}
    for place, line in output.rows():
        if line["reward"] is None:
            continue
        asked = json.dumps([line.get("system", ""), line["prompt"]])
        key = hashlib.blake2b(asked.encode(), digest_size=16).digest()
        reward, best, count = found.get(key, (float("-inf"), place, 0))
        if line["reward"] > reward:
            reward, best = line["reward"], place
        found[key] = (reward, best, count + 1)
    return array("q", (place for _, place, _ in found.values())), array("q", (count for _, _, count in found.values()))

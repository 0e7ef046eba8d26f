"""`irltui score`: a run's reward for every row of a source."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from irltui.config.requests import OnRows, ScoreRequest
from irltui.data.tokens import RowTokens, token_texts
from irltui.lm.load import quiet_transformers
from irltui.rewards.scoring import RewardScore
from irltui.runs.data_report import Tally
from irltui.runs.event_lines import plain
from irltui.use.learned import Learned, load_learned, reads_start
from irltui.use.output import Output, output_of
from irltui.use.rows import Source, UnusableRow, UsableRow, open_source

Line = Mapping[str, Any]
"""A row of the output: its number (from 1) and `reward`, or None and the `reason`; empty fields are left out.

`length` counts the response's tokens; `ended` is false if it was truncated; `truncated` says what of it was.
"""
_GROUP = 32  # rows scored and stored together, if a batch is no larger


def main(asked: ScoreRequest) -> None:
    quiet_transformers()
    source = open_source(asked.config.data, named=asked.named)
    view = {"rank": asked.rank, "best_of_group": asked.best}
    with output_of(asked, source, {"tokens": asked.tokens}, view) as output:
        if output.is_complete:
            return
        gather_scores(output, asked, source, parts=asked.tokens)
        output.finish(_view(output, rank=asked.rank, best=asked.best), summarise(output.lines()))


def gather_scores(output: Output, asked: OnRows, source: Source, *, parts: bool) -> None:
    """Score the rows that are left, with their tokens' rewards if `parts`."""
    if output.done == len(source):
        return
    learned = load_learned(asked.folder, asked.config, beside_start=reads_start(asked.config))
    tokens = RowTokens(asked.config.data, learned.template, learned.parts.policy.eos_ids)

    def work(places: range) -> list[Line]:
        return list(_score_rows(learned, source.read(places, tokens), batch=asked.batch, parts=parts))

    output.gather(work, len(source), max(_GROUP, asked.batch), verb="scored", unit="rows")


def _score_rows(
    learned: Learned, read: Sequence[UsableRow | UnusableRow], *, batch: int, parts: bool
) -> Iterator[Line]:
    usable = [turn for item in read if isinstance(item, UsableRow) for turn in item.turns]
    scores = iter(
        learned.rewards([item.prompt for item in usable], [item.fitted.response for item in usable], batch=batch)
    )
    for item in read:
        if isinstance(item, UnusableRow):
            yield {"row": item.number, "reward": None, "reason": item.reason}
        else:
            yield _scored(learned, item, [next(scores) for _ in item.turns], parts=parts)


def _scored(learned: Learned, item: UsableRow, scores: Sequence[RewardScore], *, parts: bool) -> Line:
    """A row with the reward of its answer, or of all its answers that train."""
    reward = sum(score.total for score in scores)
    if not math.isfinite(reward):
        return {"row": item.number, "reward": None, "reason": f"reward is {reward}"}
    row, fitted = item.row, [turn.fitted for turn in item.turns]
    length, ended = sum(len(turn.response) for turn in fitted), all(turn.ended for turn in fitted)
    line: dict[str, Any] = {"row": item.number, "reward": reward, "length": length, "ended": ended}
    if truncated := list(dict.fromkeys(reason for turn in fitted for reason in turn.truncated)):
        line["truncated"] = truncated
    if row.system:
        line["system"] = row.system
    line |= {"prompt": row.prompt, "completion": row.completion}
    if tokens := [score.tokens for score in scores if parts and score.tokens is not None]:
        decode = learned.parts.policy.tokenizer.decode
        line["pieces"] = [text for turn in fitted for text in token_texts(turn.response, decode)]
        line["token_rewards"] = list(chain.from_iterable(tokens))
    return line


def summarise(rows: Iterable[Line]) -> dict[str, Any]:
    """How many rows have a reward, statistics of the rewards, and why other rows have none."""
    rewards: list[float] = []
    skipped: dict[str, Tally] = {}
    truncated = 0
    for row in rows:
        if row["reward"] is None:
            skipped.setdefault(row["reason"], Tally()).add(row["row"])
        else:
            rewards.append(row["reward"])
            truncated += "truncated" in row
    rows_read = len(rewards) + sum(tally.count for tally in skipped.values())
    summary: dict[str, Any] = {
        "rows": rows_read,
        "scored": len(rewards),
        "truncated": truncated,
        "skipped": plain(skipped),
    }
    if rewards:
        ordered = sorted(rewards)
        summary |= {"mean": math.fsum(rewards) / len(rewards), "median": ordered[(len(ordered) - 1) // 2]}
        summary |= {"lowest": ordered[0], "highest": ordered[-1]}
    return summary


def _view(output: Output, *, rank: bool, best: bool) -> Iterator[Mapping[str, Any]]:
    """Rows as shown; rows without a reward come last in a ranking, and are never a best one."""
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
    """Offsets of each prompt's best row in the order of the prompts, and the size of its group; the first wins ties."""
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

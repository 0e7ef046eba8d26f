"""Rewards of rows, in groups of fixed places: what `score` and `triage` have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irltui.config.requests import OnRows
from irltui.data.tokens import RowTokens, token_texts
from irltui.runs.data_report import Tally
from irltui.use.learned import Learned, load_learned, reads_start
from irltui.use.output import Output
from irltui.use.progress import progress
from irltui.use.rows import Source, UnusableRow, UsableRow

GROUP = 32
"""Rows that are scored and stored together, if a batch is no larger; inside, rows of like length share a batch."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """Row `number` (1-based) with its reward, or with the reason why it has none.

    `length` is the response's in tokens, `ended` False if the length cap cut it; `cut` says what was cut.
    """

    number: int
    reward: float | None
    reason: str = ""
    prompt: str | list[dict[str, str]] = ""
    system: str = ""
    completion: str = ""
    length: int = 0
    ended: bool = True
    cut: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    token_rewards: tuple[float, ...] = ()

    def line(self) -> dict[str, Any]:
        """As it is written; what says nothing is left out."""
        if self.reward is None:
            return {"row": self.number, "reward": None, "reason": self.reason}
        line: dict[str, Any] = {"row": self.number, "reward": self.reward, "length": self.length, "ended": self.ended}
        if self.cut:
            line["cut"] = self.cut
        if self.system:
            line["system"] = self.system
        line |= {"prompt": self.prompt, "completion": self.completion}
        if self.pieces:
            line |= {"pieces": self.pieces, "token_rewards": self.token_rewards}
        return line

    @staticmethod
    def of(line: Mapping[str, Any]) -> ScoredRow:
        """From what `line` made."""
        return ScoredRow(
            line["row"],
            line["reward"],
            line.get("reason", ""),
            line.get("prompt", ""),
            line.get("system", ""),
            line.get("completion", ""),
            line.get("length", 0),
            line.get("ended", True),
            tuple(line.get("cut", ())),
        )


def gather(output: Output, bar: Any, total: int, group: int, work: Callable[[range], list[dict[str, Any]]]) -> None:
    """Do what is left of `total` rows, a group at a time; a group that was cut short is done again whole."""
    if output.done < total:
        output.keep(output.done - output.done % group)
    for start in range(output.done, total, group):
        output.append(work(range(start, min(start + group, total))))
        bar.update(output.done - bar.n)


def gather_scores(output: Output, asked: OnRows, source: Source, *, parts: bool) -> None:
    """Score the rows that are left, with their tokens' rewards if `parts`.

    Raises:
        IrltuiError: the reward cannot be loaded.
    """
    if output.done == len(source):
        return
    learned = load_learned(asked.folder, asked.config, beside_start=reads_start(asked.config))
    tokens = RowTokens(asked.config.data, learned.template, learned.parts.policy.eos_ids)

    def work(places: range) -> list[dict[str, Any]]:
        read = source.read(places, tokens)
        return [row.line() for row in score_rows(learned, read, batch=asked.batch, parts=parts)]

    with progress("scored", "rows", output.done, len(source)) as bar:
        gather(output, bar, len(source), max(GROUP, asked.batch), work)


def score_rows(
    learned: Learned, read: Sequence[UsableRow | UnusableRow], *, batch: int, parts: bool
) -> list[ScoredRow]:
    """Rewards of some rows, in order."""
    usable = [item for item in read if isinstance(item, UsableRow)]
    scores = learned.rewards([item.prompt for item in usable], [item.fitted.response for item in usable], batch=batch)
    scored = {
        item.number: _scored(learned, item, score.total, score.tokens if parts else None)
        for item, score in zip(usable, scores, strict=True)
    }
    return [
        scored[item.number] if isinstance(item, UsableRow) else ScoredRow(item.number, None, item.reason)
        for item in read
    ]


def summarise(lines: Iterable[ScoredRow]) -> dict[str, Any]:
    """How many rows have a reward, what the rewards are like, and why others have none."""
    rewards: list[float] = []
    skipped: dict[str, Tally] = {}
    cut = 0
    for row in lines:
        if row.reward is None:
            skipped.setdefault(row.reason, Tally()).add(row.number)
        else:
            rewards.append(row.reward)
            cut += bool(row.cut)
    summary: dict[str, Any] = {
        "rows": len(rewards) + sum(tally.count for tally in skipped.values()),
        "scored": len(rewards),
        "cut": cut,
        "skipped": {reason: {"count": tally.count, "rows": tally.rows} for reason, tally in skipped.items()},
    }
    if rewards:
        ordered = sorted(rewards)
        summary |= {"mean": math.fsum(rewards) / len(rewards), "median": ordered[(len(ordered) - 1) // 2]}
        summary |= {"lowest": ordered[0], "highest": ordered[-1]}
    return summary


def _scored(learned: Learned, item: UsableRow, reward: float, parts: Sequence[float] | None) -> ScoredRow:
    if not math.isfinite(reward):
        return ScoredRow(item.number, None, f"reward is {reward}")
    row, fitted = item.row, item.fitted
    decode = learned.parts.policy.tokenizer.decode
    return ScoredRow(
        item.number,
        reward,
        prompt=row.prompt,
        system=row.system,
        completion=row.completion,
        length=len(fitted.response),
        ended=fitted.ended,
        cut=fitted.cut,
        pieces=() if parts is None else tuple(token_texts(fitted.response, decode)),
        token_rewards=() if parts is None else tuple(parts),
    )

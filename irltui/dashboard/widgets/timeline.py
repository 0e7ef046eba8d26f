"""How an answer became what it is, told downwards: demonstration, start, after 1, 2, ... Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from irltui.runs.events import ASKED, BEFORE_TRAINING, Sample
from irltui.text import safe
from irltui.views.answers import AnswerHistory, iteration_name
from irltui.views.marks import meter
from irltui.views.numbers import number
from irltui.views.spans import Row, S, fit, flow, plain
from irltui.views.word_diff import changed_words

STEPS = (0, 22, 42, 62)
"""How much of its ink a token shows, by the size of its reward."""
_METER_COLUMNS = 17


class Mode(StrEnum):
    NEW = "new words"
    SINCE = "changes since the iteration before"
    AGAINST = "changes against the demonstration"
    TOKENS = "tokens by their reward"
    PLAIN = "text as it is"


@dataclass(frozen=True)
class Timeline:
    """Rows, and the one at which the chosen answer begins."""

    rows: list[Row]
    at: int


def timeline(
    one: AnswerHistory, width: int, chosen: int | None = None, mode: Mode = Mode.NEW, token: int | None = None
) -> Timeline:
    """All answers to a prompt; the chosen outer iteration (None: the newest) in full."""
    rows: list[Row] = []
    if one.demonstration:
        rows.append([S("◇ ", "demonstration", "b"), S("demonstration", "demonstration")])
        rows += _told(flow([S(plain(one.demonstration))], width - 2), last=False)
    at, before = 0, None
    known = {answer.outer_iteration for answer in one.answers}
    picked = chosen if chosen in known else one.newest.outer_iteration
    for answer in one.answers:
        here = answer.outer_iteration == picked
        at = len(rows) if here else at
        rows += _answer(one, answer, before, width, mode if here else Mode.NEW, here, token)
        before = answer
    return Timeline(rows, at)


def _answer(
    one: AnswerHistory, answer: Sample, before: Sample | None, width: int, mode: Mode, here: bool, token: int | None
) -> list[Row]:
    same = before is not None and before.generation == answer.generation
    head = [*_mark(answer, here), *_reward(answer, one.scale)]
    spans, rewritten = _spans(one, answer, before, mode, here, token)
    head += _facts(answer, same=same, here=here, room=width, rewritten=rewritten)
    if same and not here:
        return [head]
    return [head, *_told(flow(spans, width - 2), last=answer is one.newest)]


def _mark(answer: Sample, here: bool) -> Row:
    name = "asked" if answer.prompt_id == ASKED else iteration_name(answer.outer_iteration)
    ink, look = ("gap", "b") if here else ("muted", "")
    return [S("● " if here else "○ ", ink, "b"), S(f"{name:<9}", ink, look)]


def _reward(answer: Sample, scale: float) -> Row:
    """The reward as a figure and a meter; before training it is 0 by definition."""
    if answer.reward is None or answer.outer_iteration == BEFORE_TRAINING:
        return [S(" " * _METER_COLUMNS)]
    return [S(f"{number(answer.reward, sign=True):>7} "), *meter(answer.reward, scale)]


def _facts(answer: Sample, *, same: bool, here: bool, room: int, rewritten: bool) -> Row:
    facts: Row = []
    if same and not here:
        facts.append(S(" same words", "muted"))
    elif room > 36:
        facts.append(S(f" {answer.tokens} tok", "muted"))
    if not answer.ended:
        facts.append(S(" truncated" if room > 48 else " cut", "warn"))
    if rewritten and room > 44:
        facts.append(S(" rewritten", "muted"))
    return facts


def _spans(
    one: AnswerHistory, answer: Sample, before: Sample | None, mode: Mode, here: bool, token: int | None
) -> tuple[list[S], bool]:
    text, ink = plain(answer.generation), "gap" if here else "foreground"
    if mode is Mode.TOKENS:
        return tokens(answer, one.token_scale, token), False
    if mode is Mode.AGAINST and one.demonstration:
        return changed_words(plain(one.demonstration), text, removed=True)
    if mode is Mode.PLAIN or before is None:
        return [S(text, ink)], False
    if before.generation == answer.generation:
        return [S(text, ink)], False
    return changed_words(plain(before.generation), text, removed=mode is Mode.SINCE)


def tokens(answer: Sample, scale: float, chosen: int | None = None) -> list[S]:
    """Tokens by their reward in three strengths; those that take away are underlined too."""
    if not answer.token_rewards or len(answer.token_rewards) != len(answer.pieces):
        return [S(plain(answer.generation), "gap")]
    spans = []
    for i, (piece, reward) in enumerate(zip(answer.pieces, answer.token_rewards, strict=True)):
        finite = reward == reward and abs(reward) != float("inf")
        level = min(int(abs(reward) / scale * 3 + 0.5), 3) if finite and scale > 0 else 0
        ink = "demonstration" if reward > 0 else "generation"
        ground = "accent" if i == chosen else f"{ink}~{STEPS[level]}" if level else ""
        look = "u" if reward < 0 and level else ""
        text = safe(piece, lines=True, limit=200)
        spans.append(S(text, "background" if i == chosen else "gap", look + "b" * (i == chosen), ground))
    return spans


def newest(one: AnswerHistory, width: int, lines: int = 2) -> list[Row]:
    """The prompt in one line, and its newest answer in a few."""
    told = timeline(one, width - 2)  # room for the ellipsis
    shown = told.rows[told.at : told.at + 1 + lines]
    if len(told.rows) > told.at + 1 + lines:
        shown[-1] = [*shown[-1], S(" …", "muted")]
    return [[S("▏ ", "faint"), S(fit(one.prompt, width - 2), "muted")], *shown]


def _told(rows: list[Row], *, last: bool) -> list[Row]:
    return [[S("  " if last else "│ ", "faint"), *row] for row in rows]

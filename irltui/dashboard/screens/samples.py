"""Samples: how did this answer change? A strip of outer iterations, and the answer's history told downwards."""

from __future__ import annotations

import math
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from irltui.dashboard.keymap import ENGINE, EVERYWHERE, REPLAY, SAMPLES, bindings
from irltui.dashboard.sampled import BEST_OF, NOW, SFT, START, STRENGTHS, best_rows, strength_rows
from irltui.dashboard.screens.base import NARROW
from irltui.dashboard.screens.replayed import Replayed
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.dashboard.widgets.lines import Lines
from irltui.dashboard.widgets.timeline import STEPS, Mode, timeline
from irltui.runs.events import ASKED, BEFORE_TRAINING, Sample
from irltui.text import safe
from irltui.views.answers import AnswerHistory, answer_histories
from irltui.views.marks import state_mark
from irltui.views.numbers import number
from irltui.views.spans import Row, S, fit, plain, quoted, tail

HISTORY, STRENGTH, BEST = "history", "strength", "best"
_WIDEST = 100  # columns of text that are comfortable to read
_CELL = 7  # columns of an iteration in the strip
_ABOVE = 8  # rows of the history that stay in view above the chosen answer
_MODES = {Mode.SINCE: Mode.AGAINST, Mode.AGAINST: Mode.PLAIN}


class SamplesScreen(Replayed):
    """The prompts of the open run, and how each answer became what it is."""

    TAB = 3
    KEYS_GO_TO, scrolls = "prompts", "history"
    SCOPES = (SAMPLES, REPLAY, ENGINE, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._run: OpenRun | None = None
        self._prompts: list[AnswerHistory] = []
        self._mode = Mode.SINCE
        self._chosen: int | None = None  # the outer iteration; None follows the newest
        self._token = 0
        self._shown: tuple[object, ...] = ()
        self._view, self._strength = HISTORY, NOW

    def body(self) -> ComposeResult:
        yield Lines("progress", classes="one")
        with Horizontal(id="both"):
            yield Lines("prompts", selectable=True)
            with Vertical(id="answer"):
                yield Lines("strip")
                yield Lines("mode", classes="one")
                yield Lines("history")
        yield FilterLine()

    def corner(self) -> Row:
        run = self.store.current
        return [S(tail(run.name, 40), "muted"), S("  "), *state_mark(run.state, word=False)] if run else []

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self) -> None:
        run, moment = self.store.current, self.moment
        if run is not self._run:
            self._run, self._chosen, self._token, self._view = run, None, 0, HISTORY
        if run is None or moment is None:
            return
        self.set_class(self.replay is not None, "replaying")
        if self.replay is not None:
            self.draw_progress()
        found = [*answer_histories(moment), *(AnswerHistory(prompt, "", ()) for prompt in run.typed)]
        self._prompts = [one for one in found if self.holds(one.prompt)]
        listing = self.query_one("#prompts", Lines)
        listing.say(*(_prompt_row(one, listing.room) for one in self._prompts))
        if self.focused is None:
            listing.focus()
        if self._prompts:
            one = self._prompts[min(listing.index, len(self._prompts) - 1)]
            if self._view == HISTORY and one.answers:
                self._draw_answer(one)
            else:
                self._draw_sampled(run, one)
            return
        words = ["Answers to the fixed prompts come when the", "first outer iteration ends. S asks a prompt of yours."]
        words = ["No prompt has this text. / changes it."] if self.wanted else words
        self.say("strip")
        self.say("mode")
        self.say("history", [], *([S(line, "muted")] for line in words))

    def _draw_sampled(self, run: OpenRun, one: AnswerHistory) -> None:
        """Answers on request instead of the history."""
        strip, history = self.query_one("#strip", Lines), self.query_one("#history", Lines)
        strip.styles.height = 1
        cells = [S("strength  ", "muted")]
        for label in STRENGTHS:
            here = label == self._strength and self._view != BEST
            cells += [S(f" {label} ", *(("background", "b", "accent") if here else ("muted", "", ""))), S(" ")]
        self.say("strip", cells)
        words = f"best of {BEST_OF} by the reward" if self._view == BEST else "underlined: differs from strength 1"
        self.say("mode", [S(words, "muted" if self._view == BEST else "foreground")])
        width = max((history.room or self.size.width) - 1, 20)
        ask = quoted(S(plain(one.prompt), "gap"), width)
        if self._view == BEST:
            shown = best_rows(run, one.prompt, min(width, _WIDEST))
        else:
            shown = strength_rows(run, one.prompt, self._strength, width)
        history.say([], *ask, [], *shown)

    def _draw_answer(self, one: AnswerHistory) -> None:
        outers = [answer.outer_iteration for answer in one.answers]
        chosen = self._chosen if self._chosen in outers else outers[-1]
        strip, history = self.query_one("#strip", Lines), self.query_one("#history", Lines)
        room = strip.room or self.size.width
        tall = self.size.height >= 20
        strip.styles.height = 2 if tall else 1
        rows = _strip_rows(one, outers, chosen, room)
        self.say("strip", *(rows if tall else rows[1:]))
        answer = next(found for found in one.answers if found.outer_iteration == chosen)
        self.say("mode", self._legend(one, answer))
        width = min((history.room or room) - 1, _WIDEST)
        ask = quoted(S(plain(one.prompt), "gap"), width)
        token = self._token % max(len(answer.pieces), 1) if self._mode is Mode.TOKENS else None
        lines = timeline(one, width, chosen, self._mode, token)
        history.say([], *ask, [], *lines.rows)
        looked_at = (one.prompt, chosen, self._mode, history.size)
        if looked_at != self._shown:
            self._shown = looked_at
            top = lines.at + len(ask) + 2
            y = max(0, top - max(history.size.height - _ABOVE, 1))
            self.call_after_refresh(history.scroll_to, y=y, animate=False)

    def _legend(self, one: AnswerHistory, answer: Sample) -> Row:
        if self._mode is not Mode.TOKENS:
            marks = [S("   "), S("new", "gap", "bu"), S("  "), S("gone", "muted", "s")]
            words = [S(self._mode)] if self.size.width >= NARROW or self._mode is Mode.PLAIN else []
            return [*words, *(marks if self._mode is not Mode.PLAIN else [])]
        if not answer.token_rewards or len(answer.token_rewards) != len(answer.pieces):
            return [S("This reward has no values of single tokens.", "muted")]
        at = self._token % len(answer.pieces)
        token = [S(f"{safe(repr(answer.pieces[at])[1:-1], limit=20)} ", "gap", "b")]
        token += [
            S(number(answer.token_rewards[at], sign=True), "gap", "b"),
            S(f"  {at + 1} of {len(answer.pieces)}  h l   ", "muted"),
        ]
        scale = one.token_scale
        less = [S(" ", "gap", "", f"generation~{share}") for share in reversed(STEPS[1:])]
        more = [S(" ", "gap", "", f"demonstration~{share}") for share in STEPS[1:]]
        ends = [S("takes away ", "muted"), S(number(-scale), "foreground", "u"), S(" "), *less, S(" "), *more]
        return [*token, *ends, S(f" {number(scale, sign=True)}"), S(" adds", "muted")]

    # -- keys ------------------------------------------------------------------------------------

    def action_strength(self, direction: int) -> None:
        """Another strength, for all prompts."""
        at = STRENGTHS.index(self._strength) + (direction if self._view == STRENGTH else max(direction, 0))
        self._strength = STRENGTHS[min(max(at, 0), len(STRENGTHS) - 1)]
        self._view = STRENGTH
        self._ask((self._strength, NOW, START, SFT))

    def action_best(self) -> None:
        self._view = HISTORY if self._view == BEST else BEST
        self._ask((NOW,) if self._view == BEST else ())

    def _ask(self, labels: tuple[str, ...]) -> None:
        if self._run is not None and labels:
            self.dashboard.ask(self._run, labels, [one.prompt for one in self._prompts])
        self.redraw()

    def show_asked(self) -> None:
        """The newest prompt that somebody typed."""
        self.wanted, self._chosen = "", None
        typed = self._run.typed[:1] if self._run is not None else []
        self._view = STRENGTH if typed and self._run is not None and not self._run.is_alive else HISTORY
        self.redraw()
        asked = (i for i, one in enumerate(self._prompts) if _is_typed(one, typed))
        at = next(asked, None)
        if at is not None:
            self.query_one("#prompts", Lines).put(at)
            self.redraw()

    @on(Lines.Moved, "#prompts")
    def moved(self) -> None:
        self.redraw()

    def action_prompt(self, direction: int) -> None:
        self.query_one("#prompts", Lines).action_move(direction)

    def action_iteration(self, direction: int) -> None:
        if not self._prompts:
            return
        one = self._prompts[min(self.query_one("#prompts", Lines).index, len(self._prompts) - 1)]
        if self._view == STRENGTH or not one.answers:
            self.action_strength(direction)
            return
        outers = [answer.outer_iteration for answer in one.answers]
        now = outers.index(self._chosen) if self._chosen in outers else len(outers) - 1
        at = min(max(now + direction, 0), len(outers) - 1)
        self._chosen = None if at == len(outers) - 1 else outers[at]
        self.redraw()

    def action_diff(self) -> None:
        self._mode = _MODES.get(self._mode, Mode.SINCE)
        self.redraw()

    def action_colour(self) -> None:
        self._mode = Mode.SINCE if self._mode is Mode.TOKENS else Mode.TOKENS
        self.redraw()

    def action_token(self, direction: int) -> None:
        self._mode = Mode.TOKENS
        self._token += direction
        self.redraw()

    def action_back(self) -> None:
        if self._view != HISTORY:
            self._view = HISTORY
            self.redraw()
        elif self.replay:
            self.action_replay()
        else:
            self.dashboard.action_show_mode("run")


def _is_typed(one: AnswerHistory, typed: list[str]) -> bool:
    return one.prompt in typed if typed else bool(one.answers) and one.newest.prompt_id == ASKED


def _prompt_row(one: AnswerHistory, room: int) -> Row:
    """A prompt and the reward of its newest answer; a dot if the last iteration changed that."""
    known = one.newest.reward if one.answers else None
    reward = "" if known is None else number(known, sign=True)
    text = [S("• " if one.changed else "  ", "gap", "b"), S(fit(one.prompt, max(room - 11, 8)))]
    return [*text, S(" "), S(f"{reward:>7} ", "muted")]


def _strip_rows(one: AnswerHistory, outers: list[int], chosen: int, room: int) -> list[Row]:
    """A cell for each outer iteration, its reward above its number; it follows the chosen one."""
    many = max((room - 4) // _CELL, 1)
    first = max(0, min(outers.index(chosen) - many // 2, len(outers) - many))
    rewards: Row = [S("  ")]
    names: Row = [S("‹ " if first else "  ", "muted")]
    for answer in one.answers[first : first + many]:
        t = answer.outer_iteration
        here, value = t == chosen, answer.reward
        known = value is not None and math.isfinite(value) and t != BEFORE_TRAINING
        text = number(value, 1 if abs(value or 0.0) >= 1 else 2, sign=True) if known else ""
        rewards.append(
            S(text.center(_CELL), "demonstration" if (value or 0.0) > 0 else "generation", "b" if here else "")
        )
        name = "start" if t == BEFORE_TRAINING else str(t + 1)
        look = ("background", "b", "accent") if here else ("muted", "", "")
        names.append(S(name.center(_CELL), look[0], look[1], look[2]))
    names.append(S(" ›" if first + many < len(outers) else "", "muted"))
    return [rewards, names]

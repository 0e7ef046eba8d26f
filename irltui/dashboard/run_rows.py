"""Rows of the list of runs and of its preview. Pure."""

from __future__ import annotations

from statistics import fmean

from irltui.dashboard.head import settings
from irltui.dashboard.store import OpenRun, Store, done_of
from irltui.dashboard.story import story
from irltui.dashboard.tree import Item
from irltui.dashboard.widgets.timeline import newest
from irltui.runs.metrics import GAP, HELD_OUT_NLL
from irltui.runs.status import WORKING, State
from irltui.text import safe
from irltui.views.answers import answer_histories
from irltui.views.marks import bar, spark, state_mark
from irltui.views.numbers import age, duration, number
from irltui.views.replay import Moment
from irltui.views.spans import Row, S, fit, flow, length, spread, tail

_WITH_WORDS, _WITH_FIGURES = 70, 56  # columns from which the state has its word, from which there are bar and NLL
_STATE = 11
_MOST_PROMPTS = 6


def heading_row(width: int) -> Row:
    right = f"{'progress':<10}{'reward gap':>16}{'NLL':>7} " if width > _WITH_FIGURES else f"{'step':<5}{'gap':>13}"
    return spread([S("   run", "muted")], [S(right, "muted")], width + 1)


def item_row(item: Item, store: Store, width: int, *, is_folded: bool) -> Row:
    """One row: a study with its arms counted, or runs with state, progress, gap and held-out NLL."""
    if item.is_study:
        return _study_row(item, store, width, is_folded=is_folded)
    state, step = item.state, item.line.status.step
    wide, figures = width > _WITH_WORDS, width > _WITH_FIGURES
    right: Row = [*state_mark(state, word=wide), S(" " * (_STATE - len(state) if wide else 1))]
    right += bar(item.share, 1, 8, "good" if state in WORKING else "muted") if figures else [S(f"{step:>4}", "muted")]
    gap, nll = item.value(GAP), item.value(HELD_OUT_NLL)
    right += [S("  "), *spark(_gaps(item, store), 9 if figures else 6, "foreground")]
    right += [S(f"{number(gap):>7}", "gap" if gap is not None else "faint")]
    right += [S(f"{number(nll):>7} ", "held-out" if nll is not None else "faint")] if figures else []
    left = _branch(item, store)
    seeds = f"  {len(item.lines)} seeds" if len(item.lines) > 1 else ""
    room = max(width - length(left) - length(right) - 1, 4)
    name = item.name + seeds if len(item.name) + len(seeds) <= room else tail(item.name, room)
    return [*left, S(fit(name, room), "foreground", "b" if state is State.RUNNING else ""), S(" "), *right]


def _gaps(item: Item, store: Store) -> list[float]:
    """The gap at the end of each outer iteration, the mean of the seeds that have got so far."""
    found = [gaps for line in item.lines if (gaps := store.sparks.get(line.path))]
    return [fmean(gaps[i] for gaps in found if i < len(gaps)) for i in range(max(map(len, found), default=0))]


def _study_row(item: Item, store: Store, width: int, *, is_folded: bool) -> Row:
    left = [S("▸ " if is_folded else "▾ ", "muted"), S("◆ " if _marked(item, store) else "", "accent", "b")]
    each = len(item.lines) // max(item.arms, 1)
    count = f"   {item.arms} arms" + (f" × {each} seeds" if each > 1 else "")
    done = f"{done_of(item.lines)} "
    count = count if width - length(left) - len(done) - len(item.name) > len(count) else ""
    room = max(width - length(left) - len(count) - len(done), 4)
    return spread([*left, S(tail(item.name, room), "gap", "b"), S(count, "muted")], [S(done, "muted")], width)


def _branch(item: Item, store: Store) -> Row:
    mark = S("◆ " if _marked(item, store) else "", "accent", "b")
    if not item.level:
        return [S("  "), mark]
    return [S("  " * item.level), S("└ " if item.is_last else "├ ", "faint"), mark]


def _marked(item: Item, store: Store) -> bool:
    return all(line.path in store.marked for line in item.lines)


def about_rows(item: Item, run: OpenRun | None, store: Store, room: int) -> list[Row]:
    """State, name and time of the run that stands for a row, what was set, and its story."""
    line = item.line
    state = run.state if run is not None and run.status else line.status.state
    name = S(tail(line.name, max(room - 26, 8)), "gap", "b")
    right = [S(f"{age(store.clock() - line.status.time)} ago" if line.status.time else "", "muted")]
    moment = Moment(run.history) if run is not None else None
    if moment is not None and state in WORKING and (left := moment.seconds_left()) is not None:
        right = [S(duration(left), "gap", "b"), S(" left", "muted")]
    rows = [spread([*state_mark(state), S("  "), name], right, room)]
    what = settings(run.config) if run is not None else []
    head = [S(safe(line.algorithm, limit=12).upper(), "muted"), S("  ")]
    model = S(tail(line.model, max(room - length(head) - length(what), 8)), "muted")
    rows.append([*head, model, *what])
    if run is not None and moment is not None and run.loaded:
        rows += flow(story(run, moment, 10_000), room)[:4]
    return [*rows, [S("")]]


def study_rows(item: Item, store: Store, room: int) -> list[Row]:
    """State and name of a study; its result stands below."""
    left = [*state_mark(item.state), S("  "), S(tail(item.name, max(room - 30, 8)), "gap", "b")]
    return [spread(left, [S(done_of(item.lines), "muted")], room), []]


def newest_rows(item: Item, run: OpenRun, moment: Moment, room: int) -> list[Row]:
    """The newest answers; of a crashed run what its engine printed last and how to go on."""
    if run.state is State.CRASHED:
        rows = [[S("Last lines of the engine's console", "bad", "b")]]
        rows += [[S(fit(text, room), "muted")] for text in run.console[-6:]] or [
            [S("(empty: the process was killed, or memory ran out)", "muted")]
        ]
        return [
            *rows,
            [S("")],
            *flow([S("Continue it with "), S(f"irltui run --resume {safe(run.run.path)}", "gap", "b")], room),
        ]
    answers: list[Row] = []
    for one in answer_histories(moment)[:_MOST_PROMPTS]:
        answers += [*newest(one, room), [S("")]]
    return answers

"""Two lines that say how a run is doing: state, place in both loops, time left, pace; then what it does right now."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from irltui.dashboard.content import STATE_MARKS, STATE_STYLES, joined, phase_words, shown, tell
from irltui.dashboard.store import OpenRun
from irltui.runs.records import Progress
from irltui.runs.status import State
from irltui.views.numbers import age, compact, duration
from irltui.views.replay import Moment, Replay

_WORKING = frozenset({State.STARTING, State.RUNNING, State.PAUSED})
_BAR = 12
NARROW = 60
"""Columns below which only what matters most is said."""


class StatusLine(Static):
    """The head of the screens of one run."""

    DEFAULT_CSS = """
    StatusLine { height: 2; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def show(self, run: OpenRun, moment: Moment, replay: Replay | None = None) -> None:
        """Show a run at a moment."""
        narrow = self.app.size.width < NARROW
        first = joined([*_state(run, narrow=narrow), *_place(moment, narrow=narrow)])
        second = joined(_replayed(replay) if replay else _doing(run, moment))
        tell(self, Content("\n").join([first, second]), layout=False)


def _state(run: OpenRun, *, narrow: bool) -> list[Content]:
    state = run.state
    shown_state = Content.styled(f"{STATE_MARKS[state]} {state}", STATE_STYLES[state])
    if narrow:
        return [shown_state]
    algorithm = run.history.start.algorithm.upper()
    return [shown_state, shown(run.name, "bold", limit=40), *([shown(algorithm, limit=12)] if algorithm else [])]


def _place(moment: Moment, *, narrow: bool) -> list[Content]:
    start, progress = moment.history.start, moment.progress
    parts = []
    if start.outer_iterations:
        outer = min(progress.outer_iteration + 1, start.outer_iterations)
        parts.append(Content.assemble("outer ", (f"{outer}/{start.outer_iterations}", "bold")))
    rows = moment.history.rows
    if moment.rows and moment.step and not narrow:
        inner = int(rows.inner_step[moment.rows - 1])
        planned = -(-start.total_steps // start.outer_iterations) if start.outer_iterations else 0
        parts.append(Content.assemble("inner ", (f"{inner}/{planned}" if planned else str(inner), "bold")))
    if start.total_steps:
        parts.append(Content.assemble("step ", (f"{moment.step}/{start.total_steps}", "bold")))
    return parts


def _doing(run: OpenRun, moment: Moment) -> list[Content]:
    if not run.loaded:
        return [Content.styled(f"reading events: {compact(len(run.history.rows))} so far", "$secondary")]
    if run.state not in _WORKING:
        return _done(run)
    progress = moment.progress
    parts: list[Content] = []
    doing = phase_words(progress.phase, run.history.start.algorithm) or "starting"
    parts.append(Content(doing) if run.state is not State.PAUSED else Content.styled("paused; R resumes", "$warning"))
    if progress.total and run.state is not State.PAUSED:
        parts.append(_bar(progress))
    left = moment.seconds_left()
    parts.append(Content.styled(f"ETA {duration(left)}", "$primary") if left is not None else Content(""))
    tokens = moment.last("speed/generated_tokens_per_second")
    pairs = moment.last("speed/pairs_per_second")
    parts += [Content(f"{compact(pairs)} pairs/s")] if pairs == pairs else []
    parts += [Content(f"{compact(tokens)} tok/s sampled")] if tokens == tokens else []
    return [part for part in parts if len(part)]


def _bar(progress: Progress) -> Content:
    share = min(1.0, max(0.0, progress.done / progress.total))
    full = round(share * _BAR)
    left = progress.seconds_left
    return Content.assemble(
        ("━" * full, "$primary"),
        ("─" * (_BAR - full), "$secondary 50%"),
        f" {progress.done}/{progress.total} ",
        shown(progress.unit, limit=16),
        f" {duration(left)} left" if left is not None else "",
    )


def _done(run: OpenRun) -> list[Content]:
    history, end = run.history, run.history.end
    parts = [Content(f"worked {duration(history.elapsed)}")]
    if run.state is State.CRASHED:
        silent = age(run.clock() - run.status.time) if run.status and run.status.time else "?"
        parts = [Content.styled(f"the engine is gone without a goodbye, last sign of life {silent} ago", "$error")]
    elif end and end.reason:
        parts.append(shown(end.reason, "$error" if run.state is State.FAILED else "$warning"))
    if end and end.hint:
        parts.append(shown(end.hint, "$secondary"))
    elif run.state is State.FINISHED:
        parts.append(Content.styled("r replays it", "$secondary"))
    return parts


def _replayed(replay: Replay) -> list[Content]:
    share = replay.position / replay.length
    full = round(share * 2 * _BAR)
    return [
        Content.styled("▶ replay" if replay.playing else "‖ replay", "bold $accent"),
        Content.assemble(("━" * full, "$accent"), ("─" * (2 * _BAR - full), "$secondary 50%")),
        Content(f"{duration(replay.position)} of {duration(replay.length)}"),
        Content(f"x{replay.speed:g}"),
        Content.styled("space < > f b, r leaves", "$secondary"),
    ]

"""Small things drawn in text: progress, sparks, meters, intervals, states. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irltui.runs.status import State
from irltui.views import braille
from irltui.views.curves import Curve
from irltui.views.spans import Row, S

STATES = {  # a mark and an ink; the word stands beside them
    State.WAITING: ("·", "muted"),
    State.STARTING: ("◌", "muted"),
    State.RUNNING: ("●", "good"),
    State.PAUSED: ("‖", "warn"),
    State.FINISHED: ("✓", "foreground"),
    State.STOPPED: ("■", "warn"),
    State.PREEMPTED: ("■", "warn"),
    State.FAILED: ("✗", "bad"),
    State.CRASHED: ("✗", "bad"),
}


def state_mark(state: State, *, word: bool = True) -> Row:
    mark, ink = STATES.get(state, ("?", "muted"))
    return [S(mark, ink, "b"), S(f" {state}" if word else "", ink)]


def spark(values: Sequence[float], width: int, ink: str = "muted") -> Row:
    """A curve in one line of braille, two points and four levels a cell; not finite ones are left out."""
    known = np.array([v for v in values if np.isfinite(v)], dtype=float)
    if width < 1:
        return []
    if len(known) < 2:
        return [S("·" * width, "faint")]
    if len(known) > 2 * width:
        known = np.array([part.mean() for part in np.array_split(known, 2 * width)])
    low, span = float(known.min()), float(known.max() - known.min()) or 1.0
    x = np.linspace(0, 2 * width - 1, len(known)) + 0.5
    dots = braille.blank(width, 1)
    braille.stroke(dots, Curve(x, 3 - np.round((known - low) / span * 3) + 0.5))
    return [S("".join(chr(braille.BLANK + int(cell)) for cell in braille.cells(dots)[0]), ink)]


def bar(done: float, total: float, width: int, ink: str = "foreground") -> Row:
    """Progress in one line: heavy is done, light is to come."""
    share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
    full = round(share * width * 2)
    half = "╸" if full % 2 else ""
    return [S("━" * (full // 2) + half, ink), S("─" * (width - full // 2 - len(half)), "faint")]


def segments(step: int, total: int, outers: int, width: int, state: State) -> Row:
    """Progress of outer and inner steps in one line: a segment for each outer iteration, filled by its inner steps."""
    each = (width + 1) // max(outers, 1) - 1
    ink = "muted" if state is State.FINISHED else "good" if state in {State.RUNNING, State.STARTING} else "warn"
    if each < 4 or outers < 2 or not total:
        return bar(step, total, width, ink)
    row: Row = []
    for i in range(outers):
        first, last = round(total * i / outers), round(total * (i + 1) / outers)
        here = first < step <= last
        name, inside = f"{i + 1} ", min(max(step - first, 0), last - first)
        row += [S(name, "gap" if here else "muted", "b" if here else "")]
        row += [*bar(inside, last - first, each - len(name), ink), S(" ")]
    return row


def meter(value: float, scale: float, half: int = 4) -> Row:
    """A reward as a bar around a middle: right and blue adds, left and orange takes away."""
    if not np.isfinite(value):
        return [S("×".center(2 * half + 1), "bad")]
    size = min(round(abs(value) / scale * half), half) if scale > 0 else 0
    left, right = (size, 0) if value < 0 else (0, size)
    return [
        S("·" * (half - left), "faint"),
        S("━" * left, "generation"),
        S("│", "muted"),
        S("━" * right, "demonstration"),
        S("·" * (half - right), "faint"),
    ]


def whisker(
    low: float, mean: float, high: float, scale: float, width: int, ink: str, seeds: Sequence[float] = ()
) -> Row:
    """An interval around zero over a faint axis with its middle at no difference; `seeds` are single ones."""

    def at(value: float) -> int:
        share = value / scale if scale > 0 else 0.0
        return min(max(round((share + 1) / 2 * (width - 1)), 0), width - 1)

    middle = width // 2
    cells = [("┈", "faint")] * width
    cells[middle] = ("│", "muted")
    for x in range(at(low), at(high) + 1):
        cells[x] = ("┿" if x == middle else "━", ink)
    for seed in seeds:
        cells[at(seed)] = ("╋" if at(seed) == middle else "┿", ink)
    cells[at(mean)] = ("●", ink)
    return [S(character, colour) for character, colour in cells]

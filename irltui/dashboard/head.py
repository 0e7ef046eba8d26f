"""The head of the screens of one run: state, name, what was set, time left; below it the progress in segments. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from irltui.dashboard.store import OpenRun
from irltui.runs.events import Phase
from irltui.runs.status import WORKING
from irltui.text import safe
from irltui.views.marks import bar, segments, state_mark
from irltui.views.numbers import duration, number
from irltui.views.replay import Moment, Replay
from irltui.views.spans import Row, S, length, spread, tail

PHASES: Mapping[str, str] = {
    Phase.PREPARE: "preparing",
    Phase.SAMPLE: "sampling generations",
    Phase.REFERENCE: "scoring under the reference",
    Phase.UPDATE: "updating the reward",
    Phase.IMPROVE: "improving the policy",
    Phase.EVALUATE: "evaluating",
    Phase.CHECKPOINT: "saving a checkpoint",
    Phase.EXPORT: "exporting the model",
    Phase.PAUSED: "paused",
    Phase.END: "ended",
}
_SET = (("reward", "beta", "β"), ("optimizer", "learning_rate", "lr"))


def head(run: OpenRun, moment: Moment, width: int, *, narrow: bool) -> Row:
    """State, name and settings; at the right the time left, or the time it took."""
    left = [S(" "), *state_mark(run.state), S("  ")]
    right = _time(run, moment, narrow=narrow)
    algorithm = run.history.start.algorithm or str(run.config.get("algorithm", ""))
    facts: Row = []
    if not narrow:
        facts = [S(f"  {safe(algorithm, limit=12).upper()}", "muted"), *settings(run.config)]
    room = width - length(left) - length(right) - 1
    if length(facts) + 12 > room:
        facts = []
    name = S(tail(run.name, max(room - length(facts), 8)), "gap", "b")
    return spread([*left, name, *facts], right, width)


def progress(run: OpenRun, moment: Moment, replay: Replay | None, width: int, *, narrow: bool) -> Row:
    """How far the run is, or how far its replay."""
    if replay is not None:
        return _replayed(replay, width)
    start = moment.history.start
    total = start.total_steps or (run.status.total_steps if run.status else 0)
    words = "" if narrow else " steps "
    count = [S(f" {moment.step}", "gap", "b"), S((f"/{total}" if total else "") + words, "muted")]
    count = count if total or moment.step else []
    doing = _doing(run, moment) if not narrow and run.state in WORKING else []
    room = width - length(count) - length(doing) - 3
    done = segments(moment.step, total, start.outer_iterations, room, run.state)
    return spread([S(" "), *done], [*doing, *count], width)


def _doing(run: OpenRun, moment: Moment) -> Row:
    """What the engine does now, where that is not training."""
    now = moment.progress
    if now.phase in {"", Phase.UPDATE, Phase.IMPROVE, Phase.END} or not run.loaded:
        return []
    words = PHASES.get(now.phase) or safe(now.phase, limit=20)
    share = f" {now.done}/{now.total}" if now.total else ""
    return [S(f"  {words}{share}  ", "muted")]


def _time(run: OpenRun, moment: Moment, *, narrow: bool) -> Row:
    if run.state not in WORKING:
        elapsed = moment.elapsed
        return [S("took ", "muted"), S(duration(elapsed), "gap"), S(" ")] if elapsed else [S(" ")]
    left = moment.seconds_left()
    if left is None:
        return [S(" ")]
    ends = time.strftime("%H:%M", time.localtime(run.clock() + left))
    return [S(duration(left), "gap", "b"), S(" left" + ("" if narrow else f", ends {ends}") + " ", "muted")]


def settings(config: Mapping[str, Any]) -> Row:
    found: Row = []
    for table, key, name in _SET:
        values = config.get(table)
        value = values.get(key) if isinstance(values, Mapping) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append(S(f"  {name} {number(float(value), -1) if abs(value) < 1e-3 else f'{value:g}'}", "muted"))
    return found


def _replayed(replay: Replay, width: int) -> Row:
    mark = "▶ replay" if replay.playing else "‖ replay"
    right = [S(f" {duration(replay.position)} of {duration(replay.length)}  ×{replay.speed:g}", "gap", "b")]
    right += [S("  space < > f b, r leaves ", "muted")] if width >= 80 else [S(" ")]
    left = [S(f" {mark} ", "accent", "b")]
    room = width - length(left) - length(right) - 1
    return spread([*left, *bar(replay.position, replay.length, room, "accent")], right, width)

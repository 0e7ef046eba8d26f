"""Looking at an open run as it was, on Run and Samples alike: the replay belongs to the run, not to the screen."""

from __future__ import annotations

import time

from irltui.dashboard.head import progress
from irltui.dashboard.screens.base import NARROW, MainScreen
from irltui.views.replay import Moment, Replay

TICK = 0.25  # seconds between two movements


class Replayed(MainScreen):
    """A screen that shows the open run now, or where its replay is."""

    _ticked = 0.0

    def on_mount(self) -> None:
        self.set_interval(TICK, self._tick)

    @property
    def replay(self) -> Replay | None:
        return self.store.current.replay if self.store.current is not None else None

    @property
    def moment(self) -> Moment | None:
        run = self.store.current
        if run is None:
            return None
        return run.replay.moment() if run.replay else Moment(run.history)

    def draw_progress(self) -> None:
        """Say how far the open run is, or its replay."""
        run, moment = self.store.current, self.moment
        if run is not None and moment is not None:
            narrow = self.size.width < NARROW
            self.say("progress", progress(run, moment, self.replay, self.size.width, narrow=narrow))

    def action_replay(self) -> None:
        run = self.store.current
        if run is None:
            return
        if run.replay:
            run.replay = None
        elif len(run.history.rows):
            run.replay = Replay(run.history)
            self._ticked = time.monotonic()
        self.redraw()

    def action_play(self) -> None:
        if replay := self.replay:
            if not replay.playing and replay.position >= replay.length:
                replay.position = 0.0
            replay.playing = not replay.playing
            self.redraw()

    def action_scrub(self, direction: int) -> None:
        if self.replay:
            self.replay.scrub(direction / 20)
            self.redraw()

    def action_faster(self, factor: float) -> None:
        if self.replay:
            self.replay.speed = min(1e6, max(0.25, self.replay.speed * factor))
            self.redraw()

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        if self.is_current and self.replay and self.replay.playing:
            self.replay.advance(min(passed, 1.0))
            self.redraw()

"""Safe points: where signals and commands are answered. Knows no algorithm and no model.

`poll` may be called anywhere between two changes of the weights, also inside sampling and evaluation; it
saves and pauses there, and raises `Stop` when the run is to end. Ranks agree there on what any of them has heard,
so all poll alike; where each works at its own pace, `poll` does nothing.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import psutil

from irltui.distributed import ranks
from irltui.distributed.launch import Signals
from irltui.errors import EXIT_INTERRUPTED, EXIT_PREEMPTED
from irltui.runs.control import Command, Request, take, waiting
from irltui.runs.deadline import Deadline
from irltui.runs.events import Control, Log, Phase, PhaseProgress
from irltui.runs.folder import RunFolder
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

LOOK_EVERY = 0.25  # seconds between looks into control/; on network file systems a look costs


class Stop(BaseException):
    """The run is to end here, resumable. No Exception: no `except Exception` of a plugin may swallow it."""

    def __init__(self, state: State, reason: str, exit_code: int) -> None:
        super().__init__(state, reason, exit_code)  # all of them, so that another rank can be sent it
        self.state, self.reason, self.exit_code = state, reason, exit_code


def stop_before(deadline: Deadline) -> Stop:
    """How a run ends whose time is nearly over."""
    return Stop(State.PREEMPTED, f"stopped before {deadline.what}", EXIT_PREEMPTED)


def stop_for(number: int) -> Stop:
    """How a run ends that a signal tells to end."""
    if number == signal.SIGINT:
        return Stop(State.STOPPED, "interrupted (SIGINT)", EXIT_INTERRUPTED)
    return Stop(State.PREEMPTED, f"terminated by {signal.Signals(number).name}", EXIT_PREEMPTED)


@dataclass(frozen=True)
class _Heard:
    """What one rank has received: commands, those that came too early, a stop, and who asked to save."""

    requests: list[Request | str]
    expired: frozenset[str]
    stop: Stop | None
    save: str


class SafePoint:
    """Signals and the control folder of one run.

    Args:
        run: the folder.
        writer: for acknowledgements.
        deadline: before which it saves and stops.

    Attributes:
        sample: answers a `sample` command's text; set by the engine once there is a policy.
        save: saves a checkpoint for a reason and returns its name; likewise.
        look: looks after what goes on beside the work; likewise.
    """

    def __init__(self, run: RunFolder, writer: RunWriter, deadline: Deadline | None = None) -> None:
        self.deadline = deadline or Deadline(math.inf, "")
        self.sample: Callable[[str], str] | None = None
        self.save: Callable[[str], str] | None = None
        self.look: Callable[[], None] | None = None
        self._run, self._writer = run, writer
        self._looked = 0.0
        self._started = psutil.Process().create_time()
        self._waiting = waiting(run)  # what an earlier engine left is void
        self._stop: Stop | None = None
        self._save_asked = ""  # by which signal
        self._paused = self._busy = self._interrupted = False

    def install(self, signals: Signals) -> None:
        """Take over the signals that mean something to a run."""
        for numbers, handler in ((signals.leave, self._on_leave), (signals.save, self._on_save)):
            for number in numbers:
                signal.signal(number, handler)
        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a dropped ssh must not take the run along

    def poll(self) -> None:
        """Answer what has arrived; wait here while paused.

        Raises:
            Stop: the run is to end.
            CheckpointError: one cannot be written.
        """
        if self._busy or not ranks.in_step():  # the answer to a `sample` command draws too
            self._writer.status()
            return
        self.deadline.arrived()
        if self.look is not None:
            self.look()
        self._listen()
        self._save_if_asked()
        if self._paused:
            self._wait()
        if self._stop is not None:
            raise self._stop
        self.deadline.left_off()

    def _save_if_asked(self) -> None:
        if self._save_asked and self.save is not None:
            asked, self._save_asked = self._save_asked, ""
            self.save(f"asked by {asked}")
            self._still_paused()

    def _still_paused(self) -> None:
        """Saving and sampling have phases of their own: say what comes after them."""
        if self._paused:
            # The status first: whoever sees the event finds it paused.
            self._writer.status(now=True, state=State.PAUSED, phase=Phase.PAUSED)
            self._writer.write(PhaseProgress(Phase.PAUSED))

    def _wait(self) -> None:
        self._still_paused()
        while self._paused and self._stop is None:
            time.sleep(LOOK_EVERY)
            self._listen()
            self._save_if_asked()
        self._writer.status(now=True, state=State.RUNNING)

    def _listen(self) -> None:
        """Obey what any rank has received: each has its signals, the first reads the commands."""
        for heard in ranks.gather([self._heard()]):
            if heard.stop is not None and self._stop is None:
                self._stop = heard.stop
            self._save_asked = self._save_asked or heard.save
            self._answer_all(heard)

    def _heard(self) -> _Heard:
        if self._stop is None and self.deadline.is_near:
            self._stop = stop_before(self.deadline)
        requests = self._look() if ranks.is_first() else []
        expired = frozenset(r.id for r in requests if isinstance(r, Request) and self._is_expired(r))
        return _Heard(requests, expired, self._stop, save=self._save_asked)

    def _is_expired(self, request: Request) -> bool:
        """Whether it was sent before this engine started; clocks of two hosts are never compared."""
        if request.host == os.uname().nodename:
            return request.sent < self._started
        return request.id in self._waiting

    def _look(self) -> list[Request | str]:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return []
        self._looked = now
        self._writer.status()  # a heartbeat: long sampling polls, and nothing else would be seen of it
        return take(self._run)

    def _answer_all(self, heard: _Heard) -> None:
        for request in heard.requests:
            if isinstance(request, str):
                self._writer.write(Control(request, "", "rejected", "not a command of this irltui"))
            elif request.id in heard.expired:
                self._answer(request, "expired", "sent before this engine started")
            else:
                self._obey(request)

    def _obey(self, request: Request) -> None:
        self._answer(request, "accepted")
        match request.command:
            case Command.PAUSE | Command.RESUME:
                self._paused = request.command is Command.PAUSE
                self._answer(request, "applied")
            case Command.STOP:
                self._stop = Stop(State.STOPPED, "stopped on command", EXIT_INTERRUPTED)
                self._answer(request, "applied", "saving a checkpoint")
            case Command.CHECKPOINT:
                self._perform(request, self.save, "asked")
            case Command.NOTE:
                self._writer.write(Log(text=f"note: {request.text}"))
                self._answer(request, "applied")
            case Command.SAMPLE:
                self._perform(request, self.sample, request.text)

    def _perform(self, request: Request, action: Callable[[str], str] | None, argument: str) -> None:
        if action is None:
            self._answer(request, "rejected", "the model is not loaded yet")
            return
        self._busy = True
        try:
            detail = action(argument)
        finally:
            self._busy = False
        self._answer(request, "applied", detail)
        self._still_paused()

    def _answer(self, request: Request, state: str, detail: str = "") -> None:
        self._writer.write(Control(request.id, request.command, state, detail))

    def _on_leave(self, number: int, frame: FrameType | None) -> None:
        self._stop = stop_for(number)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:  # the second time: now, without a checkpoint
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        self._interrupted = True
        self._stop = stop_for(number)

    def _on_save(self, number: int, frame: FrameType | None) -> None:
        self._save_asked = signal.Signals(number).name

"""The application: five screens over one store, the clock that redraws, and what keys do everywhere.

Quitting never ends an engine unless that was asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome
from textual.screen import Screen

from irltui.dashboard.keymap import keys_of
from irltui.dashboard.sampled import NOW, SFT, START, Desk
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.screens.check import CheckScreen
from irltui.dashboard.screens.compare import CompareScreen
from irltui.dashboard.screens.dialogs import CANCEL, DETACH, LEAVING, STOP, YES, Choice, ChoiceDialog, TextDialog
from irltui.dashboard.screens.page import HelpScreen
from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.runs import RunsScreen
from irltui.dashboard.screens.samples import SamplesScreen
from irltui.dashboard.services import Services
from irltui.dashboard.store import LIST_EVERY, OpenRun, Store, study_of
from irltui.dashboard.study_follower import StudyFollower
from irltui.dashboard.terminal import Styled, on_ending, until_gone
from irltui.dashboard.theme import DARK, LIGHT, THEMES, Palette, keep_theme
from irltui.dashboard.widgets.chart import Chart
from irltui.dashboard.widgets.lines import Lines
from irltui.errors import EXIT_INTERRUPTED, EXIT_OK, IrltuiError
from irltui.runs.control import Command

if TYPE_CHECKING:
    from irltui.dashboard.form import Form
    from irltui.views.study import StudyResult

PREVIEWS = 4  # runs that are read for the list's preview and not closed yet
REDRAW_EVERY = 0.25
SHARE = 0.08  # of one processor, for drawing beside an engine that works: they belong to it
LONGEST_REST = 1.0  # seconds that new values may wait for their drawing
REDRAW_UNSEEN = 4  # a terminal without focus is redrawn so many times more seldom


def _new_run_screen() -> Screen[None]:
    """Made when it is needed: pydantic and the registry take their time."""
    from irltui.dashboard.screens.new_run import NewRunScreen

    return NewRunScreen()


class Dashboard(App[int]):
    """All screens.

    Args:
        folder: where runs lie.
        run: a run to open at once.
        services: what the command line does for it.
        study: the folder of a study whose working run is shown, and at the end its verdict.
        clock: Unix seconds; tests pass a fixed one.
    """

    TITLE = "irltui"
    CSS_PATH = "look.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "runs": RunsScreen,
        "run": RunScreen,
        "samples": SamplesScreen,
        "compare": CompareScreen,
        "check": CheckScreen,
        "new": _new_run_screen,
    }
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "leave", show=False, system=True)]

    def __init__(
        self,
        folder: Path,
        run: Path | None = None,
        services: Services | None = None,
        study: Path | None = None,
        theme: str = DARK,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.store = Store(folder, clock)
        self.services = services or Services()
        self._follower = StudyFollower(study, run)
        sample = self.services.sample
        self.desk = Desk(sample, self.store, partial(self.say, "[]")) if sample is not None else None
        self._draft: Form | None = None
        self._previews: list[Path] = []
        self._asked = ""  # the command whose answer is to be shown
        self._first_run = run
        self._drawn: tuple[object, ...] = ()
        self._turn, self._has_focus = 0, True
        self._rest_until = 0.0
        self._loaded: set[Path] = set()
        for known in THEMES:
            self.register_theme(known)
        self.palette = Palette(THEMES[0])
        self.theme = theme

    # -- life ------------------------------------------------------------------------------------

    async def on_mount(self) -> None:
        on_ending(self._end)
        if self._first_run is not None:
            self.open_run(self._first_run)
        else:
            self.switch_mode("runs")
        self.run_worker(self._list(), name="list")
        self.run_worker(self._end_with_terminal(), name="terminal")
        self.set_interval(REDRAW_EVERY, self._redraw)

    async def _end_with_terminal(self) -> None:
        self._end(await until_gone())

    async def _list(self) -> None:
        while True:
            await self.store.look()
            self._follow_study()
            if self._turn == 0:
                self._redraw()
            until = time.monotonic() + LIST_EVERY
            while time.monotonic() < until and await self.store.glance():
                await asyncio.sleep(0.01)
            await asyncio.sleep(max(0.0, until - time.monotonic()))

    def _follow_study(self) -> None:
        follower, current = self._follower, self.store.current
        tabs = {RunScreen.TAB, SamplesScreen.TAB, CheckScreen.TAB}
        watches = current is not None and current.run.path == follower.run
        watches = watches and isinstance(self.screen, MainScreen) and self.screen.TAB in tabs
        if (path := follower.next_run(self.store)) is not None and watches:
            self.store.current = self.follow(path)
            self._drawn = ()
        elif (paths := follower.finished(self.store)) is not None:
            self.store.marked = paths
            if watches and paths:
                self.action_show_mode("compare")
            where = "its verdict is on Compare" if paths else "no run has finished"
            self.call_after_refresh(self.say, "4", f"the study has ended: {where}", "foreground")

    def look_again(self) -> None:
        self._drawn = ()
        self.run_worker(self.store.look(), name="look")

    def _redraw(self) -> None:
        """Redraw the screen that is seen, if what it shows has changed."""
        if not self.is_running:  # on its way out, widgets are gone before this timer is
            return
        self._turn += 1
        screen = self.screen
        if not isinstance(screen, MainScreen) or (not self._has_focus and self._turn % REDRAW_UNSEEN):
            return
        screen.draw_reply()
        self._show_answer()
        version = (screen, self.store.version, *(run.version for run in self.store.open.values()))
        if version == self._drawn:
            return
        now = time.monotonic()
        if now < self._rest_until and any(run.is_alive for run in self.store.open.values()):
            return
        self._drawn, began = version, time.thread_time()
        screen.redraw()
        self.call_after_refresh(self._painted, now, began)

    def _show_answer(self) -> None:
        """Show the answer to a prompt that was typed here, once it has come."""
        run = self.store.current
        if run is None or not self._asked or self._asked in run.pending:
            return
        self._asked = ""
        if run.history.asked and not isinstance(self.screen, SamplesScreen):
            self.action_show_mode("samples")
            self.call_after_refresh(self._put_on_answer)

    def _put_on_answer(self) -> None:
        if isinstance(self.screen, SamplesScreen):
            self.screen.show_asked()

    def _painted(self, at: float, began: float) -> None:
        """Rest for as long as the drawing was worth, counted in time of the processor and not of the clock."""
        cost = time.thread_time() - began
        self._rest_until = at + min(cost / SHARE, LONGEST_REST)

    def watch_theme(self, name: str) -> None:
        """Text and charts in the colours of another theme."""
        self.palette = Palette(self.current_theme)
        for screen in self.screen_stack if self.is_running else ():
            for chart in screen.query(Chart):
                chart.repaint()
            for lines in screen.query(Lines):
                lines.refresh()

    def on_app_focus(self) -> None:
        self._has_focus = True

    def on_app_blur(self) -> None:
        self._has_focus = False

    def _end(self, code: int) -> None:
        self.exit(code, return_code=code)

    # -- runs ------------------------------------------------------------------------------------

    def open_run(self, path: Path) -> None:
        self.store.current = self.follow(path)
        self.action_show_mode("run")

    def follow(self, path: Path) -> OpenRun:
        known = path in self.store.open
        run = self.store.open_run(path)
        if not known:
            self.run_worker(self.store.follow(run, self._arrived), name="follow")
        return run

    def preview(self, path: Path) -> None:
        """Read a run because the cursor rests on it; the one that was looked at longest ago is closed."""
        if path in self.store.open:
            return
        self.follow(path)
        self._previews.append(path)
        for old in self._previews[:-PREVIEWS]:
            self._previews.remove(old)
            if old not in self.store.marked and self.store.open.get(old) is not self.store.current:
                self.store.open.pop(old, None)

    def result_of(self, run: Path, *, judge: bool) -> StudyResult | None:
        """What came of the study of a run, None as long as that is not known; `judge`: find out."""
        key = self.store.study_key(run)
        if judge and key and key not in self.store.results:
            self.run_worker(self.store.judge(key), name="judge")
        return self.store.results.get(key)

    def _arrived(self) -> None:
        """The first events of a run and the end of reading are shown at once, the rest when the clock says so."""
        loaded = {path for path, run in self.store.open.items() if run.loaded}
        if loaded != self._loaded:
            self._loaded, self._drawn, self._rest_until = loaded, (), 0.0
        if not self._drawn:
            self._redraw()

    @property
    def draft(self) -> Form:
        """What was typed into the form of a new run and not started yet."""
        self._draft = self._draft or self._form("irft")
        return self._draft

    @draft.setter
    def draft(self, form: Form) -> None:
        self._draft = form

    def new_run(self, source: str = "") -> None:
        if self.services.launch is None:
            self.say("n", "start runs with irltui run", "warn")
            return
        if source:
            self._draft = self._form(source)
        self.action_show_mode("new")

    def _form(self, source: str) -> Form:
        """Made when it is needed: pydantic takes its time."""
        from irltui.dashboard.form import Form

        return Form(source)

    def start(self, form: Form, name: str) -> str:
        try:
            path = self.services.launch(form.load(), name) if self.services.launch is not None else None
        except (IrltuiError, OSError) as error:
            return str(error).splitlines()[0]
        self._draft = None
        if path is not None:
            self._follower = StudyFollower(study_of(path), path)
            self.open_run(path)
        return ""

    def start_preset(self, name: str) -> None:
        if self.services.launch is None:
            self.say("enter", f"start it with irltui run {name}", "warn")
        elif problem := self.start(self._form(name), name):
            self.say("enter", problem, "bad")

    def ask(self, run: OpenRun, labels: Sequence[str], prompts: Sequence[str]) -> None:
        """Have prompts answered at strengths, by the start model and by SFT."""
        if self.desk is None:
            self.say("[ ]", "sample with irltui sample RUN --strength 2", "warn")
        else:
            self.desk.ask(run, labels, prompts)
            self.run_worker(self.desk.work(), name="answers")

    def say(self, key: str, text: str, ink: str) -> None:
        if isinstance(self.screen, MainScreen):
            self.screen.answer(key, text, ink)

    # -- actions ---------------------------------------------------------------------------------

    def action_show_mode(self, mode: str) -> None:
        if mode in {"run", "samples", "check"} and self.store.current is None:
            screen = self.screen
            line = screen.chosen if isinstance(screen, RunsScreen) else None
            if line is None:
                self.say("2", "no run is open yet: choose one and press enter", "muted")
                return
            self.store.current = self.follow(line.path)
        self._drawn = ()
        self.switch_mode(mode)

    def action_show_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_next_theme(self) -> None:
        self.theme = LIGHT if self.theme == DARK else DARK
        keep_theme(self.theme)

    def action_command(self, name: str) -> None:
        run, command = self.store.current, Command(name)
        if run is None:
            return
        match command:
            case Command.STOP:
                question = "Its engine stops with a checkpoint. irltui run --resume continues the run."
                choices = (Choice(YES, "y", "Stop"), Choice(CANCEL, "n,escape", "Cancel"))
                self.push_screen(
                    ChoiceDialog(run.name, question, choices, 1),
                    lambda answer: self._send_text(run, command, "" if answer == YES else None),
                )
            case Command.SAMPLE if not run.is_alive:
                dialog = TextDialog("Ask", "A prompt of yours, for the start model, SFT and now")
                self.push_screen(dialog, partial(self._ask_typed, run))
            case Command.SAMPLE:
                dialog = TextDialog("Sample now", "A prompt of yours; empty for the fixed ones", may_be_empty=True)
                self.push_screen(dialog, partial(self._send_text, run, command))
            case Command.NOTE:
                dialog = TextDialog("A note into the run's log", "What you want to remember")
                self.push_screen(dialog, partial(self._send_text, run, command))
            case _:
                self._send_text(run, command, "")

    def _ask_typed(self, run: OpenRun, text: str | None) -> None:
        if not text:
            return
        run.typed.insert(0, text)
        self.ask(run, (START, SFT, NOW), [text])
        self.action_show_mode("samples")
        self.call_after_refresh(self._put_on_answer)

    def _send_text(self, run: OpenRun, command: Command, text: str | None) -> None:
        if text is None:
            return
        if problem := run.send(command, text):
            self.say("!", problem, "bad")
        elif command is Command.SAMPLE and text:
            self._asked = list(run.pending)[-1]
        if isinstance(self.screen, MainScreen):
            self.screen.draw_reply()  # at once: a key was pressed

    def action_leave(self) -> None:
        run = self.store.current
        if isinstance(self.screen, ChoiceDialog):
            return
        if run is None or not run.is_alive:
            self.exit(EXIT_OK)
            return
        words = "Its engine is working, and goes on without the dashboard.\nirltui opens it here again."
        self.push_screen(ChoiceDialog(run.name, words, LEAVING), partial(self._leave, run))

    def _leave(self, run: OpenRun, answer: str | None) -> None:
        if answer == STOP:
            run.send(Command.STOP)
        if answer in {STOP, DETACH}:
            self.exit(EXIT_INTERRUPTED if answer == STOP else EXIT_OK)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Commands are offered only while an engine can hear them."""
        if action == "command":
            run = self.store.current
            return run is not None and (run.is_alive or (parameters == ("sample",) and self.desk is not None))
        return super().check_action(action, parameters)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [Styled(one) if isinstance(one, Monochrome) else one for one in super().get_line_filters()]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key of the table that means something here, by name."""
        here = {active.binding.action for active in screen.active_bindings.values()}
        for key in keys_of(*(screen.SCOPES if isinstance(screen, MainScreen) else ())):
            pair = len(key.actions) > 1
            for i, (_, action) in enumerate(key.actions):
                if action in here:
                    shown = (key.shown.split() if " " in key.shown else key.shown)[i] if pair else key.shown
                    title = key.help + (f" {shown}" if pair else "")
                    yield SystemCommand(title, f"{shown}   {key.scope}", partial(self.run_action, action, screen))

"""Before a run: what `irltui check` finds about the form as it is. Another process looks; leaving ends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from irltui.config.load import Loaded
from irltui.dashboard.widgets.lines import Lines
from irltui.errors import IrltuiError
from irltui.experiments.study import Study
from irltui.text import safe
from irltui.views.check import Checked
from irltui.views.numbers import duration
from irltui.views.spans import Row, S, flow

Check = Callable[[Loaded | Study, int], Awaitable[Checked]]


class PreviewScreen(ModalScreen[tuple[tuple[str, str], ...]]):
    """Rows, loss mask, memory, time, warnings; returns what matters beside the form.

    Args:
        check: looks.
        loaded: at what.
    """

    CSS_PATH = "preview.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "close"),
        Binding("up", "scroll_rows(-1)"),
        Binding("down", "scroll_rows(1)"),
        Binding("pageup", "scroll_rows(-10)"),
        Binding("pagedown,space", "scroll_rows(10)"),
    ]

    def __init__(self, check: Check, loaded: Loaded | Study) -> None:
        super().__init__()
        self._check, self._loaded = check, loaded
        self._began = time.monotonic()
        self._found: list[Row] = []
        self._facts: tuple[tuple[str, str], ...] = ()

    def compose(self) -> ComposeResult:
        yield Lines("page", ground="surface")

    def on_mount(self) -> None:
        self.run_worker(self._look(), name="check")
        self.set_interval(1.0, self._show)
        self.call_after_refresh(self._show)

    async def _look(self) -> None:
        width = max(40, self.size.width - 8)
        try:
            self._found, self._facts = await self._check(self._loaded, width)
        except IrltuiError as error:
            text = safe(f"{error.message}\n{error.hint}".strip(), lines=True)
            self._found = flow([S(text, "bad")], width)
        self._show()

    def _show(self) -> None:
        waited = duration(time.monotonic() - self._began)
        words = f"Looking at the data and trying the model for a moment: {waited}. esc gives up."
        self.query_one("#page", Lines).say(*(self._found or [[S(words)]]))

    def action_close(self) -> None:
        self.dismiss(self._facts)

    def action_scroll_rows(self, by: int) -> None:
        self.query_one("#page", Lines).scroll_relative(y=by, animate=False)

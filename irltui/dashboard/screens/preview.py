"""Before a run: what `irltui check` finds about the form as it is. Another process looks; leaving ends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from irltui.config.load import Loaded
from irltui.dashboard.content import shown
from irltui.errors import IrltuiError
from irltui.experiments.study import Study
from irltui.views.numbers import duration

Check = Callable[[Loaded | Study, int], Awaitable[Text]]
"""Looks at a configuration and tells in lines of so many columns what it found; cancelled, it stops looking."""


class PreviewScreen(ModalScreen[None]):
    """Rows, loss mask, memory, time, warnings.

    Args:
        check: looks.
        loaded: at what.
    """

    CSS_PATH = "preview.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "close")]

    def __init__(self, check: Check, loaded: Loaded | Study) -> None:
        super().__init__()
        self._check, self._loaded = check, loaded
        self._began = time.monotonic()
        self._done = False

    def compose(self) -> ComposeResult:
        """One scrolling page."""
        with VerticalScroll(id="page"):
            yield Static(id="found")

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one("#page").focus()
        self.run_worker(self._look(), name="check")
        self.set_interval(1.0, self._tell)
        self._tell()

    async def _look(self) -> None:
        width = max(40, self.query_one("#page").content_size.width - 2)
        try:
            found: Text | Content = await self._check(self._loaded, width)
        except IrltuiError as error:
            found = shown(f"{error.message}\n{error.hint}".strip(), "$error", lines=True)
        self._done = True
        self.query_one("#found", Static).update(found)

    def _tell(self) -> None:
        if not self._done:
            waited = duration(time.monotonic() - self._began)
            self.query_one("#found", Static).update(
                Content(f"Looking at the data and trying the model for a moment: {waited}. esc gives up.")
            )

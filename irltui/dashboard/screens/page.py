"""A page of text over a screen, scrolled by keys: the help, and what a check before a run finds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from irltui.dashboard.keymap import KEYS, scopes
from irltui.dashboard.widgets.lines import Lines
from irltui.errors import IrltuiError
from irltui.text import safe
from irltui.views.charts import SPECS
from irltui.views.numbers import duration
from irltui.views.spans import Row, S, flow

if TYPE_CHECKING:
    from irltui.config.load import Loaded
    from irltui.experiments.study import Study
    from irltui.views.check import Checked

    Check = Callable[[Loaded | Study, int], Awaitable[Checked]]

_KEY = 10


class Page(ModalScreen[tuple[tuple[str, str], ...]]):
    """Rows; what it returns is for what opened it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "close"),
        *(
            Binding(keys, f"scroll_rows({by})")
            for keys, by in (("up", -1), ("down", 1), ("pageup", -10), ("pagedown,space", 10))
        ),
    ]

    def compose(self) -> ComposeResult:
        yield Lines("page", ground="surface")

    def on_lines_resized(self) -> None:
        self.show()

    @property
    def page(self) -> Lines:
        return self.query_one("#page", Lines)

    def show(self) -> None:
        """Say what there is to say, in as many columns as there are."""

    def action_close(self) -> None:
        self.dismiss(())

    def action_scroll_rows(self, by: int) -> None:
        self.page.scroll_relative(y=by, animate=False)


class HelpScreen(Page):
    """Every key, from the key table, and what the charts answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark", "close", "close")]

    def show(self) -> None:
        rows: list[Row] = flow(
            [S("irltui", "gap", "b"), S("   esc closes, ctrl+p finds every action by name", "muted")], self.page.room
        )
        for scope in scopes():
            rows += [[], [S(scope, "gap", "b")]]
            rows += self._said((key.shown, key.help) for key in KEYS if key.scope == scope)
        rows += [[], [S("Charts", "gap", "b")]]
        self.page.say(*rows, *self._said((spec.title, spec.help) for spec in SPECS))

    def _said(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Row]:
        """What it is called and what it means, wrapped beside the name."""
        for name, text in pairs:
            column = 2 + max(_KEY, len(name) + 1)
            first, *more = flow([S(text)], self.page.room, column)
            yield [S(f"  {name:<{column - 2}}", "gap", "b"), *first[1:]]
            yield from more


class PreviewScreen(Page):
    """Rows, loss mask, memory, time, warnings of the form as it is; returns what matters beside the form.

    Another process looks; leaving ends it.

    Args:
        check: looks.
        loaded: at what.
    """

    def __init__(self, check: Check, loaded: Loaded | Study) -> None:
        super().__init__()
        self._check, self._loaded = check, loaded
        self._began = time.monotonic()
        self._found: list[Row] = []
        self._facts: tuple[tuple[str, str], ...] = ()

    def on_mount(self) -> None:
        self.run_worker(self._look(), name="check")
        self.set_interval(1.0, self.show)

    async def _look(self) -> None:
        width = max(40, self.size.width - 8)
        try:
            self._found, self._facts = await self._check(self._loaded, width)
        except IrltuiError as error:
            self._found = flow([S(safe(f"{error.message}\n{error.hint}".strip(), lines=True), "bad")], width)
        self.show()

    def show(self) -> None:
        waited = duration(time.monotonic() - self._began)
        words = f"Looking at the data and trying the model for a moment: {waited}. esc gives up."
        self.page.say(*(self._found or [[S(words)]]))

    def action_close(self) -> None:
        self.dismiss(self._facts)

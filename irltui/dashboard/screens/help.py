"""Help: every key, from the key table, and what the charts answer, from the panels."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from irltui.dashboard.keymap import KEYS, scopes
from irltui.views.charts import SPECS

_KEY = 10


class HelpScreen(ModalScreen[None]):
    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "close"),
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="page"):
            yield Static(_page())

    def on_mount(self) -> None:
        self.query_one("#page").focus()


def _page() -> Content:
    lines = [Content.assemble(("irltui", "bold"), "   esc closes, ctrl+p finds every action by name")]
    for scope in scopes():
        lines.append(Content.styled(f"\n{scope}", "bold"))
        lines += [Content.assemble((f"  {key.shown:<{_KEY}}", "bold"), key.help) for key in KEYS if key.scope == scope]
    lines.append(Content.styled("\nCharts", "bold"))
    lines += [Content.assemble((f"  {spec.title}: ", "bold"), spec.help) for spec in SPECS]
    return Content("\n").join(lines)

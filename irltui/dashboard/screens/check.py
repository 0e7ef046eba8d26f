"""Check: is this run about what I meant? What became of the data, the loss mask on real rows, what was set."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from irltui.dashboard.head import head
from irltui.dashboard.keymap import CHECK, ENGINE, EVERYWHERE, bindings
from irltui.dashboard.screens.base import NARROW, MainScreen
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.check_text import config_lines, cost_line, mask_lines, report_lines, without_report
from irltui.dashboard.widgets.lines import Lines
from irltui.views.replay import Moment

_BOTH_FROM, _ALL_ROWS_FROM = 120, 30


class CheckScreen(MainScreen):
    """Data and configuration of the open run."""

    CSS_PATH = "check.tcss"
    TAB = 5
    SCOPES = (CHECK, ENGINE, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._row = 0
        self._configuration = False  # which side is seen, or scrolls where both are
        self._everything = False

    def body(self) -> ComposeResult:
        """Status, data, configuration."""
        yield Lines("head", classes="one")
        with Horizontal():
            with VerticalScroll(id="data", can_focus=False):
                yield Static(id="report")
                yield Static(id="mask")
            with VerticalScroll(id="configuration", can_focus=False):
                yield Static(id="values")

    def draw(self) -> None:
        """Show the open run."""
        run = self.store.current
        if run is None:
            return
        width = self.size.width
        self.say("head", head(run, Moment(run.history), width, narrow=width < NARROW))
        both = self.size.width >= _BOTH_FROM
        self.query_one("#data").display = both or not self._configuration
        self.query_one("#configuration").display = both or self._configuration
        self._draw_data(run)
        heading = "Configuration, every value" if self._everything else "Configuration, what was set (a shows all)"
        lines = config_lines(run.config, run.origins, everything=self._everything)
        self.query_one("#values", Static).update(Content("\n").join([Content.styled(heading, "bold"), *lines]))

    def _draw_data(self, run: OpenRun) -> None:
        data, mask = run.history.data, self.query_one("#mask", Static)
        if data is None:
            lines = without_report([line.text for line in run.history.log])
        else:
            lines = [
                *report_lines(data.report, run.config, narrow=self.size.width < NARROW),
                cost_line(Moment(run.history)),
            ]
        self.query_one("#report", Static).update(Content("\n").join(line for line in lines if len(line)))
        mask.display = data is not None and bool(data.masked)
        if data is not None and data.masked:
            self._row %= len(data.masked)
            rows = range(self._row, len(data.masked) if self.size.height >= _ALL_ROWS_FROM else self._row + 1)
            blocks = [Content("\n").join(mask_lines(data.masked[row], row, len(data.masked))) for row in rows]
            mask.update(Content("\n\n").join(blocks))

    # -- keys ------------------------------------------------------------------------------------

    def action_row(self, direction: int) -> None:
        """Another row of the data."""
        self._row += direction
        self.redraw()

    def action_other_side(self) -> None:
        """Data or configuration."""
        self._configuration = not self._configuration
        self.redraw()

    def action_all_values(self) -> None:
        """Every value, or those that somebody set."""
        self._everything = not self._everything
        self.redraw()

    def action_scroll_page(self, direction: int) -> None:
        """Scroll what is looked at."""
        side = self.query_one("#configuration" if self._configuration else "#data", VerticalScroll)
        side.scroll_relative(y=direction * max(1, side.size.height - 2), animate=False)

    def action_back(self) -> None:
        """To the curves."""
        self.dashboard.action_show_mode("run")

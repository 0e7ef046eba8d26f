"""Run: the curves of one run, live or replayed, with its samples and alerts beside them."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from irltui.dashboard.content import tell
from irltui.dashboard.keymap import CHARTS, ENGINE, EVERYWHERE, REPLAY, RUN, bindings
from irltui.dashboard.screens.charted import ChartedScreen
from irltui.dashboard.screens.replayed import Replayed
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.chart import Chart, Drawn, Subject
from irltui.dashboard.widgets.notices import everything, notices
from irltui.dashboard.widgets.sample_text import preview
from irltui.dashboard.widgets.sparklines import Sparklines
from irltui.dashboard.widgets.status_line import StatusLine
from irltui.views.panels import PANELS, Panel, chosen
from irltui.views.replay import Moment

MOST_CHARTS = 9
_CHART_WIDTH, _CHART_HEIGHT = 38, 9
_TINY = (60, 16)
_SIDE_FROM = 120


class RunScreen(Replayed, ChartedScreen):
    """The curves of the open run."""

    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(RUN, ENGINE, CHARTS, REPLAY, EVERYWHERE)

    def __init__(self) -> None:
        super().__init__()
        self._run: OpenRun | None = None
        self._first = 0  # the first panel that is shown
        self._focused = 0
        self._large = False
        self._shows_messages = False

    def compose(self) -> ComposeResult:
        """Status, charts, what is said beside and below them."""
        yield StatusLine()
        yield Sparklines()
        with Horizontal(id="body"):
            with Grid(id="charts"):
                for number in range(MOST_CHARTS):
                    yield Chart(id=f"chart{number}")
            with Vertical(id="side"):
                yield Static(id="samples")
        with VerticalScroll(id="messages"):
            yield Static(id="all")
        yield Static(id="notices")
        yield Footer(show_command_palette=False, compact=True)

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self) -> None:
        """Show the open run."""
        if self.store.current is not self._run:
            self._run, self._first, self._large = self.store.current, 0, False
        run, moment = self._run, self.moment
        if run is None or moment is None:
            return
        tiny = self.size.width < _TINY[0] or self.size.height < _TINY[1]
        self.draw_head()
        self.query_one(Sparklines).display = tiny and not self._shows_messages
        self.query_one("#body").display = not tiny and not self._shows_messages
        self.query_one("#messages").display = self._shows_messages
        self._draw_notices(run, moment)
        if self._shows_messages:
            lines = everything(run, moment)
            tell(self.query_one("#all", Static), Content("\n").join(lines or [Content("No messages yet.")]))
        elif tiny:
            self.query_one(Sparklines).show(moment, self.size.width)
        else:
            self._draw_charts(moment)
            self._draw_side(moment)

    def _draw_notices(self, run: OpenRun, moment: Moment) -> None:
        bar = self.query_one("#notices", Static)
        lines = notices(run, moment, 1 if self.size.height < 30 else 4)
        bar.display = bool(lines) and not self._shows_messages
        tell(bar, Content("\n").join(lines))

    def _draw_side(self, moment: Moment) -> None:
        side = self.query_one("#side")
        side.display = self.size.width >= _SIDE_FROM and not self._large and bool(moment.sampled())
        if side.display:
            tell(self.query_one("#samples", Static), preview(moment))

    def _panels(self, moment: Moment) -> list[Panel]:
        return chosen(moment.metrics()) or list(PANELS[:4])

    def _layout(self) -> tuple[int, int]:
        """Columns and rows of charts that fit."""
        if self._large:
            return 1, 1
        width = self.size.width - (44 if self.size.width >= _SIDE_FROM else 0)
        columns = max(1, min(3, width // _CHART_WIDTH))
        rows = max(1, min(3, (self.size.height - 5) // _CHART_HEIGHT))
        return columns, rows

    def _draw_charts(self, moment: Moment) -> None:
        panels, (columns, rows) = self._panels(moment), self._layout()
        fit = columns * rows
        self._first = max(0, min(self._first, len(panels) - 1))
        visible = panels[self._first : self._first + fit]
        columns = min(columns, len(visible))
        grid = self.query_one("#charts", Grid)
        grid.styles.grid_size_columns = columns
        grid.styles.grid_size_rows = -(-len(visible) // columns)
        for number, chart in enumerate(self.query(Chart)):
            chart.display = number < len(visible)
            if chart.display:
                self._show(chart, visible[number], moment)

    def _show(self, chart: Chart, panel: Panel, moment: Moment) -> None:
        drawn = [
            Drawn(trace.label, moment.curve(trace.metric, self.lens.x_axis), ink)
            for ink, trace in enumerate(panel.traces)
        ]
        run = str(self._run.run.path) if self._run is not None else ""
        subject = Subject(panel.title, moment.extent(self.lens.x_axis), panel.levels, panel.help, run)
        chart.show(subject, drawn, self.lens)

    # -- keys ------------------------------------------------------------------------------------

    def _charts(self) -> list[Chart]:
        return [chart for chart in self.query(Chart) if chart.display]

    def action_next_panel(self) -> None:
        """Focus the next chart."""
        self._step_panel(1)

    def action_previous_panel(self) -> None:
        """Focus the chart before."""
        self._step_panel(-1)

    def _step_panel(self, direction: int) -> None:
        if self._large and self._run and (moment := self.moment):
            self._first = (self._first + direction) % len(self._panels(moment))
            self.redraw()
            return
        charts = self._charts()
        if charts:
            at = charts.index(self.focused) + direction if self.focused in charts else 0
            charts[at % len(charts)].focus()

    def action_enlarge(self) -> None:
        """One chart alone, and back."""
        charts = self._charts()
        if not self._large and charts:
            self._back_to = self._first
            self._first += charts.index(self.focused) if isinstance(self.focused, Chart) else 0
        elif self._large:
            self._first = self._back_to
        self._large = not self._large
        self.redraw()

    def action_page(self, direction: int) -> None:
        """Other charts."""
        if self._run is None or (moment := self.moment) is None:
            return
        columns, rows = self._layout()
        first = self._first + direction * columns * rows
        if 0 <= first < len(self._panels(moment)) or direction < 0:
            self._first = max(0, first)
            self.redraw()

    def action_back(self) -> None:
        """From messages, replay or one chart to all, then to the runs."""
        if self._shows_messages:
            self.action_messages()
        elif self._large:
            self.action_enlarge()
        elif self.replay:
            self.action_replay()
        else:
            self.dashboard.action_show_mode("runs")

    def action_messages(self) -> None:
        """All messages, or the curves again."""
        self._shows_messages = not self._shows_messages
        self.redraw()

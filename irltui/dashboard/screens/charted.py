"""Screens with charts: one lens for all of them, moved by keys, wheel and pointer."""

from __future__ import annotations

from dataclasses import replace

from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.widgets.chart import Chart
from irltui.dashboard.widgets.lens import SMOOTHINGS, Lens
from irltui.views.replay import X_AXES


class ChartedScreen(MainScreen):
    """Keeps the lens of its charts."""

    lens = Lens()

    def look_through(self, lens: Lens) -> None:
        """Change the lens."""
        self.lens = lens
        self.redraw()

    def on_chart_zoom(self, event: Chart.Zoom) -> None:
        """The wheel zooms around the pointer."""
        self.look_through(self.lens.zoomed(event.direction, event.share))

    def on_chart_pointed(self, event: Chart.Pointed) -> None:
        """A click puts the cursor there."""
        self.look_through(self.lens.at(event.share))

    def action_smoothing(self) -> None:
        """The next width of the running mean."""
        at = SMOOTHINGS.index(self.lens.smoothing)
        self.look_through(replace(self.lens, smoothing=SMOOTHINGS[(at + 1) % len(SMOOTHINGS)]))

    def action_log(self) -> None:
        """Logarithmic y, or not."""
        self.look_through(replace(self.lens, log=not self.lens.log))

    def action_x_axis(self) -> None:
        """Steps, tokens or time."""
        at = X_AXES.index(self.lens.x_axis)
        self.look_through(replace(self.lens, x_axis=X_AXES[(at + 1) % len(X_AXES)]))

    def action_cursor(self, direction: int) -> None:
        """Move the crosshair to the next point, of a dense curve by a cell; it appears at the newest point."""
        chart = self.focused if isinstance(self.focused, Chart) and self.focused.curves else None
        chart = chart or next((one for one in self.query(Chart) if one.display and one.curves), None)
        if chart is not None:
            self.look_through(self.lens.at(chart.step_of(direction)))

    def action_zoom(self, direction: int) -> None:
        """Zoom around the cursor."""
        self.look_through(self.lens.zoomed(direction))

    def action_reset_view(self) -> None:
        """Everything, without a cursor."""
        self.look_through(replace(self.lens, low=0.0, high=1.0, cursor=None))

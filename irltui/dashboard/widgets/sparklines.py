"""A run on a tiny terminal: one line for each key metric."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from irltui.dashboard.content import tell
from irltui.views.curves import spark
from irltui.views.numbers import figure
from irltui.views.panels import KEY_METRICS
from irltui.views.replay import Moment

_LABEL, _VALUE = 14, 9


class Sparklines(Static):
    """Name, value and shape of the metrics that matter most."""

    DEFAULT_CSS = "Sparklines { height: 1fr; padding: 0 1; }"

    def show(self, moment: Moment, width: int) -> None:
        """Show a run at a moment on `width` columns."""
        width = max(4, width - _LABEL - _VALUE - 4)
        lines = [
            Content.assemble(
                f"{trace.label:<{_LABEL}}",
                (f"{figure(moment.last(trace.metric)):>{_VALUE}} ", "bold"),
                (spark(moment.curve(trace.metric).y, width), "$primary"),
            )
            for trace in KEY_METRICS
            if moment.has(trace.metric)
        ]
        tell(self, Content("\n").join(lines or [Content("no numbers yet")]), layout=False)

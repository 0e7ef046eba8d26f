"""Compare: marked runs over each other, where their configurations differ, and how they ended."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Footer, Static

from irltui.dashboard.config_diff import differences
from irltui.dashboard.figures import figure
from irltui.dashboard.keymap import CHARTS, COMPARE, EVERYWHERE, bindings
from irltui.dashboard.moment import Moment
from irltui.dashboard.palette import Ink
from irltui.dashboard.panels import KEY_METRICS, PANELS
from irltui.dashboard.screens.charted import ChartedScreen
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.chart import LINES, Chart, Drawn, Subject
from irltui.dashboard.words import cell, joined, shown

_LABEL = 16


class CompareScreen(ChartedScreen):
    """Several runs."""

    CSS_PATH = "compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(COMPARE, CHARTS, EVERYWHERE)

    def __init__(self) -> None:
        super().__init__()
        self._metric = "reward/gap"

    def compose(self) -> ComposeResult:
        """Head, one chart, two tables."""
        yield Static(id="head")
        yield Chart(id="overlay")
        with Horizontal(id="below"):
            yield DataTable[Text](id="final", cursor_type="none")
            with VerticalScroll(id="differences", can_focus=False):
                yield Static(id="diff")
        yield Footer(show_command_palette=False, compact=True)

    @property
    def runs(self) -> list[OpenRun]:
        """The marked runs, or the open one."""
        store = self.store
        marked = [store.open[path] for path in store.marked if path in store.open]
        return marked or ([store.current] if store.current else [])

    def draw(self) -> None:
        """Show the marked runs."""
        for path in self.store.marked:
            self.dashboard.follow(path)
        runs = self.runs
        metrics = self._metrics(runs)
        if metrics and self._metric not in metrics:
            self._metric = metrics[0]
        at = metrics.index(self._metric) + 1 if self._metric in metrics else 0
        self.query_one("#head", Static).update(
            joined(
                [
                    Content.styled("Compare", "bold $primary"),
                    Content(f"{len(runs)} runs"),
                    shown(self._metric, "bold"),
                    Content.styled(f"{at}/{len(metrics)}, m for the next", "$secondary"),
                    Content.styled("" if len(runs) > 1 else "mark runs with space on 1", "$accent"),
                ]
            )
        )
        drawn = [
            Drawn(run.name[-_LABEL:], Moment(run.history).curve(self._metric, self.lens.x_axis), ink)
            for ink, run in enumerate(runs)
        ]
        levels = next((panel.levels for panel in PANELS if self._metric in {t.metric for t in panel.traces}), ())
        extents = [Moment(run.history).extent(self.lens.x_axis) for run in runs] or [(0.0, 1.0)]
        extent = min(low for low, _ in extents), max(high for _, high in extents)
        names = " ".join(str(run.run.path) for run in runs)
        subject = Subject(self._metric, extent, levels, "No run has this metric yet.", names)
        self.query_one(Chart).show(subject, drawn, self.lens)
        self._draw_final(runs)
        self._draw_differences(runs)

    def _metrics(self, runs: list[OpenRun]) -> list[str]:
        known = [trace.metric for panel in PANELS for trace in panel.traces]
        found = {metric for run in runs for metric in Moment(run.history).metrics()}
        return [metric for metric in known if metric in found] + sorted(found - set(known))

    def _draw_final(self, runs: list[OpenRun]) -> None:
        table = self.query_one("#final", DataTable)
        table.clear(columns=True)
        table.add_column(Text("at the end"))
        ink = Ink("#000000", self.app.current_theme.dark)
        for i, run in enumerate(runs):
            mark = Text(f"{LINES[i % len(LINES)]} ", style=ink.curve(i))
            table.add_column(mark + cell(run.name[-_LABEL:]))
        table.add_row(Text("state"), *(Text(str(run.state)) for run in runs))
        table.add_row(Text("step"), *(Text(str(run.history.step)) for run in runs))
        for trace in KEY_METRICS:
            values = [Moment(run.history).last(trace.metric) for run in runs]
            if any(value == value for value in values):
                table.add_row(Text(trace.label), *(Text("-" if v != v else figure(v)) for v in values))
        for (benchmark, metric), results in _results(runs).items():
            table.add_row(cell(f"{benchmark}: {metric}", limit=24), *(Text(result) for result in results))

    def _draw_differences(self, runs: list[OpenRun]) -> None:
        if not all(run.loaded for run in runs):
            self.query_one("#diff", Static).update("reading ...")
            return
        found = differences([run.config for run in runs])
        lines = [Content.styled("Configurations differ in" if found else "Configurations are the same", "bold")]
        for key, values in found.items():
            lines.append(shown(key, "$primary"))
            lines.append(Content("  ") + joined([shown(value, limit=40) for value in values], " | "))
        self.query_one("#diff", Static).update(Content("\n").join(lines) if len(runs) > 1 else "")

    def action_metric(self, direction: int) -> None:
        """Another metric."""
        metrics = self._metrics(self.runs)
        if metrics:
            at = metrics.index(self._metric) if self._metric in metrics else 0
            self._metric = metrics[(at + direction) % len(metrics)]
            self.redraw()

    def action_back(self) -> None:
        """To the runs."""
        self.dashboard.action_show_mode("runs")


def _results(runs: list[OpenRun]) -> dict[tuple[str, str], list[str]]:
    """The last result of every benchmark's metric, by run."""
    last = [
        {(e.benchmark, metric): f for e in run.history.evaluations for metric, f in e.figures.items()} for run in runs
    ]
    keys = list(dict.fromkeys(key for results in last for key in results))
    return {
        key: [f"{figure(r[key].mean)} [{figure(r[key].low)}, {figure(r[key].high)}]" if key in r else "-" for r in last]
        for key in keys
    }

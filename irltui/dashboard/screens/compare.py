"""Compare: marked runs over each other, how they ended, where their configurations differ, what each answers."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from irltui.dashboard.content import joined, shown
from irltui.dashboard.keymap import CHARTS, COMPARE, EVERYWHERE, bindings
from irltui.dashboard.screens.charted import ChartedScreen
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.chart import Chart
from irltui.dashboard.widgets.plotted import Frame, Plotted
from irltui.dashboard.widgets.run_table import differences_table, final_table, name_of
from irltui.dashboard.widgets.sample_text import caption, plain
from irltui.views.answers import answers
from irltui.views.arms import Side, side_differences, sides_of
from irltui.views.final_figures import final_rows
from irltui.views.loaded_runs import ComparedRun, short_names
from irltui.views.panels import PANELS
from irltui.views.replay import Moment

_LABEL = 16
_WIDE, _SHORT = 120, 16
_TEXTS = 5  # the demonstration and the answers of four runs
_COLUMN = 32  # columns that a text needs beside another one
FIGURES, CONFIGURATION, SAMPLES, CURVES = "figures", "config", "samples", "curves"


class CompareScreen(ChartedScreen):
    """Several runs: their curves, and below them one pane after the other; of a tiny terminal only the pane."""

    CSS_PATH = "compare.tcss"
    TAB = 4
    SCOPES = (COMPARE, CHARTS, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._metric, self._pane, self._prompt = "reward/gap", FIGURES, 0

    def body(self) -> ComposeResult:
        """Head, one chart, the panes."""
        yield Static(id="head")
        yield Chart("overlay")
        with Horizontal(id="below"):
            with VerticalScroll(id="final", can_focus=False):
                yield Static()
            with VerticalScroll(id="differences", can_focus=False):
                yield Static()
            with VerticalScroll(id="answers", can_focus=False):
                yield Static(id="question")
                with Grid(id="texts"):
                    for _ in range(_TEXTS):
                        yield Static(classes="answer")

    @property
    def runs(self) -> list[OpenRun]:
        """The marked runs, or the open one."""
        store = self.store
        marked = [store.open[path] for path in store.marked if path in store.open]
        return marked or ([store.current] if store.current else [])

    @property
    def _panes(self) -> tuple[str, ...]:
        if self.size.height < _SHORT:
            return FIGURES, CONFIGURATION, SAMPLES, CURVES
        return (FIGURES, SAMPLES) if self.size.width >= _WIDE else (FIGURES, CONFIGURATION, SAMPLES)

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self) -> None:
        """Show the marked runs."""
        for path in self.store.marked:
            self.dashboard.follow(path)
        runs = self.runs
        metrics = self._metrics(runs)
        if metrics and self._metric not in metrics:
            self._metric = metrics[0]
        if self._pane not in self._panes:
            self._pane = FIGURES
        self._lay_out()
        self._draw_head(runs, metrics)
        are_read = all(run.loaded for run in runs)
        sides = _sides(runs) if are_read else [Side(run.name, (run,)) for run in _compared(runs)]
        self._draw_curves(sides)
        if not are_read:
            self.query_one("#final > Static", Static).update("reading ...")
            return
        self._draw_tables(sides)
        self._draw_answers(sides)

    def _lay_out(self) -> None:
        tiny, wide = self.size.height < _SHORT, self.size.width >= _WIDE
        self.query_one(Chart).display = not tiny or self._pane == CURVES
        self.query_one("#below").display = self._pane != CURVES
        self.query_one("#final").display = self._pane == FIGURES
        differences = self.query_one("#differences")
        differences.display = self._pane == CONFIGURATION or (wide and not tiny and self._pane == FIGURES)
        differences.set_class(wide and not tiny, "beside")
        self.query_one("#answers").display = self._pane == SAMPLES

    def _draw_head(self, runs: list[OpenRun], metrics: list[str]) -> None:
        at = metrics.index(self._metric) + 1 if self._metric in metrics else 0
        tabs = [
            Content.styled(f" {pane} ", "bold reverse" if pane == self._pane else "$secondary") for pane in self._panes
        ]
        count = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
        if self.size.width < 2 * _COLUMN:
            parts = [Content("").join(tabs)]
        else:
            place = Content.styled(f"{at}/{len(metrics)}", "$secondary")
            parts = [Content.styled("Compare", "bold $primary"), Content(count), shown(self._metric, "bold"), place]
            parts.append(Content("").join(tabs))
        if len(runs) < 2:
            parts.insert(0, Content.styled("mark runs with space on 1", "$accent"))
        self.query_one("#head", Static).update(joined(parts))

    def _draw_curves(self, sides: list[Side]) -> None:
        moments = {run.name: Moment(run.history) for side in sides for run in side.runs}
        inks = ("gap", "muted", "demonstration", "generation", "held-out")
        drawn = [
            Plotted(run.name[-_LABEL:], inks[ink % 5], moments[run.name].curve(self._metric, self.lens.x_axis))
            for ink, side in enumerate(sides)
            for run in side.runs
        ]
        ends = [moment.extent(self.lens.x_axis)[1] for moment in moments.values()] or [1.0]
        frame = Frame(self._metric, extent=(0.0, max(ends)), direct=True, help="No run has this metric yet.")
        self.query_one(Chart).show(drawn, frame, self.lens)

    def _draw_tables(self, sides: list[Side]) -> None:
        names, dark = [side.name for side in sides], self.app.current_theme.dark
        beside = self.query_one("#differences").display and self.query_one("#final").display
        whole = self.size.width - 4
        left = whole * 3 // 5 - 2 if beside else whole
        rows = final_rows(sides)
        self.query_one("#final > Static", Static).update(final_table(rows, names, left, dark=dark))
        found = side_differences(sides) if len(sides) > 1 else {}
        right = whole - left - 4 if beside else whole
        table = differences_table(found, names, right, dark=dark)
        self.query_one("#differences > Static", Static).update(table)

    def _draw_answers(self, sides: list[Side]) -> None:
        rows = answers([side.runs[0].history for side in sides])
        self._prompt = max(0, min(self._prompt, len(rows) - 1))
        texts = list(self.query(".answer").results(Static))
        question = self.query_one("#question", Static)
        for text in texts:
            text.display = False
        if not rows:
            question.update("No samples yet: they come when an outer iteration ends.")
            return
        row, dark = rows[self._prompt], self.app.current_theme.dark
        place = Content.styled(f"prompt {self._prompt + 1}/{len(rows)} ↑↓  ", "$secondary")
        question.update(Content.assemble(place, shown(row.prompt, "$primary", limit=300)))
        made = [Content.assemble(("demonstration", "bold"), "\n", plain(row.demonstration))]
        for i, (side, sample) in enumerate(zip(sides, row.samples, strict=True)):
            title = Content.assemble(name_of(i, side.name, dark, _COLUMN // 2), caption("", sample))
            made.append(Content.assemble(title, "\n", plain(sample.generation if sample else "-")))
        for text, content in zip(texts, made, strict=False):
            text.display = True
            text.update(content)
        shown_texts = min(len(made), _TEXTS)
        self.query_one("#texts", Grid).styles.grid_size_columns = max(1, min(shown_texts, self.size.width // _COLUMN))

    def _metrics(self, runs: list[OpenRun]) -> list[str]:
        known = [trace.metric for panel in PANELS for trace in panel.traces]
        found = {metric for run in runs for metric in Moment(run.history).metrics()}
        return [metric for metric in known if metric in found] + sorted(found - set(known))

    # -- keys ------------------------------------------------------------------------------------

    def action_metric(self, direction: int) -> None:
        """Another metric."""
        metrics = self._metrics(self.runs)
        if metrics:
            at = metrics.index(self._metric) if self._metric in metrics else 0
            self._metric = metrics[(at + direction) % len(metrics)]
            self.redraw()

    def action_pane(self) -> None:
        """What stands below the curves."""
        panes = self._panes
        at = panes.index(self._pane) if self._pane in panes else 0
        self._pane = panes[(at + 1) % len(panes)]
        self.redraw()

    def action_prompt(self, direction: int) -> None:
        """Another prompt; in tables, a line up or down."""
        if self._pane == SAMPLES:
            self._prompt = max(0, self._prompt + direction)
            self.redraw()
            return
        for pane in self.query("#below > VerticalScroll").results(VerticalScroll):
            pane.scroll_relative(y=direction, animate=False)

    def action_back(self) -> None:
        """To the runs."""
        self.dashboard.action_show_mode("runs")


def _compared(runs: list[OpenRun]) -> list[ComparedRun]:
    names = short_names([run.run.path for run in runs])
    return [
        ComparedRun(name, run.run, run.config, run.history, str(run.state))
        for run, name in zip(runs, names, strict=True)
    ]


def _sides(runs: list[OpenRun]) -> list[Side]:
    """Runs that differ by seed only are one."""
    return sides_of(_compared(runs))

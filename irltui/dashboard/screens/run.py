"""Run: the game as one large chart, what depends on it as small ones, answers as a timeline, one line that says it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical

from irltui.dashboard.charts import is_measured, show
from irltui.dashboard.head import head
from irltui.dashboard.keymap import CHARTS, ENGINE, EVERYWHERE, REPLAY, RUN, bindings
from irltui.dashboard.screens.base import NARROW
from irltui.dashboard.screens.replayed import Replayed
from irltui.dashboard.store import OpenRun, done_of, study_of
from irltui.dashboard.story import story
from irltui.dashboard.widgets.chart import Chart
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.dashboard.widgets.lens import SMOOTHINGS, Lens
from irltui.dashboard.widgets.lines import Lines
from irltui.dashboard.widgets.messages_list import console_rows, message_rows
from irltui.dashboard.widgets.plotted import Frame
from irltui.dashboard.widgets.timeline import newest, timeline
from irltui.runs.status import State
from irltui.views.answers import answer_histories
from irltui.views.charts import Spec, charts_of
from irltui.views.marks import spark
from irltui.views.numbers import small
from irltui.views.replay import X_AXES, Moment
from irltui.views.spans import Row, S, fit, flow, length, quoted, spread, tail

MOST_CHARTS = 8
_SPARK_SPECS = ("gap", "nll", "loss", "auc", "kl", "length", "both-down", "distinct", "pairs")
ENDED_BADLY = frozenset({State.FAILED, State.CRASHED, State.STOPPED, State.PREEMPTED})
MESSAGES, CONSOLE = "messages", "console"


class RunScreen(Replayed):
    TAB = 2
    SCOPES = (RUN, CHARTS, REPLAY, ENGINE, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)
    lens = Lens()

    def __init__(self) -> None:
        super().__init__()
        self._run: OpenRun | None = None
        self._first = 0  # of the small charts, the first that is shown
        self._prompt = 0
        self._large: str = ""  # the chart that fills the screen
        self._telling = ""

    def body(self) -> ComposeResult:
        yield Lines("head", classes="one")
        yield Lines("progress", classes="one")
        yield Lines("story", classes="one")
        with Horizontal(id="main"):
            with Vertical(id="charts"):
                yield Chart("hero")
                with Grid(id="grid"):
                    for number_ in range(MOST_CHARTS):
                        yield Chart(f"small-{number_}")
                yield Lines("sparks")
                yield Lines("last")
            yield Lines("side")
        yield Lines("messages")
        yield FilterLine()

    def corner(self) -> Row:
        """How far the study is that the run belongs to."""
        study = study_of(self._run.run.path) if self._run is not None else None
        lines = self.store.within(study) if study is not None else []
        return [S(f"{tail(study.name, 30)}  {done_of(lines)}", "muted")] if study is not None and lines else []

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self) -> None:
        if self.store.current is not self._run:
            self._run, self._first, self._prompt, self._large = self.store.current, 0, 0, ""
        run, moment = self._run, self.moment
        if run is None or moment is None:
            return
        width = self.size.width
        self.say("head", head(run, moment, width, narrow=width < NARROW))
        self.draw_progress()
        told = [S(" "), *story(run, moment, width - 2)]
        again = [S("   e", "gap", "b"), S(" edit and start again", "muted")]
        offers = run.state in ENDED_BADLY and length(told) + length(again) < width
        self.say("story", [*told, *again] if offers else told)
        self.set_class(bool(self._large), "enlarged")
        self.set_class(bool(self._telling), "telling")
        if self._telling:
            room = self.query_one("#messages", Lines).room or width - 3
            self.say("messages", *(message_rows(run, moment, room) if self._telling == MESSAGES else console_rows(run)))
            return
        room = self.query_one("#charts").size.width or self.size.width
        self._draw_charts(moment, short=room < 70)
        if self.query_one("#sparks").display:
            self.say("sparks", *self._sparks(moment, room))
        self._draw_samples(moment)

    def _draw_charts(self, moment: Moment, *, short: bool) -> None:
        specs = charts_of(moment.metrics(), self.wanted)
        large = next((one for one in specs if one.id == self._large), None)
        hero = large or next(iter(specs), None)
        if hero is None:
            words = (
                "No chart has this text. / changes it." if self.wanted else "The first values come with the first step."
            )
            self.query_one("#hero", Chart).show([], Frame("", direct=True, help=words), self.lens)
        else:
            show(self.query_one("#hero", Chart), moment, hero, self.lens, short=short)
        small = [one for one in specs if one is not hero]
        fit_ = self._fit()
        self._first = max(0, min(self._first, len(small) - 1))
        visible = small[self._first : self._first + fit_]
        for i in range(MOST_CHARTS):
            chart = self.query_one(f"#small-{i}", Chart)
            chart.display = i < len(visible) and not large
            if chart.display:
                show(chart, moment, visible[i], self.lens, direct=False)

    def _fit(self) -> int:
        """Small charts that have room."""
        return (4 if self.size.width >= 160 else 3) * (1 if self.size.height < 48 else 2)

    def _sparks(self, moment: Moment, width: int) -> list[Row]:
        """A line a metric: name, value, change, curve; in two columns where there is room."""
        narrow = width < NARROW
        specs = [one for one in charts_of(moment.metrics(), self.wanted) if narrow or one.id != "gap"]
        specs.sort(key=lambda one: _SPARK_SPECS.index(one.id) if one.id in _SPARK_SPECS else len(_SPARK_SPECS))
        room = width if narrow else width // 2 - 1
        cells = [_spark_row(moment, one, room) for one in specs[self._first :]]
        if narrow:
            return cells[: max(self.query_one("#sparks").size.height, 1)]
        half = 4
        pairs = [(cells[i], cells[i + half] if i + half < len(cells) else []) for i in range(min(half, len(cells)))]
        return [[*left, S("  "), *right] for left, right in pairs]

    def _draw_samples(self, moment: Moment) -> None:
        prompts = answer_histories(moment)
        side, last = self.query_one("#side", Lines), self.query_one("#last", Lines)
        if not prompts:
            words = [
                [S("Samples", "foreground", "b")],
                [S("")],
                *flow([S("Answers to the fixed prompts come when the first outer iteration ends.", "muted")], 40),
            ]
            side.say(*words)
            last.say([S(" Answers to the fixed prompts come here.", "muted")])
            return
        at = self._prompt % len(prompts)
        count = [S(f"prompt {at + 1}/{len(prompts)} ↑↓", "muted")]
        if side.display:
            room = side.room or 40
            ask = quoted(S(prompts[at].prompt), room)
            rows = [spread([S("Samples", "foreground", "b")], count, room), [S("")], *ask, [S("")]]
            rows += timeline(prompts[at], room).rows
            for other in (one for one in prompts if one is not prompts[at]):
                more = [[], *newest(other, room)]
                rows += more if len(rows) + len(more) <= side.size.height else []
            side.say(*rows)
        if last.display:
            width = self.size.width
            first = [S(" "), S("▏ ", "faint"), S(fit(prompts[at].prompt, width - 26), "muted")]
            answer = newest(prompts[at], width - 1, 1)[1:]
            last.say(spread(first, [*count, S(" ")], width), *([S(" "), *row] for row in answer))

    # -- one lens for all charts, moved by keys, wheel and pointer ----------------------------------

    def look_through(self, lens: Lens) -> None:
        self.lens = lens
        self.redraw()

    def on_chart_zoom(self, event: Chart.Zoom) -> None:
        self.look_through(self.lens.zoomed(event.direction, event.share))

    def on_chart_pointed(self, event: Chart.Pointed) -> None:
        self.look_through(self.lens.at(event.share))

    def action_smoothing(self) -> None:
        at = SMOOTHINGS.index(self.lens.smoothing)
        self.look_through(replace(self.lens, smoothing=SMOOTHINGS[(at + 1) % len(SMOOTHINGS)]))

    def action_log(self) -> None:
        self.look_through(replace(self.lens, log=not self.lens.log))

    def action_x_axis(self) -> None:
        at = X_AXES.index(self.lens.x_axis)
        self.look_through(replace(self.lens, x_axis=X_AXES[(at + 1) % len(X_AXES)]))

    def action_cursor(self, direction: int) -> None:
        chart = self.focused if isinstance(self.focused, Chart) and self.focused.curves else None
        chart = chart or next((one for one in self.query(Chart) if one.display and one.curves), None)
        if chart is not None:
            self.look_through(self.lens.at(chart.step_of(direction)))

    def action_zoom(self, direction: int) -> None:
        self.look_through(self.lens.zoomed(direction))

    def action_reset_view(self) -> None:
        self.look_through(replace(self.lens, low=0.0, high=1.0, cursor=None))

    # -- keys ------------------------------------------------------------------------------------

    def _visible(self) -> list[Chart]:
        return [chart for chart in self.query(Chart) if chart.display and chart.size]

    def action_next_panel(self, direction: int) -> None:
        if self._large and (moment := self.moment):
            names = [one.id for one in charts_of(moment.metrics(), self.wanted)]
            at = names.index(self._large) if self._large in names else 0
            self._large = names[(at + direction) % len(names)] if names else ""
            self.redraw()
            return
        if charts := self._visible():
            at = charts.index(self.focused) + direction if self.focused in charts else 0
            charts[at % len(charts)].focus()

    def action_enlarge(self) -> None:
        moment = self.moment
        if moment is None:
            return
        specs = charts_of(moment.metrics(), self.wanted)
        focused = self.focused if isinstance(self.focused, Chart) else self.query_one("#hero", Chart)
        titles = {one.title: one.id for one in specs}
        self._large = "" if self._large else titles.get(focused.frame.title, "")
        if self._large:
            self.query_one("#hero").focus()
        self.redraw()
        self.call_after_refresh(self.redraw)

    def action_page(self, direction: int) -> None:
        moment = self.moment
        if moment is None:
            return
        count = len(charts_of(moment.metrics(), self.wanted)) - 1
        step = self._fit() if self.query_one("#grid").display else 8
        first = self._first + direction * step
        if first < count:
            self._first = max(0, first)
            self.redraw()

    def action_prompt(self, direction: int) -> None:
        if self._telling:
            self.query_one("#messages", Lines).scroll_relative(y=direction, animate=False)
            return
        self._prompt += direction
        self.redraw()

    def on_filter_line_entered(self, event: FilterLine.Entered) -> None:
        self._first = 0
        super().on_filter_line_entered(event)

    def action_edit(self) -> None:
        if self._run is not None:
            self.dashboard.new_run(str(self._run.run.manifest))

    def action_back(self) -> None:
        if self._telling:
            self._telling = ""
        elif self._large:
            self._large = ""
        elif self.replay:
            self.action_replay()
            return
        elif self.wanted:
            self.wanted = ""
            self.query_one(FilterLine).value = ""
        else:
            self.dashboard.action_show_mode("runs")
            return
        self.redraw()

    def action_messages(self) -> None:
        self._telling = {"": MESSAGES, MESSAGES: CONSOLE}.get(self._telling, "")
        if self._run is not None:
            self._run.wants_console = self._telling == CONSOLE
        self.redraw()
        self.query_one("#messages", Lines).scroll_end(animate=False)


def _spark_row(moment: Moment, spec: Spec, room: int) -> Row:
    metric = next(name for name in spec.names if moment.has(name))
    y = moment.curve(metric).y
    known = y[y == y]
    change = float(known[-1] - known[-2]) if len(known) > 1 else 0.0
    gain = change * spec.metrics[0].direction
    ink = "good" if gain > 0 else "bad" if gain < 0 else "muted"
    arrow = "▲" if change > 0 else "▼" if change < 0 else " "
    value = small(float(known[-1])) if len(known) else "×"
    drawn = spark(y.tolist(), min(room - 30, 24), "held-out" if is_measured(moment, metric) else "foreground")
    return [S(f" {fit(spec.title, 16)}", "muted"), S(f"{value:>7}", "gap", "b"), S(f" {arrow} ", ink), *drawn]

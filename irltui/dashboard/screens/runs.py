"""Runs: every run of the folder in a table, with the last words of those that crashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import DataTable, Static

from irltui.dashboard.content import STATE_MARKS, cell, joined, shown, tail
from irltui.dashboard.keymap import EVERYWHERE, RUNS, bindings
from irltui.dashboard.messages import LineEntered, LineLeft
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.store import Line
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.runs.event_lines import number
from irltui.runs.metrics import GAP as GAP_METRIC
from irltui.runs.metrics import HELD_OUT_LOSS, HELD_OUT_NLL, PAIRS_PER_SECOND
from irltui.runs.status import WORKING, State
from irltui.text import safe
from irltui.views.numbers import age, figure

_WIDE = 110
_COLOURS = {
    State.RUNNING: "success",
    State.PAUSED: "warning",
    State.FINISHED: "primary",
    State.STOPPED: "warning",
    State.PREEMPTED: "warning",
    State.FAILED: "error",
    State.CRASHED: "error",
}
NEWEST, NAME, GAP, HELD_OUT = "newest", "name", "reward gap", "held-out loss"
_ORDERS: dict[str, Callable[[Line], tuple[float | str, ...]]] = {
    NEWEST: lambda line: (-line.status.time,),
    NAME: lambda line: (line.name,),
    GAP: lambda line: (-_value(line, GAP_METRIC, float("-inf")),),
    HELD_OUT: lambda line: (_value(line, HELD_OUT_LOSS, float("inf")),),
}


class RunsScreen(MainScreen):
    """The table of runs."""

    CSS_PATH = "runs.tcss"
    TAB = 1
    SCOPES = (RUNS, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._filter, self._order = "", NEWEST
        self._shown: list[Line] = []
        self._head: tuple[str, ...] = ()

    def body(self) -> ComposeResult:
        """Head, table, details of the chosen run."""
        yield Static(id="head")
        yield DataTable[Text](cursor_type="row", id="table")
        yield Static(id="empty")
        yield Static(id="details")
        yield FilterLine()

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.query_one(DataTable).focus()

    def draw(self) -> None:
        """Show the list again, the cursor on the run it was on."""
        wanted = self._filter.casefold()
        matching = [
            x for x in self.store.lines if wanted in f"{x.name} {x.status.state} {x.algorithm} {x.model}".casefold()
        ]
        self._shown = sorted(matching, key=_ORDERS[self._order])
        self._draw_head()
        self._draw_table()
        self._draw_details()

    # -- drawing ---------------------------------------------------------------------------------

    def _draw_head(self) -> None:
        alive = sum(line.status.state in WORKING for line in self.store.lines)
        parts = [
            Content.styled("irltui", "bold $primary"),
            shown(self.store.folder, limit=60),
            Content(f"{len(self.store.lines)} runs, {alive} working"),
            Content.styled(f"by {self._order}", "$secondary"),
        ]
        if self.store.marked:
            parts.append(Content.styled(f"{len(self.store.marked)} marked, 4 compares", "$accent"))
        self.query_one("#head", Static).update(joined(parts))

    def _draw_table(self) -> None:
        table = self.query_one(DataTable)
        empty = self.query_one("#empty", Static)
        empty.display = not self._shown and self.store.listed
        table.display = bool(self._shown)
        if empty.display:
            empty.update(self._nothing())
        head = self._columns()
        chosen = self.chosen
        if head != self._head:
            table.clear(columns=True)
            for name in head:
                table.add_column(Text(name), key=name)
            self._head = head
        else:
            table.clear()
        for line in self._shown:
            table.add_row(*(self._cell(line, column) for column in head), key=str(line.path))
        at = next((i for i, line in enumerate(self._shown) if chosen and line.path == chosen.path), 0)
        table.move_cursor(row=at, animate=False)

    def _columns(self) -> tuple[str, ...]:
        narrow = ("", "run", "state", "step", "gap", "held-out", "age")
        wide = (
            "",
            "run",
            "state",
            "phase",
            "alg",
            "outer",
            "step",
            "gap",
            "held-out",
            "NLL",
            "pairs/s",
            "age",
            "model",
        )
        tiny = ("run", "state", "gap")
        return wide if self.size.width >= _WIDE else narrow if self.size.width >= 60 else tiny

    def _cell(self, line: Line, column: str) -> Text:
        status = line.status
        match column:
            case "":
                return Text("*" if line.path in self.store.marked else " ", style="bold")
            case "run":
                return cell(tail(safe(line.name), 30 if self.size.width < _WIDE else 40))
            case "state":
                colour = self._colour(status.state)
                return Text(f"{STATE_MARKS[status.state]} {status.state}", style=colour)
            case "phase":
                return cell(status.phase if status.state in WORKING else "", limit=12)
            case "alg":
                return cell(line.algorithm, limit=8)
            case "outer":
                return Text(f"{min(status.outer_iteration + 1, status.outer_iterations)}/{status.outer_iterations}")
            case "step":
                return Text(f"{status.step}/{status.total_steps}")
            case "age":
                return Text(age(self.store.clock() - status.time) if status.time else "-")
            case "model":
                return cell(line.model, limit=40)
            case _:
                return Text(figure(number(status.values.get(_METRICS[column]))))

    def _colour(self, state: State) -> str:
        theme = self.app.current_theme
        return str(getattr(theme, _COLOURS.get(state, "secondary"), "") or "")

    def _draw_details(self) -> None:
        details, line = self.query_one("#details", Static), self.chosen
        lines: list[Content] = []
        if line is not None and line.status.state is State.CRASHED:
            lines.append(Content.styled("The engine is gone without a goodbye. Last lines of its console:", "$error"))
            lines += [shown(text, "$secondary", limit=300) for text in line.console[-6:]] or [
                Content("(console.log is empty: the process was killed, or memory ran out)")
            ]
            lines.append(Content.assemble("Continue it with ", (f"irltui run --resume {shown(line.path)}", "bold")))
        details.display = bool(lines) and self.size.height >= 18
        details.update(Content("\n").join(lines))

    def _nothing(self) -> Content:
        if self.store.lines:
            return Content("No run matches the filter. / changes it.")
        return Content.assemble(
            "No runs in ", (shown(self.store.folder).plain, "bold"), " yet.\n\n",
            "Press ", ("n", "bold $primary"), " to start one from a preset, or in a shell:\n\n",
            ("  irltui run quickstart", "bold"), "                          a small world, minutes on a laptop\n",
            ("  irltui run irft --model M --data D", "bold"), "             your model and demonstrations",
        )  # fmt: skip

    # -- keys ------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Line | None:
        """The run under the cursor."""
        row = self.query_one(DataTable).cursor_row
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def on_data_table_row_highlighted(self) -> None:
        """Tell about another run."""
        self._draw_details()

    def on_data_table_row_selected(self) -> None:
        """Enter and a click open."""
        self.action_open()

    def on_line_entered(self, event: LineEntered) -> None:
        """Filter while it is typed."""
        self._filter = event.text
        self.redraw()

    def on_line_left(self, event: LineLeft) -> None:
        """Back to the table."""
        self.query_one(DataTable).focus()

    def action_open(self) -> None:
        """Open the run under the cursor."""
        if line := self.chosen:
            self.dashboard.open_run(line.path)

    def action_mark(self) -> None:
        """Mark the run under the cursor, and go to the next."""
        if line := self.chosen:
            self.store.mark(line.path)
            self.redraw()
            self.query_one(DataTable).action_cursor_down()

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterLine).begin()

    def action_sort(self) -> None:
        """The next order."""
        orders = list(_ORDERS)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self.redraw()

    def action_new_run(self) -> None:
        """Fill in a new run."""
        self.dashboard.new_run()


_METRICS = {"gap": GAP_METRIC, "held-out": HELD_OUT_LOSS, "NLL": HELD_OUT_NLL, "pairs/s": PAIRS_PER_SECOND}


def _value(line: Line, metric: str, otherwise: float) -> float:
    found = number(line.status.values.get(metric))
    return otherwise if found is None or found != found else found

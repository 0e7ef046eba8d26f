"""Runs: where everything begins. Without runs three ways to start; with runs a tree of studies and a preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer

from irltui.dashboard.charts import show
from irltui.dashboard.keymap import EVERYWHERE, RUNS, Key, bindings
from irltui.dashboard.run_rows import about_rows, heading_row, item_row, newest_rows, study_rows
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.screens.dialogs import TextDialog
from irltui.dashboard.store import Line
from irltui.dashboard.tree import GROUPS, NAME, ORDERS, STUDY, Item, items, paths
from irltui.dashboard.welcome import EXAMPLE, WAYS, example_curves, way_rows
from irltui.dashboard.widgets.chart import Chart
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.dashboard.widgets.lens import Lens
from irltui.dashboard.widgets.lines import Lines
from irltui.dashboard.widgets.plotted import Frame
from irltui.runs.folder import is_run
from irltui.runs.status import WORKING
from irltui.views.charts import charts_of
from irltui.views.replay import Moment
from irltui.views.run_query import matches
from irltui.views.spans import Row, S

PREVIEW_AFTER = 0.15  # seconds that the cursor rests on a row before its run is read
LENS, UNSMOOTHED = Lens(), Lens(smoothing=1)


class RunsScreen(MainScreen):
    TAB = 1
    KEYS_GO_TO = "list"
    SCOPES = (RUNS, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._items: list[Item] = []
        self._folded: frozenset[tuple[str, ...]] = frozenset()
        self._order, self._group = NAME, STUDY
        self._timer: Timer | None = None

    def body(self) -> ComposeResult:
        with Vertical(id="first"):
            yield Lines("welcome", selectable=True)
            yield Chart("example", still=True)
        with Horizontal(id="both"):
            with Vertical(id="listing"):
                yield Lines("heads", classes="one")
                yield Lines("list", selectable=True)
            with Vertical(id="preview"):
                yield Lines("about")
                yield Chart("curve", still=True)
                yield Lines("below")
        yield FilterLine("words, and lr>=1e-5 model~llama; enter keeps, esc clears")

    # -- drawing ---------------------------------------------------------------------------------

    @property
    def _is_empty(self) -> bool:
        return self.store.listed and not self.store.lines

    def draw(self) -> None:
        self.set_class(self._is_empty, "empty")
        self.set_class(not self.store.listed, "unread")
        if self._is_empty:
            self._draw_welcome()
            return
        self._draw_list()
        self._draw_preview()

    def corner(self) -> Row:
        lines = self.store.lines
        if not lines:
            return [S("no runs yet" if self.store.listed else "reading", "muted")]
        alive = sum(line.status.state in WORKING for line in lines)
        return [S(f"{len(lines)} runs", "muted"), S(f"   ● {alive} running" if alive else "", "good")]

    def keys(self) -> list[Key]:
        found = list(super().keys())
        if not self._is_empty:
            return found
        names = {"open": "begin", "new_run": "my data"}
        kept = (key for key in found if key.scope == EVERYWHERE or key.action in names)
        return [replace(key, label=names.get(key.action, key.label)) for key in kept]

    def _draw_welcome(self) -> None:
        ways = self.query_one("#welcome", Lines)
        ways.tall = 4 if self.size.height >= 20 else 2
        ways.say(*way_rows(self.size.width, ways.tall))
        if self.focused is None or self.focused.id != "welcome":
            ways.focus()
        self.query_one("#example", Chart).show(example_curves(), EXAMPLE, UNSMOOTHED)

    def _draw_list(self) -> None:
        listing = self.query_one("#list", Lines)
        chosen = self._chosen
        shown = [line for line in self.store.lines if matches(self.wanted, _known(line), line.config)]
        self._items = items(shown, self._order, self._group, self._folded)
        width = listing.room
        rows = [item_row(one, self.store, width, is_folded=one.key in self._folded) for one in self._items]
        if self.store.listed and not rows:
            rows = [[S("No run matches the filter. ", "muted"), S("/", "gap", "b"), S(" changes it.", "muted")]]
        at = next((i for i, one in enumerate(self._items) if chosen and one.key == chosen.key), listing.index)
        listing.say(*rows)
        listing.put(min(at, max(len(rows) - 1, 0)))
        self.say("heads", heading_row(width))
        if self.focused is None:
            listing.focus()

    def _draw_preview(self) -> None:
        if not self.query_one("#preview").display:
            return
        item, about = self._chosen, self.query_one("#about", Lines)
        run = self.store.open.get(item.line.path) if item is not None else None
        room = max(about.size.width - 1, 20)
        if item is None:
            self.say("about")
            self.say("below")
            return
        result = self.dashboard.result_of(item.line.path, judge=False) if item.is_study else None
        self.set_class(result is not None, "judged")
        rows = about_rows(item, run, self.store, room) if result is None else study_rows(item, self.store, room)
        about.styles.height = len(rows)
        about.say(*rows)
        if result is not None:
            self.say("below", *result.rows(room))
            return
        chart = self.query_one("#curve", Chart)
        if run is None or not run.loaded:
            chart.show([], Frame("", direct=True, help="reading"), LENS)
            self.say("below")
            self._read_soon()
            return
        moment = Moment(run.history)
        spec = next(iter(charts_of(moment.metrics())), None)
        if spec is not None:
            show(chart, moment, spec, LENS, short=True)
        else:
            chart.show([], Frame("", direct=True, help="no values yet"), LENS)
        self.say("below", *newest_rows(item, run, moment, room))

    def _read_soon(self) -> None:
        """Read the run under the cursor when the cursor rests."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PREVIEW_AFTER, self._read)

    def _read(self) -> None:
        if (item := self._chosen) is not None and self.is_current:
            self.dashboard.preview(item.line.path)
            self.dashboard.result_of(item.line.path, judge=item.is_study)

    # -- keys ------------------------------------------------------------------------------------

    @property
    def _chosen(self) -> Item | None:
        at = self.query_one("#list", Lines).index
        return self._items[at] if 0 <= at < len(self._items) else None

    @property
    def chosen(self) -> Line | None:
        return self._chosen.line if self._chosen is not None else None

    @on(Lines.Moved, "#list")
    def moved(self) -> None:
        self._draw_preview()

    @on(Lines.Chosen)
    def clicked(self) -> None:
        """A second click opens."""
        self.action_open()

    def action_open(self) -> None:
        if self._is_empty:
            self._begin(WAYS[self.query_one("#welcome", Lines).index // self.query_one("#welcome", Lines).tall].action)
            return
        item = self._chosen
        if item is None:
            return
        if item.is_study or len(item.lines) > 1:
            self._folded ^= {item.key}
            self.redraw()
            return
        self.dashboard.open_run(item.line.path)

    def _begin(self, action: str) -> None:
        match action:
            case "quickstart":
                self.dashboard.start_preset("quickstart")
            case "new":
                self.action_new_run()
            case _:
                self._ask_for_folder()

    def _ask_for_folder(self) -> None:
        hint = "A run, a study, or a folder that holds some"
        self.app.push_screen(TextDialog("Open a run", hint), self._open_folder)

    def _open_folder(self, text: str | None) -> None:
        if not text:
            return
        path = Path(text).expanduser()
        if is_run(path):
            self.dashboard.open_run(path)
        elif path.is_dir():
            self.store.look_in(path)
            self.dashboard.look_again()
        else:
            self.answer("o", f"{text}: no such folder", "bad", "×")

    def action_mark(self) -> None:
        if self._chosen is not None:
            self._mark("space", paths(self._chosen))
            self.query_one("#list", Lines).action_move(1)

    def action_mark_shown(self) -> None:
        self._mark("a", [path for one in self._items if one.level == 0 for path in paths(one)])

    def _mark(self, key: str, shown: Sequence[Path]) -> None:
        """Mark all of these, or none if all are."""
        known = set(self.store.marked)
        for path in shown:
            if path not in known or set(shown) <= known:
                self.store.mark(path)
        self.redraw()
        self.answer(key, f"{len(self.store.marked)} marked: 4 compares them", "foreground", "◆")

    def action_filter(self) -> None:
        if not self._is_empty:
            super().action_filter()

    def action_sort(self) -> None:
        if self._is_empty:
            self._ask_for_folder()
            return
        orders = list(ORDERS)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self.redraw()
        self.answer("o", f"ordered by {self._order}", "foreground")

    def action_group(self) -> None:
        hint = f"By {', '.join(GROUPS)}, or a key such as reward.beta or lr"
        self.app.push_screen(TextDialog("Group by", hint, may_be_empty=True), self._group_by)

    def _group_by(self, text: str | None) -> None:
        if text is None:
            return
        self._group = text or STUDY
        self.redraw()
        self.answer("g", f"grouped by {self._group}", "foreground")

    def action_new_run(self) -> None:
        self.dashboard.new_run()


def _known(line: Line) -> str:
    return f"{line.name} {line.status.state} {line.algorithm} {line.model}"

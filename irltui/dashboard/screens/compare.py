"""Compare: what came of two arms, their difference with its uncertainty drawn, and a verdict in words."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from irltui.dashboard.keymap import COMPARE, EVERYWHERE, Key, bindings
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.chart import Chart
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.dashboard.widgets.lens import Lens
from irltui.dashboard.widgets.lines import Lines
from irltui.dashboard.widgets.plotted import Frame, Plotted
from irltui.errors import IrltuiError
from irltui.views.answers import answers
from irltui.views.arms import side_differences, sides_of
from irltui.views.comparison import WIDE, answer_rows, effect_rows, head_row, headline, rests, setting_rows
from irltui.views.effects import Effect, Pair, compared, curves, mean_curve, planned, since_start
from irltui.views.loaded_runs import ComparedRun, short_names
from irltui.views.spans import Row, S, tail

if TYPE_CHECKING:
    from irltui.views.study import StudyResult

FIGURES, ARMS, SAMPLES, SETTINGS = "figures", "arms", "samples", "settings"
_LENS = Lens(smoothing=1)


class CompareScreen(MainScreen):
    TAB = 4
    KEYS_GO_TO = "table"
    SCOPES = (COMPARE, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._pair = Pair()
        self._version: tuple[object, ...] = ()
        self._chosen: tuple[str, str] | None = None  # names of base and other arm, None for those of the study
        self._pane, self._prompt = FIGURES, 0
        self._result: StudyResult | None = None  # of the study, if its runs are compared
        self._shown: list[Effect] = []

    def body(self) -> ComposeResult:
        with Vertical(id="figures"):
            yield Lines("headline")
            yield Lines("heads", classes="one")
            yield Lines("table", selectable=True)
        yield Lines("other")
        yield Chart("arms", still=True)
        yield FilterLine()

    @property
    def runs(self) -> list[OpenRun]:
        store = self.store
        marked = [store.open[path] for path in store.marked if path in store.open]
        return marked or ([store.current] if store.current else [])

    def corner(self) -> Row:
        names = [side.name.rpartition("/")[2] or side.name for side in self._pair.sides]
        text = "  ".join(names)
        return [S(text if len(text) < self.size.width - 62 else f"{len(names)} arms" if names else "", "muted")]

    # -- comparing -------------------------------------------------------------------------------

    def draw(self) -> None:
        for path in self.store.marked:
            self.dashboard.follow(path)
        runs = self.runs
        self._result = self._study_result(runs)
        version = (*((run.run.path, run.version) for run in runs), self._chosen)
        if version != self._version and runs and all(run.loaded for run in runs):
            self._version = version
            self.run_worker(self._compare(runs), name="compare", exclusive=True)
        self._draw()

    def _study_result(self, runs: list[OpenRun]) -> StudyResult | None:
        """That of the study whose runs these are, all of them."""
        key = self.store.study_key(runs[0].run.path) if runs else ()
        every = {path.resolve() for path in key[1:]}
        if not every or every != {run.run.path.resolve() for run in runs}:
            return None
        return self.dashboard.result_of(key[1], judge=True)

    async def _compare(self, runs: list[OpenRun]) -> None:
        names = short_names([run.run.path for run in runs])
        told = [
            ComparedRun(name, run.run, run.config, run.history, str(run.state))
            for run, name in zip(runs, names, strict=True)
        ]
        sides = sides_of(told)
        if len(sides) < 2:
            self._pair = await asyncio.to_thread(since_start, sides[0])
        else:
            base, other, wanted = await asyncio.to_thread(planned, sides)
            if self._chosen is not None:
                every = [side.name for side in sides]
                base, other = (every.index(name) if name in every else i for i, name in enumerate(self._chosen))
            self._pair = await asyncio.to_thread(compared, sides, base, other, wanted)
        self._draw()

    # -- drawing ---------------------------------------------------------------------------------

    def _draw(self) -> None:
        pair, width = self._pair, self.size.width
        figures = self._pane == FIGURES
        self.set_class(not figures, "told")
        self.set_class(not pair.effects, "nothing")
        if len(pair.sides) < 2:
            self._draw_nothing()
            return
        if not figures:
            arms = [pair.sides[pair.base], pair.sides[pair.other]]
            arms = arms if arms[0].runs != arms[1].runs else arms[1:]
            names = [arm.name for arm in arms]
            if self._pane == ARMS and self._result is not None:
                self.say("other", [], *self._result.rows(width - 3))
            elif self._pane == SAMPLES:
                rows = answers([arm.runs[0].history for arm in arms])
                self._prompt %= max(len(rows), 1)
                self.say("other", *answer_rows(rows, self._prompt, names, width - 2))
            else:
                self.say("other", *setting_rows(side_differences(arms), names, width - 2))
            return
        rows = headline(pair, width - 1)
        head, table = self.query_one("#headline", Lines), self.query_one("#table", Lines)
        roomy = self.size.height >= 20
        head.styles.height = len(rows) + (2 if roomy else 0)
        head.say(*([[S("")], *rows] if roomy else rows))
        self._shown = [one for one in pair.effects if self.holds(f"{one.label} {one.name}")]
        self.say("heads", [S(" "), *head_row(pair, width - 1)])
        table.tall = 2 if width >= WIDE and any(rests(effect) for effect in self._shown) else 1
        table.say(*(row for effect in self._shown for row in effect_rows(effect, width - 1, table.tall)))
        if self.focused is None:
            table.focus()
        self._draw_curves()

    def _draw_nothing(self) -> None:
        self.remove_class("told")
        words = "reading the runs" if self.runs else ""
        mark = [
            S(" Mark runs on "),
            S("1", "gap", "b"),
            S(" with "),
            S("space", "gap", "b"),
            S(": two, or a study; one alone is compared with its start."),
        ]
        head = self.query_one("#headline", Lines)
        head.styles.height = 3
        head.say([S("")], [S(f" {words}", "muted")] if words else mark, [S("")])
        self.say("heads")
        self.say("table")

    @on(Lines.Moved, "#table")
    def moved(self) -> None:
        self._draw_curves()

    def _draw_curves(self) -> None:
        table, pair = self.query_one("#table", Lines), self._pair
        if not self._shown:
            return
        effect = self._shown[min(table.index // table.tall, len(self._shown) - 1)]
        drawn: list[Plotted] = []
        for index, ink in ((pair.base, "muted"), (pair.other, "gap")):
            side = pair.sides[index]
            if ink == "muted" and side.runs == pair.sides[pair.other].runs:
                continue
            found = curves(effect.name, side)
            if len(found) > 1:
                drawn += [Plotted("", f"{ink}~22", one) for one in found]
            middle = mean_curve(found)
            if middle is not None:
                name = tail(side.name.rpartition("/")[2] or side.name, 20)
                drawn.append(Plotted(name, ink, middle, measured=len(middle) < 12, wide=ink == "gap"))
        seeds = any(len(side.runs) > 1 for side in (pair.sides[pair.base], pair.sides[pair.other]))
        note = "mean of seeds; single seeds faint" if seeds else ""
        last = max((float(one.curve.x[-1]) for one in drawn if len(one.curve)), default=1.0)
        frame = Frame(effect.label, note, (0.0, last), direct=True, help="no curve of this metric")
        self.query_one("#arms", Chart).show(drawn, frame, _LENS)

    # -- keys ------------------------------------------------------------------------------------

    def action_metric(self, direction: int) -> None:
        if self._pane == FIGURES:
            self.query_one("#table", Lines).action_move(direction)
        elif self._pane == SAMPLES:
            self._prompt += direction
            self.redraw()
        else:
            self.query_one("#other", Lines).scroll_relative(y=direction, animate=False)

    @property
    def _next_pane(self) -> str:
        panes = [FIGURES, *[ARMS] * (self._result is not None), SAMPLES, SETTINGS]
        return panes[(panes.index(self._pane) + 1) % len(panes)] if self._pane in panes else FIGURES

    def keys(self) -> list[Key]:
        """The footer says where tab leads, and what the arrows move."""
        moved = {FIGURES: "metric", SAMPLES: "prompt"}.get(self._pane, "scroll")
        labels = {"pane": self._next_pane, "metric(-1)/metric(1)": moved}
        keys = super().keys()
        return [replace(key, label=labels.get(key.action, key.label)) for key in keys]

    def action_pane(self) -> None:
        self._pane = self._next_pane
        self.redraw()

    def action_base(self) -> None:
        self._choose(1, 0)

    def action_arm(self) -> None:
        self._choose(0, 1)

    def _choose(self, base: int, other: int) -> None:
        names = [side.name for side in self._pair.sides]
        if len(names) < 3:
            self.answer("b", "there are no other arms", "muted")
            return
        at = [(self._pair.base + base) % len(names), (self._pair.other + other) % len(names)]
        if at[0] == at[1]:
            at[1 if other else 0] = (at[1 if other else 0] + 1) % len(names)
        self._chosen = (names[at[0]], names[at[1]])
        self.redraw()

    def action_report(self) -> None:
        save = self.dashboard.services.report
        if save is None or len(self.runs) < 1:
            self.answer("e", "save a report with irltui report", "warn")
            return
        self.answer("e", "writing the report", "muted", "…")
        self.run_worker(self._save([run.run.path for run in self.runs]), name="report")

    async def _save(self, paths: list[Path]) -> None:
        save = self.dashboard.services.report
        assert save is not None  # noqa: S101 - the key was answered otherwise
        try:
            place = await asyncio.to_thread(save, paths)
        except (IrltuiError, OSError) as error:
            self.answer("e", str(error), "bad", "✗")
            return
        self.answer("e", f"saved: {place}", "good", "✓")

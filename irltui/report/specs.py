"""The contents of a report's charts, the same for the page and for matplotlib. Draws nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from irltui.runs.metrics import DEMONSTRATION, FINAL, GAP, GENERATION, metric
from irltui.views.arms import Side
from irltui.views.charts import Level, Spec, charts_of
from irltui.views.curves import Curve, limits, smooth
from irltui.views.effects import mean_curve
from irltui.views.loaded_runs import ComparedRun
from irltui.views.replay import Moment

_FEWEST = 2  # points that make a curve
_MANY = 40  # points from which on a smoothed curve says more
_PARTS = 30  # of a curve that a running mean spans one of
GAME = (DEMONSTRATION, GENERATION, GAP)


@dataclass(frozen=True, eq=False)
class Line:
    """A labelled curve; `ink` indexes colours and dashes, `raw` is the curve before smoothing.

    `is_seed` says that it is one of several whose mean is drawn as well.
    """

    label: str
    curve: Curve
    ink: int
    raw: Curve | None = None
    is_seed: bool = False

    @property
    def last(self) -> float:
        """The newest finite value, NaN without one."""
        whole = self.raw or self.curve
        finite = whole.y[np.isfinite(whole.y)]
        return float(finite[-1]) if len(finite) else math.nan


@dataclass(frozen=True, eq=False)
class ChartSpec:
    """A chart.

    `boundaries` are steps at which an outer iteration begins, `band` is where values are healthy; what is not
    `is_key` may be shown on demand only.
    """

    id: str
    title: str
    help: str
    lines: tuple[Line, ...]
    levels: tuple[Level, ...] = ()
    boundaries: tuple[float, ...] = ()
    band: tuple[float, float] | None = None
    is_key: bool = True

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """First and last step, lowest and highest value shown."""
        curves = [part for line in self.lines for part in (line.curve, line.raw) if part is not None]
        first, last = min(float(c.x[0]) for c in curves), max(float(c.x[-1]) for c in curves)
        values = [curve.y for curve in curves]
        bottom, top = limits(values, 0.0)
        reach = 2 * max(top - bottom, abs(top) * 0.05)
        near = [level.value for level in self.levels if bottom - reach <= level.value <= top + reach]
        bottom, top = limits([*values, np.array(near)] if near else values)
        return first, last if last > first else first + 1.0, bottom, top


def reward_game(side: Side) -> ChartSpec | None:
    """Demonstration reward, generation reward and gap of a side's first run; None without a reward."""
    run = side.runs[0]
    lines = _lines(run, [(name, metric(name).label) for name in GAME])
    if not lines:
        return None
    words = f", seed {run.seed}" if len(side.runs) > 1 else ""
    help_ = (
        "Mean reward of the step's demonstrations and generations, and their difference. Each outer iteration "
        "(vertical line) samples anew, so the gap starts near 0; 0.5 to 2 at its end is healthy (band), above 5 "
        "overshoots."
    )
    levels = (Level(0.0, ""),)
    return ChartSpec("game", f"{side.name}{words}", help_, lines, levels, boundaries(run), metric(GAP).healthy_range)


def charts(sides: Sequence[Side]) -> list[ChartSpec]:
    """The panels of a single run; for several runs one chart per metric."""
    if len(sides) == 1 and len(sides[0].runs) == 1:
        return list(_panels(sides[0].runs[0], sides[0].runs[0].history.metrics))
    return list(_overlays(sides))


def chart_of(side: Side, name: str) -> ChartSpec | None:
    """The chart that shows a metric of a side's first run; without a name the rewards, else the first panel."""
    run = side.runs[0]
    game = reward_game(side) if not name or name in GAME else None
    return game or next(_panels(run, [each for each in run.history.metrics if name in ("", each)]), None)


def boundaries(run: ComparedRun) -> tuple[float, ...]:
    """Steps at which an outer iteration begins, the first left out."""
    rows = run.history.rows
    steps = zip(rows.outer_iteration, rows.step, strict=True)
    return tuple(dict.fromkeys(step for (before, step), (after, _) in pairwise(steps) if after > before))


def _panels(run: ComparedRun, metrics: Iterable[str]) -> Iterator[ChartSpec]:
    for spec in charts_of(metrics):
        if lines := _lines(run, [(each.name, each.short or each.label) for each in spec.metrics]):
            yield ChartSpec(spec.id, spec.title, spec.help, lines, _levels(spec), boundaries(run))


def _overlays(sides: Sequence[Side]) -> Iterator[ChartSpec]:
    found = {name for side in sides for run in side.runs for name in run.history.metrics}
    for name, spec in [(name, each) for each in charts_of(found) for name in each.names]:
        lines = tuple(line for ink, side in enumerate(sides) for line in _side_lines(side, name, ink))
        if lines:
            yield ChartSpec(name, metric(name).title, spec.help, lines, _levels(spec), is_key=name in FINAL)


def _side_lines(side: Side, name: str, ink: int) -> Iterator[Line]:
    """The curve of an arm; of several seeds their mean, and each of them."""
    lines = [_line(run, name, side.name, ink) for run in side.runs]
    lines = [line for line in lines if len(line.curve) >= _FEWEST]
    mean = mean_curve([line.curve for line in lines]) if len(lines) > 1 else None
    if mean is not None and len(mean) >= _FEWEST:
        yield Line(side.name, mean, ink)
        lines = [replace(line, raw=None, is_seed=True) for line in lines]
    yield from lines


def _levels(spec: Spec) -> tuple[Level, ...]:
    return tuple(filter(None, (spec.level, Level(0.0, "") if spec.zero else None)))


def _lines(run: ComparedRun, labels: Iterable[tuple[str, str]]) -> tuple[Line, ...]:
    """The curves of metrics that were measured more than once, each with its label."""
    lines = (_line(run, name, label, ink) for ink, (name, label) in enumerate(labels))
    return tuple(line for line in lines if len(line.curve) >= _FEWEST)


def _line(run: ComparedRun, name: str, label: str, ink: int) -> Line:
    raw = Moment(run.history).curve(name)
    if len(raw) < _MANY:
        return Line(label, raw, ink)
    # The mean restarts with every outer iteration, as the gap does.
    return Line(label, smooth(raw, max(5, len(raw) // _PARTS), boundaries(run)), ink, raw)

"""The difference of two arms, metric by metric, with its uncertainty and a verdict in words.

An interval comes from the items of a benchmark. Where there are none, single seeds are shown instead: so few prove
nothing, and an interval over them may reach where no value can be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from irltui.errors import IrltuiError
from irltui.runs.metrics import METRICS, metric
from irltui.views.arms import Side
from irltui.views.curves import Curve
from irltui.views.final_figures import FinalRow, final_names, final_rows, label_of
from irltui.views.replay import Moment

_ROUNDING = 1e-6  # of the larger arm: a difference below it is none


@dataclass(frozen=True)
class Effect:
    """What the other arm has more than the base.

    Attributes:
        name: of the metric, `benchmark/metric` for a benchmark's.
        seeds: the difference of each seed that both arms have.
        low: end of the 95 % interval over items, or the lowest seed.
        items: how many items the interval is over, 0 if only seeds are known.
        alone: what is said of a difference that nothing can judge.
        spreads: half the 95 % interval of base and other, NaN where there is none.
    """

    name: str
    base: float
    other: float
    seeds: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    items: int = 0
    spreads: tuple[float, float] = (math.nan, math.nan)
    alone: str = "one run each"

    @property
    def label(self) -> str:
        label = label_of(self.name)
        return label[:1].upper() + label[1:] if self.name in METRICS else label

    @property
    def better(self) -> int:
        """1 if more is better, -1 if less, 0 if neither or unknown."""
        return metric(self.name).direction

    @property
    def difference(self) -> float:
        return self.other - self.base

    @property
    def scale(self) -> float:
        """The largest value that is drawn, whatever its sign."""
        ends = (self.low, self.high, self.difference, *self.seeds)
        return max((abs(v) for v in ends if math.isfinite(v)), default=0.0)

    @property
    def is_found(self) -> bool:
        """Whether the interval excludes zero and all seeds agree on the sign."""
        tiny = _ROUNDING * max(abs(self.base), abs(self.other), 1e-9)
        agree = all(s > tiny for s in self.seeds) or all(s < -tiny for s in self.seeds)
        return agree and (self.low > tiny or self.high < -tiny)


@dataclass(frozen=True)
class Verdict:
    """Mark, words and ink."""

    mark: str
    words: str
    ink: str


def verdict(effect: Effect) -> Verdict:
    """What the difference says; without items no more than what was seen, in no colour of judgement."""
    if not math.isfinite(effect.difference):
        return Verdict("×", "not finite", "bad")
    if not effect.items and len(effect.seeds) < 2:
        return Verdict("·", effect.alone, "muted")
    if not effect.is_found:
        return Verdict("≈", "no effect found" if effect.items else "seeds disagree", "muted")
    up = effect.difference > 0
    mark, words = ("▲", "higher") if up else ("▼", "lower")
    if not effect.items:
        return Verdict(mark, f"all {len(effect.seeds)} seeds {words}", "foreground")
    if not effect.better:
        return Verdict(mark, words, "foreground")
    good = up == (effect.better > 0)
    return Verdict(mark, f"{words}: {'better' if good else 'worse'}", "good" if good else "bad")


@dataclass(frozen=True)
class Pair:
    sides: tuple[Side, ...] = ()
    base: int = 0
    other: int = 1
    effects: tuple[Effect, ...] = ()
    wanted: str = ""

    @property
    def head(self) -> Effect | None:
        """The metric that the verdict is about: the study's, else a benchmark's, else the first."""
        by_items = [effect for effect in self.effects if effect.items]
        chosen = [effect for effect in self.effects if effect.name == self.wanted]
        return next(iter([*chosen, *by_items, *self.effects]), None)


def compared(sides: Sequence[Side], base: int, other: int, wanted: str) -> Pair:
    """Compare two arms; reads the stored items of benchmarks, so not on the event loop."""
    pair = (sides[base], sides[other])
    return Pair(tuple(sides), base, other, effects_of(final_rows(pair), pair, 1, wanted), wanted)


def effects_of(rows: Sequence[FinalRow], sides: Sequence[Side], other: int, wanted: str = "") -> tuple[Effect, ...]:
    """What another arm has more than the first: the wanted metric, then benchmarks, which training is for."""
    ordered = sorted(rows, key=lambda row: (row.name != wanted, row.name in METRICS))
    return tuple(made for row in ordered if (made := _effect(row, sides, other)) is not None)


def since_start(side: Side) -> Pair:
    """An arm against itself before training."""
    effects = []
    for name in sorted(final_names([side]), key=METRICS.__contains__):
        measured = [run.history.values(name) for run in side.runs]  # what was measured once has no start
        known = [(v[0], v[-1]) for v in measured if len(v) > 1 and math.isfinite(v[-1] - v[0])]
        if known:
            seeds = tuple(b - a for a, b in known)
            base, other = (sum(values) / len(known) for values in zip(*known, strict=True))
            ends = min(seeds), max(seeds)
            effects.append(Effect(name, base, other, seeds, *ends, alone="one run"))
    return Pair((replace(side, name="start"), side), 0, 1, tuple(effects))


def planned(sides: Sequence[Side]) -> tuple[int, int, str]:
    """Base, other arm and metric as the study of these runs has them; else the first two."""
    from irltui.experiments.plan import has_plan, read_plan  # takes as long to import as the whole dashboard

    folder = sides[0].runs[0].folder.path.parent.parent if sides else None
    if folder is None or not has_plan(folder):
        return 0, 1, ""
    try:
        plan = read_plan(folder)
    except IrltuiError:  # a damaged plan only costs the order
        return 0, 1, ""
    names = [side.name.rpartition("/")[2] for side in sides]
    first, second = plan.compare or ("", "")
    if first in names and second in names:
        return names.index(second), names.index(first), plan.metric
    return 0, 1, plan.metric


def _effect(row: FinalRow, sides: Sequence[Side], at: int) -> Effect | None:
    base, other = row.estimates[0], row.estimates[at]
    if base is None or other is None:
        return None
    seeds = _seeds(row.name, (sides[0], sides[at]))
    low, high, items = (min(seeds), max(seeds), 0) if seeds else (other.mean - base.mean,) * 2 + (0,)
    if (found := row.against_first[at]) is not None:
        interval = found.interval
        low, high, items, seeds = interval.low, interval.high, interval.n, found.by_seed
    spreads = ((base.high - base.low) / 2, (other.high - other.low) / 2)
    return Effect(row.name, base.mean, other.mean, tuple(seeds), low, high, items, spreads)


def _seeds(name: str, pair: tuple[Side, Side]) -> list[float]:
    """The difference of each seed that both arms have; of one run each, theirs."""
    ends = [{run.seed: next(reversed(run.history.values(name)), None) for run in side.runs} for side in pair]
    common = [seed for seed in ends[1] if seed in ends[0]]
    if not common and all(len(side) == 1 for side in ends):
        pairs = [(*ends[0].values(), *ends[1].values())]
    else:
        pairs = [(ends[0][seed], ends[1][seed]) for seed in common]
    return [b - a for a, b in pairs if a is not None and b is not None and math.isfinite(b - a)]


def curves(name: str, side: Side) -> list[Curve]:
    found = []
    for run in side.runs:
        if name in run.history.metrics:
            found.append(Moment(run.history).curve(name))
            continue
        benchmark, _, figure = name.partition("/")
        told = [(e.step, e.values[figure].mean) for e in run.history.evaluations
                if e.benchmark == benchmark and figure in e.values]  # fmt: skip
        if told:
            found.append(Curve(*map(np.array, zip(*((float(x), y) for x, y in told), strict=True))))
    return found


def mean_curve(found: Sequence[Curve]) -> Curve | None:
    """The mean of curves where all of them have values; None if they share no part of the x axis."""
    if not found:
        return None
    low, high = max(one.x[0] for one in found), min(one.x[-1] for one in found)
    x = found[0].x[(found[0].x >= low) & (found[0].x <= high)]
    if not len(x):
        return None
    return Curve(x, np.mean([np.interp(x, one.x, one.y) for one in found], axis=0))

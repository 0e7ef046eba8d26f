"""The curves of a chart at a moment, and the frame around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from irltui.dashboard.widgets.lens import Lens
from irltui.dashboard.widgets.plotted import Frame, Plotted
from irltui.runs.metrics import DEMONSTRATION, GENERATION
from irltui.views.charts import GAP_CHART, NLL_CHART, Spec
from irltui.views.replay import Moment

if TYPE_CHECKING:
    from irltui.dashboard.widgets.chart import Chart

_STEP_METRICS = ("train/loss", "policy/reward")
_INKS = {DEMONSTRATION: "demonstration", GENERATION: "generation",
         "logratio/demonstration": "demonstration", "logratio/generation": "generation"}  # fmt: skip
_BRIEF = {"demonstrations": "demos", "generations": "gen.", "held-out gap": "held-out"}


def show(chart: Chart, moment: Moment, spec: Spec, lens: Lens, *, direct: bool = True, short: bool = False) -> None:
    """Draw a chart of a run; `direct` is a large one, with names beside its lines."""
    chart.show(plotted(moment, spec, lens, short=short), _frame(moment, spec, lens, direct=direct, short=short), lens)


def plotted(moment: Moment, spec: Spec, lens: Lens, *, short: bool = False) -> list[Plotted]:
    found = []
    for i, each in enumerate(spec.metrics):
        if not moment.has(each.name):
            continue
        measured = is_measured(moment, each.name)
        ink = _INKS.get(each.name) or ("held-out" if measured else "gap" if i == 0 else "muted")
        label = each.short or each.label
        name = _BRIEF.get(label, label) if short else label
        wide = i == 0 and not measured
        found.append(Plotted(name, ink, moment.curve(each.name, lens.x_axis), measured, wide))
    return found


def _frame(moment: Moment, spec: Spec, lens: Lens, *, direct: bool, short: bool) -> Frame:
    note = "demonstrations against generations" if spec.id == GAP_CHART and not short else ""
    note = "nats per token" if spec.id == NLL_CHART and not short else note
    return Frame(
        spec.title,
        note,
        extent(moment, lens.x_axis),
        borders(moment, lens.x_axis),
        spec.band,
        spec.level,
        spec.zero,
        spec.metrics[0].direction,
        direct,
        spec.help if direct else "no values yet",
    )


def is_measured(moment: Moment, name: str) -> bool:
    """Whether a metric is an evaluation: written beside the training steps, not with one."""
    if name.startswith(("system/", "memory/")):
        return False
    series = moment.history.metrics[name]
    steps = next((s for each in _STEP_METRICS if (s := moment.history.metrics.get(each))), None)
    if steps is None or series is steps:
        return steps is None and len(series) <= 2 * max(1, moment.history.start.outer_iterations)
    at = steps.upto(series.rows[0])
    return at >= len(steps) or steps.rows[at] != series.rows[0]


def borders(moment: Moment, x_axis: str = "step") -> Sequence[float]:
    """Where on the x axis an outer iteration ends: at its last training step."""
    history = moment.history
    series = next((s for name in _STEP_METRICS if (s := history.metrics.get(name))), None)
    count = series.upto(moment.rows) if series else 0
    if series is None or count < 2:
        return ()
    rows = np.array(series.rows, dtype=np.int64)[:count]
    outer = np.array(history.rows.outer_iteration)[rows]
    x = np.array(getattr(history.rows, x_axis))[rows]
    return tuple(x[np.flatnonzero(np.diff(outer) > 0)].tolist())


def extent(moment: Moment, x_axis: str = "step") -> tuple[float, float]:
    """The x axis: from 0 to the end of the present outer iteration where that is known, else to the newest point."""
    _, last = moment.extent(x_axis)
    start = moment.history.start
    if x_axis == "step" and start.total_steps and start.outer_iterations:
        each = start.total_steps / start.outer_iterations
        until = min(float(start.total_steps), each * math.ceil(max(moment.step, 1) / each - 1e-9))
        last = max(last, until)
    return 0.0, last if last > 0 else 1.0


def at_borders(moment: Moment, name: str) -> list[float]:
    """The value of a metric at the end of each outer iteration: what a saw-tooth comes to."""
    curve, edges = moment.curve(name), borders(moment)
    if len(edges) < 2:
        return curve.y.tolist()
    cuts = np.searchsorted(curve.x, np.array([*edges, math.inf]), side="right") - 1
    return [float(curve.y[cut]) for cut in cuts if cut >= 0]

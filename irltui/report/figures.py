"""The charts of a report as PNG and SVG files, for papers and slides. The only module that imports matplotlib."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from irltui.report.specs import ChartSpec, charts, reward_game
from irltui.text import safe
from irltui.views.arms import Side
from irltui.views.curve_styles import CURVES_ON_LIGHT, DASHES
from irltui.views.curves import Curve, thin

FORMATS = ("png", "svg")
_NO_METADATA: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None}}
_INCHES, _DPI, _COLUMNS = (5.2, 3.1), 160, 1_200
_STYLE = {
    "text.parse_math": False,  # names of runs and metrics are no formulas
    "svg.hashsalt": "irltui",  # the same run gives the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#D8D8D2",
    "grid.linewidth": 0.6,
}


def draw_figures(sides: Sequence[Side], folder: Path) -> list[Path]:
    """Write every chart in every format; the files.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    games = [(f"reward-game-{i + 1}", spec) for i, side in enumerate(sides) if (spec := reward_game(side))]
    named = games + [(_file_name(spec.id), spec) for spec in charts(sides)]
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        return [path for name, spec in named for path in _write(spec, folder / name)]


def draw_figure(spec: ChartSpec) -> Figure:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        _draw(spec, figure.add_subplot())
    return figure


def _write(spec: ChartSpec, path: Path) -> list[Path]:
    figure = draw_figure(spec)
    written = []
    for kind in FORMATS:
        written.append(path.with_name(f"{path.name}.{kind}"))
        figure.savefig(written[-1], dpi=_DPI, metadata=_NO_METADATA[kind])
    return written


def _draw(spec: ChartSpec, axes: Axes) -> None:
    first, last, bottom, top = spec.frame
    if spec.band:
        axes.axhspan(*spec.band, color="#009E73", alpha=0.1, linewidth=0)
    for step in spec.boundaries:
        axes.axvline(step, color="#9A9A9A", linewidth=0.6)
    for level in spec.levels:
        axes.axhline(level.value, color="#7A7A7A", linewidth=0.8, linestyle=(0, (1, 3)))
    labelled: set[str] = set()
    for line in spec.lines:
        colour = CURVES_ON_LIGHT[line.ink % len(CURVES_ON_LIGHT)]
        if line.is_seed:
            axes.plot(*_points(line.curve), color=colour, linewidth=0.7, alpha=0.35)
            continue
        if line.raw is not None:
            axes.plot(*_points(line.raw), color=colour, linewidth=0.7, alpha=0.25)
        label = "_nolegend_" if line.label in labelled else safe(line.label, limit=60).lstrip("_") or "value"
        labelled.add(line.label)
        dash = DASHES[line.ink % len(DASHES)]
        style = (0, dash) if dash else "solid"
        axes.plot(*_points(line.curve), color=colour, linewidth=1.4, linestyle=style, label=label)
    axes.set_xlim(first, last)
    axes.set_ylim(bottom, top)
    axes.set_title(safe(spec.title, limit=120), loc="left")
    axes.set_xlabel("optimizer step")
    axes.legend(frameon=False, fontsize=8)


def _points(curve: Curve) -> tuple[list[float], list[float]]:
    """The points to plot, NaN between stretches."""
    xs: list[float] = []
    ys: list[float] = []
    for stretch in thin(curve, float(curve.x[0]), max(float(curve.x[-1]), float(curve.x[0]) + 1), _COLUMNS).stretches:
        xs += [*stretch.x.tolist(), math.nan]
        ys += [*stretch.y.tolist(), math.nan]
    return xs, ys


def _file_name(metric: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", metric).strip("-")[:80] or "chart"

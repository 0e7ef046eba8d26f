"""A chart as inline SVG: colours follow the page, hovering shows values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irltui.report.markup import swatch, text
from irltui.report.specs import ChartSpec, Line
from irltui.views.curves import GAP, Curve, thin
from irltui.views.numbers import compact, figure, ticks

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 230, 46, 8, 8, 22
_DOTS = 60  # most values of a curve that can be pointed at


class _Plane:
    def __init__(self, frame: tuple[float, float, float, float]) -> None:
        self.first, self.last, self.bottom, self.top = frame

    def x(self, step: float) -> float:
        return _LEFT + (step - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.top - value) / (self.top - self.bottom) * (_HEIGHT - _TOP - _BOTTOM)


def chart(spec: ChartSpec) -> str:
    plane = _Plane(spec.frame)
    inside = "".join([*_ground(spec, plane), *_curves(spec, plane), *_pointed(spec, plane)])
    label = f"{text(spec.title, limit=200)}: {'; '.join(_words(line) for line in _one_each(spec))}"
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{inside}</svg>'
    legend = "".join(f"<li>{swatch(line.ink)} {_words(line, bold=True)}</li>" for line in _one_each(spec))
    gaps = sum(int((~np.isfinite((line.raw or line.curve).y)).sum()) for line in spec.lines)
    if gaps:
        legend += f'<li class="mark">{GAP} {gaps} not finite</li>'
    title = f'<h3 title="{text(spec.help)}">{text(spec.title, limit=200)}</h3>'
    return f'<figure class="chart">{title}{drawing}<ul class="legend">{legend}</ul></figure>'


def _one_each(spec: ChartSpec) -> Iterator[Line]:
    """One line per label: of a side with several seeds the first."""
    yield from {line.label: line for line in reversed(spec.lines)}.values().__reversed__()


def _words(line: Line, *, bold: bool = False) -> str:
    last = figure(line.last)
    return f"{text(line.label, limit=60)} {f'<b>{last}</b>' if bold else last}"


def _ground(spec: ChartSpec, plane: _Plane) -> Iterator[str]:
    """Band, grid, boundaries, levels and axis labels."""
    right, foot = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    if spec.band:
        low, high = max(spec.band[0], plane.bottom), min(spec.band[1], plane.top)
        if high > low:
            y = plane.y(high)
            height = plane.y(low) - y
            yield f'<rect class="band" x="{_LEFT}" y="{y:.1f}" width="{right - _LEFT}" height="{height:.1f}"/>'
    for value in ticks(plane.bottom, plane.top, 5)[0]:
        y = plane.y(value)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>'
    for step in spec.boundaries:
        yield f'<line class="turn" x1="{plane.x(step):.1f}" y1="{_TOP}" x2="{plane.x(step):.1f}" y2="{foot}"/>'
    for step in ticks(plane.first, plane.last, 6)[0]:
        if step == int(step):
            x = plane.x(step)
            anchor = "end" if x > _WIDTH - 3 * _RIGHT else "middle"
            yield f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{compact(step)}</text>'
    for level in spec.levels:
        if plane.bottom <= level.value <= plane.top:
            y = plane.y(level.value)
            yield f'<line class="level" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
            yield f'<text class="level" x="{right}" y="{y - 4:.1f}" text-anchor="end">{text(level.name)}</text>'


def _tick(value: float) -> str:
    if abs(value) < 1e-12:
        return "0"
    words = figure(value)
    return words.rstrip("0").rstrip(".") if "." in words and "e" not in words else words


def _curves(spec: ChartSpec, plane: _Plane) -> Iterator[str]:
    for line in spec.lines:
        if line.raw is not None:
            yield _path(line.raw, plane, f"raw c{line.ink % 7}")
    for line in sorted(spec.lines, key=lambda line: not line.is_seed):
        name = f"raw c{line.ink % 7}" if line.is_seed else f"c{line.ink % 7} d{line.ink % 6}"
        yield _path(line.curve, plane, name)
        for step in thin(line.raw or line.curve, plane.first, plane.last, _WIDTH).marks:
            x, y = plane.x(float(step)), _HEIGHT - _BOTTOM
            yield f'<text class="mark" x="{x:.1f}" y="{y}" text-anchor="middle">{GAP}</text>'


def _path(curve: Curve, plane: _Plane, name: str) -> str:
    parts = []
    for stretch in thin(curve, plane.first, plane.last, _WIDTH).stretches:
        places = (
            f"{plane.x(x):.1f} {plane.y(y):.1f}" for x, y in zip(stretch.x.tolist(), stretch.y.tolist(), strict=True)
        )
        parts.append("M" + "L".join(places) + ("h.1" if len(stretch) == 1 else ""))
    return f'<path class="{name}" d="{"".join(parts)}"/>' if parts else ""


def _pointed(spec: ChartSpec, plane: _Plane) -> Iterator[str]:
    """Points that show their value when hovered."""
    for line in (line for line in spec.lines if not line.is_seed):
        curve = line.curve
        label = text(line.label, limit=60)
        for i in sorted({round(i) for i in np.linspace(0, len(curve) - 1, min(len(curve), _DOTS))}):
            step, value = float(curve.x[i]), float(curve.y[i])
            if np.isfinite(value):
                words = f"{label}, step {compact(step)}: {figure(value)}"
                place = f'cx="{plane.x(step):.1f}" cy="{plane.y(value):.1f}"'
                yield f'<circle class="dot c{line.ink % 7}" {place} r="4"><title>{words}</title></circle>'

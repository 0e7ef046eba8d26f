"""Curves as braille dots, two across and four down a cell. Pure arrays; ten times as fast as drawing line by line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irltui.views.curves import Curve

Dots = NDArray[np.bool_]
_WEIGHTS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]], dtype=np.int64)
BLANK = 0x2800


def blank(cells_across: int, cells_down: int) -> Dots:
    """No dots: (4 * down, 2 * across)."""
    return np.zeros((4 * max(0, cells_down), 2 * max(0, cells_across)), dtype=bool)


def stroke(dots: Dots, curve: Curve) -> None:
    """Draw a connected curve; x (ascending) and y are in dots from the top left corner."""
    height, width = dots.shape
    if not len(curve) or not height or not width:
        return
    x, y = curve.x, np.clip(curve.y, -4.0 * height, 5.0 * height)
    first, last = max(0, int(np.floor(x[0]))), min(width - 1, int(np.floor(x[-1])))
    if last < first:
        return
    # Every column spans what the line does between its edges, and every point that falls into it.
    edges = np.interp(np.clip(np.arange(first, last + 2), x[0], x[-1]), x, y)
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    column = np.floor(x).astype(np.int64) - first
    inside = (column >= 0) & (column <= last - first)
    np.minimum.at(low, column[inside], y[inside])
    np.maximum.at(high, column[inside], y[inside])
    top = np.floor(low + 0.25)
    bottom = np.maximum(top, np.floor(high - 0.25))
    rows = np.arange(height)[:, None]
    dots[:, first : last + 1] |= (rows >= top) & (rows <= bottom)


def cells(dots: Dots) -> NDArray[np.int64]:
    """The braille pattern of each cell, 0 to 255; (down, across)."""
    down, across = dots.shape[0] // 4, dots.shape[1] // 2
    blocks = dots.reshape(down, 4, across, 2)
    found: NDArray[np.int64] = np.einsum("dyax,yx->da", blocks.astype(np.int64), _WEIGHTS)
    return found

"""How the charts of a screen are looked at: smoothing, scale, the part of the x axis, the crosshair. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

SMOOTHINGS = (9, 21, 1, 5)
"""Neighbours of a mean, in the order of the key; 1 is off."""


@dataclass(frozen=True)
class Lens:
    """One way to look, shared by all charts of a screen.

    `low` and `high` take a share of the x axis; `cursor` is a share of what is shown, None for none.
    """

    x_axis: str = "step"
    smoothing: int = SMOOTHINGS[0]
    log: bool = False
    low: float = 0.0
    high: float = 1.0
    cursor: float | None = None

    def zoomed(self, direction: int, around: float | None = None) -> Lens:
        """Zoom in (1) or out (-1) around a share of what is shown; an untouched right edge stays the newest point."""
        span = self.high - self.low
        centre = self.cursor if around is None else around
        centre = (1.0 if self.high >= 1.0 else 0.5) if centre is None else centre
        new = min(1.0, max(0.005, span * (0.7 if direction > 0 else 1 / 0.7)))
        low = min(max(0.0, self.low + centre * (span - new)), 1.0 - new)
        return replace(self, low=low, high=low + new)

    def at(self, share: float) -> Lens:
        """Put the crosshair there; what is shown moves when it would leave."""
        span = self.high - self.low
        inside = min(1.0, max(0.0, share))
        low = min(max(0.0, self.low + (share - inside) * span), 1.0 - span)
        return replace(self, low=low, high=low + span, cursor=inside)

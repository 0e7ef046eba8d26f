"""When to end an inner loop early (F2): beyond that point it overshoots, and new generations are better."""

from __future__ import annotations

from collections.abc import Mapping

from irltui.config.schema import EarlyStopSection
from irltui.engine.position import Position
from irltui.runs.metrics import GAP

_SMOOTHING = 0.2  # share of the newest step in a running mean


def take_in(position: Position, values: Mapping[str, float]) -> None:
    """Update the running means with a step."""
    share = 1.0 if position.k <= 1 else _SMOOTHING
    position.gap_mean += share * (values[GAP] - position.gap_mean)
    position.both_down_mean += share * (values.get("pairs/both_down", 0.0) - position.both_down_mean)


def gap_too_wide(section: EarlyStopSection, position: Position) -> str:
    """Why the inner loop should end because of its gap, "" if it should not."""
    if section.max_gap and position.gap_mean > section.max_gap:
        return f"mean reward gap {position.gap_mean:.2f} is above early_stop.max_gap = {section.max_gap:g}"
    return ""


def check_due(section: EarlyStopSection, position: Position) -> bool:
    """Whether to measure held-out loss after inner step `position.k`."""
    return bool(section.held_out_patience) and position.k % section.check_every == 0


def loss_turned(section: EarlyStopSection, position: Position, loss: float) -> str:
    """Record a held-out loss; why the inner loop should end, "" if it should not."""
    if loss < position.lowest_check:
        position.lowest_check, position.patience = loss, 0
        return ""
    position.patience += 1
    if position.patience < section.held_out_patience:
        return ""
    return f"held-out loss {loss:.4f} has not fallen below {position.lowest_check:.4f} for {position.patience} checks"

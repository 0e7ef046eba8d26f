"""Numbers as people read them: short, of one width where they change in place. Pure."""

from __future__ import annotations

import math

_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def figure(value: float | None, digits: int = 3) -> str:
    """`digits` significant digits; "-" for None, names for NaN and infinities."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    size = abs(value)
    if value == 0:
        return "0"
    if size < 1e-3 or size >= 1e15:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    if size >= 10_000:
        return compact(value)
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:.{decimals}f}"


def signed(value: float, digits: int = 3) -> str:
    return f"{'+' if value >= 0 else ''}{figure(value, digits)}"


def between(low: float, high: float) -> str:
    """An interval to put behind its mean; "" if it is not finite."""
    return f" [{figure(low)}, {figure(high)}]" if math.isfinite(low) and math.isfinite(high) else ""


def signed_between(low: float, high: float) -> str:
    return f" [{signed(low)}, {signed(high)}]" if math.isfinite(low) and math.isfinite(high) else ""


def compact(value: float) -> str:
    """A count: 950, 12.3k, 4.1M."""
    for size, suffix in _SUFFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def bytes_(value: float) -> str:
    """Bytes in decimal units."""
    for size, suffix in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size:
            return f"{figure(value / size)} {suffix}"
    return f"{value:.0f} B"


def duration(seconds: float | None) -> str:
    """Seconds as 42s, 3m05s, 2h07m or 3d04h; "-" for none."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hours}h{minute:02}m"
    return f"{minutes}m{second:02}s" if minutes else f"{second}s"


def age(seconds: float) -> str:
    """How long ago in one unit: 5s, 3m, 2h, 4d."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"

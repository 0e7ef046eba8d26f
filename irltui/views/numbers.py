"""Numbers as people read them: short, of one width where they change in place. Pure.

`figure` writes for logs, pages and programs, `number` for screens: at most three decimals and a true minus sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
EXPONENT = -1
"""Instead of decimals: a mantissa and an exponent, for numbers such as learning rates."""


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
    decimals_ = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:.{decimals_}f}"


def number(value: float | None, places: int | None = None, *, sign: bool = False) -> str:
    """Three known digits, no exponent and at most three decimals, or so many decimals; "–" for none, "×" for NaN."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "×"
    size = abs(value)
    if size >= (10_000 if places is None else 1e6):
        text = compact(size) if size < 1e15 else f"{size:.0e}"
    elif places == EXPONENT:
        text = figure(size, 2)
    else:
        whole = places is None and size >= 10 and size == int(size)
        text = f"{size:.{0 if whole else decimals([size], 1.0) if places is None else places}f}"
    shown = ("−" if value < 0 else "+" if sign else "") if text.strip("0.") else ""
    return shown + text.replace("-", "−")


def small(value: float) -> str:
    """As `number` writes it, but with an exponent where three decimals would say nothing."""
    return number(value, EXPONENT if decimals([value]) == EXPONENT else None)


def decimals(values: Sequence[float], fewer_from: float = 0.1) -> int:
    """The decimals that write the largest of these with three digits; EXPONENT where that takes too many."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if 0 < largest < 5e-4 and fewer_from < 1:
        return EXPONENT
    return 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= fewer_from else 3


def ticks(low: float, high: float, most: int) -> tuple[list[float], int]:
    """At most `most` round values in [low, high] that differ when written, and the decimals they all have."""
    span = high - low
    if not (math.isfinite(span) and 0 < span < 1e300):
        return [low], max(decimals([low]), 0)
    power = 10.0 ** math.floor(math.log10(span) - 1)
    for step in (power * k for k in (1, 2, 2.5, 5, 10, 20, 25, 50, 100)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            places = max(0, -math.floor(math.log10(step) + 1e-9))
            places += abs(step * 10.0**places - round(step * 10.0**places)) > 1e-6  # 0.25, 2.5
            return [k * step for k in range(first, last + 1)], places if places < 5 else EXPONENT
    return [low], 3


def signed(value: float, digits: int = 3) -> str:
    return f"{'+' if value >= 0 else ''}{figure(value, digits)}"


def between(low: float, high: float, written: Callable[[float], str] = figure) -> str:
    """An interval to put behind its mean; "" if it is not finite."""
    return f" [{written(low)}, {written(high)}]" if math.isfinite(low) and math.isfinite(high) else ""


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

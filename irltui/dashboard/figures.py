"""How the dashboard writes numbers, times and the labels of an axis. Pure."""

from __future__ import annotations

import math

EXPONENT = -1
"""Instead of decimals: a mantissa and an exponent, for numbers such as learning rates."""
_UNITS = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))


def number(value: float | None, places: int | None = None, *, sign: bool = False) -> str:
    """Three known digits and no exponent: 1.18, 0.035, 19.2k; a true minus sign, "–" for none, "×" if not finite."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "×"
    size, unit = abs(value), ""
    for limit, divisor, letter in _UNITS:
        if size >= limit:
            size, unit, places = size / divisor, letter, None
            break
    if places == EXPONENT:
        return _scientific(value)
    if places is None:
        places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
        places = 0 if not unit and value == int(value) and size >= 10 else places
    text = f"{size:.{places}f}" if size < 1e6 else f"{size:.0e}"
    zero = not text.strip("0.")
    return ("" if zero else "−" if value < 0 else "+" if sign else "") + text + unit


def _scientific(value: float) -> str:
    """A learning rate: 5e−7."""
    mantissa, _, exponent = f"{abs(value):.1e}".partition("e")
    text = f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
    return "0" if not value else f"−{text}" if value < 0 else text


def decimals(values: list[float]) -> int:
    """The decimals that write the largest of these with three digits; EXPONENT where that takes too many."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if 0 < largest < 5e-4:
        return EXPONENT
    return 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 0.1 else 3


def ticks(low: float, high: float, most: int) -> tuple[list[float], int]:
    """At most `most` round values in [low, high] that differ when written, and the decimals they all have."""
    span = high - low
    if not (math.isfinite(span) and 0 < span < 1e300):
        return [low], 3
    power = 10.0 ** math.floor(math.log10(span) - 1)
    for step in (power * k for k in (1, 2, 2.5, 5, 10, 20, 25, 50, 100)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            places = max(0, -math.floor(math.log10(step) + 1e-9))
            places += abs(step * 10.0**places - round(step * 10.0**places)) > 1e-6  # 0.25, 2.5
            return [k * step for k in range(first, last + 1)], places if places < 5 else EXPONENT
    return [low], 3

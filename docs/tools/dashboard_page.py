"""The tables of docs/guides/dashboard.md: the keys of each screen, and the charts."""

from __future__ import annotations

import re
from pathlib import Path

from irltui.dashboard import keymap
from irltui.views.charts import SPECS

GUIDE = Path(__file__).parents[1] / "guides" / "dashboard.md"
_TABLE = re.compile(r"^\| key \|.*\n(?:\|.*\n)+", re.MULTILINE)
_CHARTS = re.compile(r"^\| chart \|.*\n(?:\|.*\n)+", re.MULTILINE)
_IN_ORDER = ("EVERYWHERE", "RUNS", "NEW", "RUN", "CHARTS", "REPLAY", "SAMPLES", "COMPARE", "CHECK", "ENGINE")


def page() -> str:
    """The guide with its tables as the code has them."""
    scopes = iter(_IN_ORDER)
    text = _TABLE.sub(lambda _: _keys(getattr(keymap, next(scopes))), GUIDE.read_text(encoding="utf-8"))
    return _CHARTS.sub(lambda _: _charts(), text)


def _keys(scope: str) -> str:
    rows = [f"| `{key.shown}` | {key.help} |\n" for key in keymap.keys_of(scope)]
    return "".join(["| key | what it does |\n", "|---|---|\n", *rows])


def _charts() -> str:
    rows = [f"| {spec.title} | {', '.join(f'`{name}`' for name in spec.names)} | {spec.help} |\n" for spec in SPECS]
    return "".join(["| chart | metrics | what to look for |\n", "|---|---|---|\n", *rows])

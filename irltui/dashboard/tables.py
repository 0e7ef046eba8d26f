"""The tables of keys and charts in docs/guides/dashboard.md: `python -m irltui.dashboard.tables` prints them.

A test compares, so that the guide knows every key and every chart.
"""

from __future__ import annotations

import sys

from irltui.dashboard.keymap import KEYS, scopes
from irltui.views.charts import SPECS


def key_table(scope: str) -> str:
    """The keys of one scope as a Markdown table."""
    rows = [f"| `{key.shown}` | {key.help} |" for key in KEYS if key.scope == scope]
    return "\n".join(["| key | what it does |", "|---|---|", *rows])


def chart_table() -> str:
    """The charts, the metrics that each draws, and the question it answers."""
    rows = [f"| {spec.title} | {', '.join(f'`{metric}`' for metric in spec.names)} | {spec.help} |" for spec in SPECS]
    return "\n".join(["| chart | metrics | what to look for |", "|---|---|---|", *rows])


if __name__ == "__main__":
    for scope_ in scopes():
        sys.stdout.write(f"### {scope_}\n\n{key_table(scope_)}\n\n")
    sys.stdout.write(f"{chart_table()}\n")

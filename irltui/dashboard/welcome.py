"""What an empty folder of runs shows: three ways to begin, and the chart that a first run will draw. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irltui.dashboard.widgets.plotted import Frame, Plotted
from irltui.views.charts import Band
from irltui.views.curves import Curve
from irltui.views.spans import Row, S, fit, flow


@dataclass(frozen=True)
class Way:
    """One way to begin: its key, what it costs, what will happen, and what it does."""

    key: str
    name: str
    cost: str
    text: str
    action: str


WAYS = (
    Way(
        "enter",
        "Quickstart",
        "a few minutes, no download, no GPU",
        "A tiny world with exact scores and a bad habit: SFT copies it, three other methods unlearn it. "
        "Three seeds, then a verdict.",
        "quickstart",
    ),
    Way(
        "n",
        "My data",
        "a form of eight fields",
        "A file of prompts and the answers you want, and a model. Shows what will be trained on and what it takes "
        "before it starts.",
        "new",
    ),
    Way(
        "o",
        "Open a run",
        "a folder on this machine",
        "Look at a run or a study that works, ended or crashed. Nothing is changed unless you steer it.",
        "open",
    ),
)
EXAMPLE = Frame(
    "What you will see",
    "an example of three outer iterations",
    (0.0, 90.0),
    (30.0, 60.0),
    Band(0.5, 2.0, "healthy"),
    zero=True,
    direct=True,
)


def way_rows(width: int, tall: int) -> list[Row]:
    """Each way in `tall` rows."""
    rows: list[Row] = []
    for way in WAYS:
        cost = S(way.cost if width > 56 else "", "muted")
        rows.append([S(f" {way.key:<7}", "accent", "b"), S(f"{way.name:<14}", "gap", "b"), cost])
        if tall < 4:
            rows.append([S(" " * 8), S(fit(way.cost, max(width - 10, 8)), "muted")])
            continue
        told = flow([S(way.text)], min(width - 6, 84), 8)[:2]
        rows += [*told, *([S("")] for _ in range(3 - len(told)))]
    return rows


def example_curves() -> list[Plotted]:
    """What a run that learns looks like."""
    x = np.arange(90.0)
    grown = (1.1 + 0.25 * (x // 30)) * (1 - np.exp(-(x % 30 + 1) / 11))
    gap = grown + 0.05 * np.sin(x * 1.7)
    return [
        Plotted("gap: what the reward can tell", "gap", Curve(x + 1, gap), wide=True),
        Plotted("demonstrations gain reward", "demonstration", Curve(x + 1, gap * 0.4)),
        Plotted("generations lose it", "generation", Curve(x + 1, -gap * 0.6)),
    ]

"""The page: one self-contained HTML file without scripts or network access, for screens, paper and phones."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from irltui.report import sections
from irltui.report.markup import details, text
from irltui.report.samples import over_iterations, side_by_side
from irltui.report.specs import ChartSpec, charts, reward_game
from irltui.report.svg import chart
from irltui.runs.manifest import Manifest
from irltui.views.arms import Side
from irltui.views.final_figures import final_rows

MARK = "<!-- written by irltui report -->"
"""The second line of every page: what has it may be written anew."""
_VIEWS = {"changes": "changes since the iteration before", "rewards": "reward of each token", "plain": "text alone"}


def page(sides: Sequence[Side], manifests: Sequence[Manifest], samples: int) -> str:
    """The whole page; `manifests` are those of each side's first run, `samples` is how many prompts are shown."""
    style = files("irltui.report").joinpath("report.css").read_text(encoding="utf-8")
    title, names = sections.title(sides), ", ".join(sections.names(sides))
    health = "\n".join(_named(side, sections.health(side), len(sides)) for side in sides)
    parts = (
        ("overview", "Overview", sections.overview(sides)),
        ("figures", "Figures", sections.final(final_rows(sides), sides)),
        ("game", "The reward game", _game(sides)),
        ("curves", "Curves", _curves(sides)),
        ("samples", "Samples", _samples(sides, samples)),
        ("health", "Health", health),
        ("configuration", "Configuration", sections.configuration(sides, manifests)),
        ("reproduce", "Reproduce", sections.reproduce(sides, manifests)),
    )
    shown = [part for part in parts if part[2]]
    views = "".join(
        f'<input type="radio" name="view" id="view-{name}"{" checked" if name == "changes" else ""}>' for name in _VIEWS
    )
    links = "".join(f'<a href="#{name}">{head}</a>' for name, head, _ in shown)
    return "\n".join(
        [
            "<!doctype html>",
            MARK,
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
            f"<title>irltui: {title}</title>",
            f"<style>{style}</style></head><body>",
            f"{views}<header><h1>{title}</h1><p class=note>{names}</p><nav>{links}</nav></header>",
            "<main>",
            *(f'<section id="{name}"><h2>{head}</h2>\n{inside}\n</section>' for name, head, inside in shown),
            f"</main><footer>{sections.made()}</footer></body></html>",
            "",
        ]
    )


def _policy(style: str) -> str:
    """Nothing may be loaded or run; the one style sheet is allowed by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _game(sides: Sequence[Side]) -> str:
    games = [spec for side in sides if (spec := reward_game(side)) is not None]
    return f"<p>{text(games[0].help)}</p>{_grid(games)}" if games else ""


def _curves(sides: Sequence[Side]) -> str:
    specs = charts(sides)
    if not specs:
        return ""
    seeds = "; of several seeds the mean, single seeds thin" if any(len(side.runs) > 1 for side in sides) else ""
    words = f"<p>Over optimizer steps{seeds}. Hover over a curve to read it, over a title to see its question.</p>"
    first, others = [s for s in specs if s.is_key], [s for s in specs if not s.is_key]
    return words + _grid(first) + (details(f"{len(others)} more metrics", _grid(others)) if others else "")


def _grid(specs: Sequence[ChartSpec]) -> str:
    return f'<div class="charts">{"".join(map(chart, specs))}</div>' if specs else ""


def _samples(sides: Sequence[Side], most: int) -> str:
    told = [(side, over_iterations(side.runs[0].history, most)) for side in sides]
    told = [(side, words) for side, words in told if words]
    if not told or not most:
        return ""
    choice = "".join(f'<label for="view-{name}">{words}</label>' for name, words in _VIEWS.items())
    beside = f"<h3>Newest, side by side</h3>{side_by_side(sides, most)}" if len(sides) > 1 else ""
    over = "".join(_named(side, words, len(sides), " over outer iterations") for side, words in told)
    key = '<p class="note"><span class="t p8">adds to the reward</span> <span class="t n8">takes away</span></p>'
    return f'{beside}<div class="views">{choice}</div>{over}<div class="as-rewards">{key}</div>'


def _named(side: Side, content: str, count: int, words: str = "") -> str:
    return f"<h3>{text(side.name, limit=80)}{words}</h3>{content}" if count > 1 else content

"""Write the generated pages of docs/reference: `python docs/tools/write_pages.py`. Tests compare the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import events_page

import commands_page
import configuration_page
import dashboard_page
import metrics_page
import plugins_page

REFERENCE = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": commands_page.page,
    "configuration.md": configuration_page.page,
    "events.md": events_page.page,
    "metrics.md": metrics_page.page,
    "plugins.md": plugins_page.page,
    "../guides/dashboard.md": dashboard_page.page,
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")

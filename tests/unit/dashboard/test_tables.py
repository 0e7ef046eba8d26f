"""The guide knows every key and every chart."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.dashboard.keymap import scopes
from irltui.dashboard.tables import chart_table, key_table

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "dashboard.md"


@pytest.mark.parametrize("scope", scopes())
def test_the_guide_has_the_keys_of_every_scope(scope: str) -> None:
    assert key_table(scope) in GUIDE.read_text(encoding="utf-8")


def test_the_guide_has_every_chart() -> None:
    assert chart_table() in GUIDE.read_text(encoding="utf-8")

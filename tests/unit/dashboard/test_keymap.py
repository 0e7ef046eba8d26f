"""The one key table."""

from __future__ import annotations

import re
from collections import Counter

from irltui.dashboard.keymap import (
    CHARTS,
    CHECK,
    COMPARE,
    ENGINE,
    EVERYWHERE,
    KEYS,
    NEW,
    REPLAY,
    RUN,
    RUNS,
    SAMPLES,
    scopes,
)

SCREENS = {
    "runs": (RUNS, EVERYWHERE),
    "run": (RUN, ENGINE, CHARTS, REPLAY, EVERYWHERE),
    "samples": (SAMPLES, REPLAY, ENGINE, EVERYWHERE),
    "compare": (COMPARE, EVERYWHERE),
    "new": (NEW,),
    "check": (CHECK, ENGINE, EVERYWHERE),
}


def test_no_key_means_two_things_on_one_screen() -> None:
    for name, used in SCREENS.items():
        keys = Counter(key for entry in KEYS if entry.scope in used for key in re.split("[,/]", entry.keys))
        assert [key for key, count in keys.items() if count > 1] == [], name


def test_upper_case_acts_on_the_run_and_nothing_else_does() -> None:
    for key in KEYS:
        if key.scope == ENGINE:
            assert key.keys.isupper()


def test_no_key_is_taken_by_terminal_multiplexers() -> None:
    assert not [key for key in KEYS if "ctrl+a" in key.keys or "ctrl+b" in key.keys or key.keys.startswith("f1")]


def test_every_scope_is_on_a_screen() -> None:
    assert set(scopes()) == {scope for used in SCREENS.values() for scope in used}

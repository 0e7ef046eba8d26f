"""Alerts handed to a command."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from irltui.config.schema import TrackingSection
from irltui.config.trust import TRUST_ALL
from irltui.engine.alert_command import alert_command, require_trust
from irltui.errors import ConfigError
from irltui.runs.events import Alert


def handed_to(command: str) -> TrackingSection:
    return TrackingSection(alert_command=command)


def test_an_alert_is_one_json_object_on_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST_ALL, "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    told = tmp_path / "told"
    alert_command(handed_to(f"cat > {told}.part && mv {told}.part {told}"), tmp_path)(
        Alert(3, "warning", "overshoot", "too far")
    )
    until = time.monotonic() + 20
    while not told.exists() and time.monotonic() < until:
        pass
    about = json.loads(told.read_text())
    assert about == {"run": str(tmp_path), "level": "warning", "code": "overshoot", "step": 3, "text": "too far"}


def test_a_command_that_nobody_trusts_is_refused_and_one_that_fails_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"tracking\.alert_command"):
        require_trust(handed_to("post"))
    monkeypatch.setenv(TRUST_ALL, "1")
    require_trust(handed_to("exit 3"))
    alert_command(handed_to("exit 3"), tmp_path)(Alert(1, "warning", "x", "y" * 100_000))
    alert_command(handed_to(""), tmp_path)(Alert(1, "warning", "x", "y"))

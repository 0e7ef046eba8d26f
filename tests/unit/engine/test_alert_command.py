"""Alerts handed to a command."""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread

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


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_documented_line_posts_an_alert_to_a_webhook(tmp_path: Path) -> None:
    posted: Queue[tuple[str, str, bytes]] = Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.put((self.path, self.headers["Content-Type"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Not to the console."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = (Path(__file__).parents[3] / "docs" / "guides" / "trackers.md").read_text()
        line = tomllib.loads(next(row for row in page.splitlines() if row.startswith("alert_command")))["alert_command"]
        here = line.replace("https://example.com", f"http://127.0.0.1:{server.server_port}")
        alert_command(handed_to(here), tmp_path)(Alert(3, "critical", "not_finite", "NaN “here”"))
        path, kind, body = posted.get(timeout=30)
    finally:
        server.shutdown()
        server.server_close()
    assert (path, kind) == ("/hook", "application/json")
    about = {"run": str(tmp_path), "level": "critical", "code": "not_finite", "step": 3, "text": "NaN “here”"}
    assert json.loads(body) == about


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

"""A small hub that speaks the real one's HTTP, as far as an upload needs it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from huggingface_hub import HfApi


@dataclass
class Hub:
    """What the hub holds, and how it answers: `refusal` is the status of every creation, 0 for none."""

    files: dict[str, bytes] = field(default_factory=dict)
    private: bool | None = None
    refusal: int = 0
    tokens: set[str] = field(default_factory=set)
    address: str = ""

    def api(self) -> HfApi:
        return HfApi(endpoint=self.address, token="hf_test")


class Handler(BaseHTTPRequestHandler):
    state: Hub

    def do_GET(self) -> None:
        siblings = [{"rfilename": name} for name in self.state.files]
        self._answer(200, {"id": "me/model", "private": bool(self.state.private), "siblings": siblings})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.state.tokens.add(self.headers.get("Authorization", ""))
        if self.path.endswith("/repos/create"):
            self._create(json.loads(body))
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]
            self._answer(200, {"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.state.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer(200, {"commitUrl": f"{self.state.address}/me/model/commit/0", "commitOid": "0" * 40})
        else:
            self._answer(200, {})

    def _create(self, asked: dict[str, Any]) -> None:
        if self.state.refusal:
            self._answer(self.state.refusal, {"error": "no"})
        else:
            self.state.private = asked.get("visibility") == "private" or asked.get("private", False)
            self._answer(200, {"url": f"{self.state.address}/me/model"})

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers while inside."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"state": state}))
    state.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()

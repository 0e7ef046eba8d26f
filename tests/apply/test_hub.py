"""`irltui export --push-to-hub`, against a small hub of our own that speaks the real one's HTTP."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from irltui.apply.hub import check_name, push
from irltui.errors import HubError


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


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"state": state}))
    state.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "reward").mkdir(parents=True)
    (tmp_path / "out" / "README.md").write_text("# a card\n")
    (tmp_path / "out" / "reward" / "config.json").write_text("{}")
    return tmp_path / "out"


def test_a_folder_is_uploaded_whole_into_a_private_model(hub: Hub, folder: Path) -> None:
    assert push(folder, "me/model", private=True, api=hub.api()) == f"{hub.address}/me/model"
    assert hub.private is True
    assert hub.files == {"README.md": b"# a card\n", "reward/config.json": b"{}"}
    assert hub.tokens == {"Bearer hf_test"}


def test_it_is_public_only_if_asked(hub: Hub, folder: Path) -> None:
    push(folder, "me/model", private=False, api=hub.api())
    assert hub.private is False


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "hf auth login"), (403, "may not write"), (404, "spelt right"), (400, "hf upload me/model")],
)
def test_a_refusal_is_told_with_what_to_do(hub: Hub, folder: Path, status: int, hint: str) -> None:
    hub.refusal = status
    with pytest.raises(HubError, match=rf"me/model: the hub refuses \({status}\)") as error:
        push(folder, "me/model", private=True, api=hub.api())
    assert hint in error.value.hint
    assert (folder / "README.md").exists()


def test_a_model_that_holds_files_is_not_written_over(hub: Hub, folder: Path) -> None:
    hub.refusal, hub.private, hub.files = 409, True, {".gitattributes": b"", "model.safetensors": b"mine"}
    with pytest.raises(HubError, match="holds files already"):
        push(folder, "me/model", private=True, api=hub.api())
    assert hub.files["model.safetensors"] == b"mine"


def test_an_empty_model_that_is_there_is_filled_unless_everybody_would_read_it(hub: Hub, folder: Path) -> None:
    hub.refusal, hub.private = 409, False
    with pytest.raises(HubError, match="is there already, and public"):
        push(folder, "me/model", private=True, api=hub.api())
    hub.private = True
    push(folder, "me/model", private=True, api=hub.api())
    assert "README.md" in hub.files


def test_a_hub_out_of_reach_is_told(hub: Hub, folder: Path) -> None:
    with pytest.raises(HubError, match="me/model: cannot be pushed") as error:
        push(folder, "me/model", private=True, api=HfApi(endpoint="http://127.0.0.1:9", token="hf_test"))
    assert "hf upload me/model" in error.value.hint


@pytest.mark.parametrize("name", ["model", "me/", "a/b/c", "me/mo del", "me/--x"])
def test_a_name_that_no_model_can_have_is_refused_before_any_work(name: str) -> None:
    with pytest.raises(HubError, match="no name of a model"):
        check_name(name)

"""JSON over HTTP with every failure named. Knows no endpoint.

No proxy of the environment is used: the server stands in the same cluster. The key never enters a message.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from irltui.api import safe
from irltui_vllm.errors import VllmError

_START = (
    "Start it: VLLM_SERVER_DEV_MODE=1 vllm serve MODEL (docs: README of irltui-vllm); continue the run with --resume."
)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would take the key elsewhere."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


class Http:
    """One server; requests may come from several threads.

    Args:
        url: scheme, host and port.
        timeout: seconds that the server may be silent.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url, self._timeout = url, timeout
        self._open = build_opener(ProxyHandler({}), _NoRedirect()).open

    def get(self, path: str) -> Any:
        """The JSON at `path`."""
        return self._ask(path, None)

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON that answers `body`; None where the answer is empty.

        Raises:
            VllmError: no answer, an error, or no JSON.
        """
        return self._ask(path, json.dumps({} if body is None else body).encode())

    def _ask(self, path: str, data: bytes | None) -> Any:
        where = f"{self.url}{path}"
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get("VLLM_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        try:
            with self._open(Request(where, data=data, headers=headers), timeout=self._timeout) as answer:  # noqa: S310 - http(s) by the option's pattern
                content = answer.read()
        except HTTPError as error:
            raise _refused(where, error) from error
        except TimeoutError as error:
            raise self._late(where) from error
        except (URLError, OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self._late(where) from error
            raise VllmError(f"{where}: no answer: {safe(str(reason))[:300]}", _START) from error
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise VllmError(
                f"{where}: the answer of {len(content)} bytes is no JSON: {error}",
                "Was it cut off, or does something else than vLLM listen there? Continue the run with --resume.",
            ) from error

    def _late(self, where: str) -> VllmError:
        return VllmError(
            f"{where}: no answer in {self._timeout:g} s",
            "Look at the server's log; raise sampler.timeout, or lower sampler.concurrency. Continue with --resume.",
        )


def _refused(where: str, error: HTTPError) -> VllmError:
    try:
        text = error.read(4000).decode(errors="replace")
    except (OSError, HTTPException):  # the status says enough
        text = ""
    try:
        told = json.loads(text)
        told = told.get("error") or told.get("detail") or text
        message = told.get("message", text) if isinstance(told, dict) else told
    except (ValueError, AttributeError):
        message = text
    hints = {
        401: "Set VLLM_API_KEY to the key that the server was started with.",
        404: "Does the server serve that model (sampler.model), with VLLM_SERVER_DEV_MODE=1 in its environment?",
        400: "Too long a prompt? Raise --max-model-len of the server, or lower data.max_prompt_tokens.",
    }
    hint = hints.get(error.code, "Look at the server's log; continue the run with --resume.")
    return VllmError(f"{where}: HTTP {error.code}: {safe(str(message))[:600]}", hint)

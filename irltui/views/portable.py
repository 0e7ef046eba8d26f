"""What runs show to people elsewhere: the machine's name and folders are left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from irltui.runs.manifest import Manifest

_LEFT_OUT = "left out"
_SHORTEST = 3


def portable(value: Any) -> Any:
    """A configuration without the folders of the machine: absolute paths are cut down to their last name."""
    if isinstance(value, Mapping):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    if isinstance(value, str) and value.startswith("/") and value.count("/") > 1 and "\n" not in value:
        return Path(value).name
    return value


def portable_manifest(manifest: Manifest) -> Manifest:
    """The same of what run.json tells beside it."""
    origins = {key: str(portable(origin)) for key, origin in manifest.origins.items()}
    return replace(manifest, config=portable(manifest.config), origins=origins, host=_LEFT_OUT, folder=_LEFT_OUT)


def without_machine(text: str, manifests: list[Manifest]) -> str:
    """Text that quotes messages of a run, without its working folder, the user's home folder and the host's name."""
    homes = {str(Path.home()), *(_home(manifest.folder) for manifest in manifests)}
    for folder in sorted({*homes, *(manifest.folder for manifest in manifests)}, key=len, reverse=True):
        if folder.startswith("/") and len(folder) > _SHORTEST:
            text = re.sub(rf"{re.escape(folder)}(?![\w.-])", "~" if folder in homes else ".", text)
    for host in {manifest.host for manifest in manifests}:
        if len(host) > _SHORTEST and host != "localhost":
            text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", "HOST", text)
    return text


def _home(folder: str) -> str:
    """The home folder that a folder lies in, "" if it lies in none."""
    found = re.match(r"/(?:home|Users)/[^/]+|/root(?=/|$)", folder)
    return found[0] if found else ""

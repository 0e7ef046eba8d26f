"""run.json: what a run is, written once before its engine starts."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from irltui import __version__
from irltui.errors import RunFolderError
from irltui.runs.durable import replace_json
from irltui.runs.events import SCHEMA
from irltui.runs.folder import RunFolder

_PACKAGES = ("torch", "transformers", "datasets", "accelerate", "peft", "tokenizers", "pydantic", "numpy")


@dataclass(frozen=True)
class Manifest:
    """The contents of run.json.

    `config` is the whole resolved configuration as plain tables; `origins` says where each value that is no
    default came from (dotted path -> "run.toml:5").
    """

    schema: int
    irltui: str
    created: float
    config: Mapping[str, Any]
    origins: Mapping[str, str]
    versions: Mapping[str, str]
    host: str
    platform: str
    git_revision: str
    folder: str
    sha256: str = ""
    """Of all other fields; `write_manifest` fills it in."""


def new_manifest(config: Mapping[str, Any], origins: Mapping[str, str]) -> Manifest:
    """The manifest of a run that starts here and now; relative paths in `config` are relative to `folder`."""
    return Manifest(
        schema=SCHEMA,
        irltui=__version__,
        created=time.time(),
        config=config,
        origins=origins,
        versions={"python": platform.python_version(), **_installed_versions()},
        host=os.uname().nodename,
        platform=platform.platform(),
        git_revision=_git_revision(),
        folder=str(Path.cwd()),
    )


def write_manifest(run: RunFolder, manifest: Manifest) -> None:
    """Write run.json, the last file that makes a folder a run; owner-readable, since URLs may hold secrets."""
    replace_json(run.manifest, asdict(replace(manifest, sha256=_digest(manifest))), 0o600)


def has_changed(manifest: Manifest) -> bool:
    """Whether run.json was edited since the run began."""
    return manifest.sha256 != _digest(manifest)


def read_manifest(run: RunFolder) -> Manifest:
    """Read run.json, changed or not.

    Raises:
        RunFolderError: it is damaged, or of a newer irltui.
    """
    try:
        value = json.loads(run.manifest.read_text(encoding="utf-8"))
        schema = int(value["schema"])
        known = {name: value[name] for name in Manifest.__dataclass_fields__ if name != "sha256"}
        sealed = str(value.get("sha256", ""))
        if not all(isinstance(known[name], Mapping) for name in ("config", "origins", "versions")):
            raise TypeError("config, origins and versions are tables")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        hint = "Restore it from a backup, or start a new run with --out NEW."
        raise RunFolderError(f"{run.manifest}: damaged: {error!r}", hint) from error
    if schema > SCHEMA:
        raise RunFolderError(f"{run.manifest}: written by a newer irltui ({value.get('irltui')})", "Upgrade irltui.")
    return Manifest(**known, sha256=sealed)


def _digest(manifest: Manifest) -> str:
    fields = {name: value for name, value in asdict(manifest).items() if name != "sha256"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def _installed_versions() -> dict[str, str]:
    import importlib.metadata  # which a dashboard's start need not wait for

    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git_revision() -> str:
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""

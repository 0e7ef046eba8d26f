"""Whose code may run: that which the user of this machine has named or allowed, never that which a file names.

What was trusted is kept in the user's state folder, so that a run that was started here continues without asking.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from irltui.errors import ModelError, PluginError
from irltui.runs.folder import is_run, open_own

TRUST_ALL = "IRLTUI_TRUST_CODE"
"""Set by --trust-code, for this command and the processes it starts."""
_TRUSTED = "IRLTUI_TRUSTED_CODE"
"""What this command has trusted, for the processes it starts: the state folder may be read-only."""
HINT = "Look at the code; if you trust it, give the command again with --trust-code."
_REFERENCE = re.compile(r"\w+\.\w+")
_SEPARATOR = "\n"


def record() -> Path:
    """The file with a line for each thing that was trusted."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "irltui" / "trusted"


def trust(*marks: str) -> None:
    """Trust code from now on, by the marks of its contents; a record that cannot be written is for this command."""
    known = _known()
    if not (new := [mark for mark in dict.fromkeys(marks) if mark not in known]):
        return
    os.environ[_TRUSTED] = _SEPARATOR.join([*filter(None, [os.environ.get(_TRUSTED, "")]), *new])
    with suppress(OSError):
        record().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_own(record(), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{mark}\t{time.strftime('%Y-%m-%d')}\n" for mark in new)


def is_trusted(mark: str) -> bool:
    """Whether the user has trusted this; with --trust-code, from now on."""
    if os.environ.get(TRUST_ALL) == "1":
        trust(mark)
        return True
    return mark in _known()


def file_mark(source: bytes) -> str:
    """The mark of a file of code: of its contents, wherever it lies."""
    return f"sha256:{hashlib.sha256(source).hexdigest()}"


def checked_file(path: Path | str, source: bytes, known: str, again: str) -> str:
    """The SHA-256 of a file of code that may run; `known` is that of when the run began, "" for a new one.

    Raises:
        PluginError: it is another file, or one that nobody has trusted; `again` is the option that names it.
    """
    found = hashlib.sha256(source).hexdigest()
    if known not in {"", found}:
        raise PluginError(
            f"{path} has changed since the run began", f"Put the file back, or start a new run with {again}"
        )
    if not is_trusted(file_mark(source)):
        raise PluginError(
            f"{path} would be run, and nobody on this machine has said to trust it",
            f"Look at the file; if you trust it, give the command again with {again}, or with --trust-code.",
        )
    return found


def trust_model(name: str, revision: str) -> None:
    """Trust the code that a model brings, as it is now."""
    trust(*(mark for _, mark in _model_code(name, revision)))


def refuse_untrusted_model(name: str, revision: str) -> None:
    for what, mark in _model_code(name, revision):
        if not is_trusted(mark):
            raise ModelError(
                f"model.trust_remote_code: {what} would be run, and nobody on this machine has said to trust it", HINT
            )


def _model_code(name: str, revision: str) -> Iterator[tuple[str, str]]:
    """All code of a model, each with its mark; of a hub model its name and revision."""
    folder = Path(name).expanduser()
    folder = folder / "model" if is_run(folder) else folder
    if not folder.is_dir():
        if not Path(name).expanduser().exists() and name != "quickstart":
            yield f"code of the hub model {name} ({revision})", f"hub:{name}@{revision}"
        return
    try:
        for file in sorted(folder.rglob("*.py")):
            yield str(file), file_mark(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{folder}: its code cannot be read: {error}", "") from None
    for file in sorted(folder.glob("*.json")):
        for reference in _references(file):
            repository, dashes, inside = reference.rpartition("--")
            if not _REFERENCE.fullmatch(inside):
                raise ModelError(f"{file}: auto_map names {reference!r}, which is no MODULE.CLASS of its folder", "")
            if dashes:
                yield f"code of the hub model {repository} ({file.name})", f"hub:{repository}@{revision}"


def _references(file: Path) -> Iterator[str]:
    """What `auto_map` in a model's JSON file names."""
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return  # whoever needs the file reports it
    named = table.get("auto_map") if isinstance(table, dict) else None
    yield from _texts(named)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.values()])
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


def _known() -> set[str]:
    """What has been trusted; a record that others could have written counts for nothing."""
    known = set(os.environ.get(_TRUSTED, "").split(_SEPARATOR)) - {""}
    try:
        with os.fdopen(open_own(record(), os.O_RDONLY), "rb") as file:
            about = os.fstat(file.fileno())
            if about.st_uid == os.geteuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                known |= {line.partition("\t")[0] for line in file.read().decode("utf-8", "replace").splitlines()}
    except OSError:
        pass
    return known

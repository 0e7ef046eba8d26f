"""The output of a command on a run's data: what it was made from decides whether rows that are there still hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from irltui.config.requests import OnRows
from irltui.lm.initial import weights_digest
from irltui.text import masked
from irltui.use.learned import reads_start
from irltui.use.output import Job, Output
from irltui.use.rows import Source


def output_of(asked: OnRows, source: Source, options: Mapping[str, Any], view: Mapping[str, Any]) -> Output:
    """The file of a command on this run and data.

    Args:
        asked: what it was asked.
        source: the rows.
        options: what changes a row, beside the rules by which rows become tokens.
        view: what changes only how rows are shown.

    Raises:
        RunFolderError: another command's file is there.
    """
    kept = {"template", "system", "max_prompt_tokens", "max_response_tokens", "overlong", "columns"}
    job = Job(
        asked.command(),
        str(asked.folder.path.resolve()),
        _result(asked),
        masked(asked.config.data.source),
        _digest(json.dumps(row, default=str).encode() + b"\n" for row in source.rows),
        {"data": asked.config.data.model_dump(mode="json", include=kept), **options},
    )
    return Output(asked.out, job, view, overwrite=asked.overwrite)


def _result(asked: OnRows) -> str:
    """A digest of what rewards and answers follow from: the run, its newest weights, and pi_0 if it is needed."""
    run, config = asked.folder, asked.config
    parts = [run.manifest.read_bytes()]
    with suppress(OSError):  # somebody deleted the checkpoints of a finished run
        name = (run.checkpoints / "latest").read_text(encoding="utf-8").strip()
        parts.append((run.checkpoints / name / "manifest.json").read_bytes())  # it has the digest of every file
    if reads_start(config) or asked.is_guided:
        parts.append(weights_digest(config.model).encode())
    return _digest(parts)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()

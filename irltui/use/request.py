"""What every command on a run's data is asked: the run, its configuration with other data, the output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from irltui.config.load import recorded
from irltui.config.schema import RunConfig
from irltui.lm.initial import weights_digest
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.use.output import Job, Output
from irltui.use.rows import Source


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of a command as the command line hands them over.

    `values` is the run's configuration with the data to work on, `out` the file, `batch` the responses a forward
    pass, `named` that the data's columns were named for it, `overwrite` to begin anew.
    """

    run: str
    values: Mapping[str, Any]
    out: str
    batch: int
    named: bool = True
    overwrite: bool = False

    @cached_property
    def folder(self) -> RunFolder:
        """The run.

        Raises:
            NoRunError: there is none.
        """
        return open_run_folder(Path(self.run))

    @cached_property
    def config(self) -> RunConfig:
        """The configuration."""
        return recorded(self.values)

    def output(self, command: str, source: Source, options: Mapping[str, Any], view: Mapping[str, Any]) -> Output:
        """The file of this command on this run and data.

        Args:
            command: its name.
            source: the rows.
            options: what changes a row, beside the rules by which rows become tokens.
            view: what changes only how rows are shown.

        Raises:
            RunFolderError: another command's file is there.
        """
        kept = {"template", "system", "max_prompt_tokens", "max_response_tokens", "overlong", "columns"}
        job = Job(
            command,
            str(self.folder.path.resolve()),
            self._result(),
            self.config.data.source,
            _digest(json.dumps(row, default=str).encode() + b"\n" for row in source.rows),
            {"data": self.config.data.model_dump(mode="json", include=kept), **options},
        )
        return Output(Path(self.out), job, view, overwrite=self.overwrite)

    def _result(self) -> str:
        """A digest of what rewards and answers follow from: the run, its newest weights, and pi_0 if it is needed."""
        run, config = self.folder, self.config
        parts = [run.manifest.read_bytes()]
        with suppress(OSError):  # somebody deleted the checkpoints of a finished run
            name = (run.checkpoints / "latest").read_text(encoding="utf-8").strip()
            parts.append((run.checkpoints / name / "manifest.json").read_bytes())  # it has the digest of every file
        if config.algorithm != "sft" and config.reward.needs_reference:
            parts.append(weights_digest(config.model).encode())
        return _digest(parts)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()

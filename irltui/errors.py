"""Every error a user may see: the message says what is wrong and where, the hint what to do.

Each carries the exit code of the process it ends. An exception outside this tree is a bug of ours.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_RUN = 3
EXIT_PREEMPTED = 75  # sysexits' EX_TEMPFAIL: relaunch to resume
EXIT_INTERRUPTED = 130  # as shells have it: 128 and SIGINT
EXIT_CODES = {
    EXIT_OK: "done",
    EXIT_FAILED: "failed, or found a problem",
    EXIT_USAGE: "invalid usage, configuration, data or model",
    EXIT_NO_RUN: "no such run",
    EXIT_PREEMPTED: "preempted",
    EXIT_INTERRUPTED: "interrupted or stopped",
}
"""What every command's exit code means; a run that ended with 75 or 130 has a checkpoint, and --resume continues."""


class IrltuiError(Exception):
    """Base of irltui's errors.

    Args:
        message: what was wrong and where (file, row, key).
        hint: what to do next; shown on a line of its own.
    """

    exit_code: ClassVar[int] = EXIT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class OptionError(IrltuiError):
    """Invalid options on the command line."""

    exit_code = EXIT_USAGE


class ConfigError(IrltuiError):
    """An invalid configuration; one line per problem."""

    exit_code = EXIT_USAGE


class DataError(IrltuiError):
    """Demonstrations are missing, unreadable or malformed."""

    exit_code = EXIT_USAGE


class ModelError(IrltuiError):
    """A model or tokenizer is missing or unsuitable."""

    exit_code = EXIT_USAGE


class PluginError(IrltuiError):
    """A plugin, or one of its kinds, cannot be used."""

    exit_code = EXIT_USAGE


class NoRunError(IrltuiError):
    """There is no run in the folder."""

    exit_code = EXIT_NO_RUN


class RunFolderError(IrltuiError):
    """A run folder is damaged or cannot be written."""


class BusyError(RunFolderError):
    """Another process is working on the run or the plan."""

    exit_code = EXIT_USAGE


class SubmitError(IrltuiError):
    """Jobs cannot be submitted."""


class CheckpointError(IrltuiError):
    """No checkpoint is usable, or it belongs to another run."""


class TrainingError(IrltuiError):
    """Training cannot continue: a value is not finite, an iteration is empty, a part failed."""


class ExportError(IrltuiError):
    """The exported model differs from the trained one."""


class NotFiniteError(TrainingError):
    """A loss or a gradient is NaN or infinite."""


class HubError(IrltuiError):
    """A model hub is unreachable or refuses."""


class OutputError(IrltuiError):
    """Standard output cannot be written: a full disk, or closed."""


def is_panic(error: BaseException) -> bool:
    """Whether a library in Rust gave up; pyo3 makes it no Exception."""
    return type(error).__name__ == "PanicException"

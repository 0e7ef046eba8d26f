"""Every error a user may meet: what was wrong and where in the message, what to do next in the hint.

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
    EXIT_USAGE: "wrong usage, configuration, data or model",
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
    """A command line that cannot be meant."""

    exit_code = EXIT_USAGE


class ConfigError(IrltuiError):
    """The configuration cannot be used; one line per problem."""

    exit_code = EXIT_USAGE


class DataError(IrltuiError):
    """Demonstrations that are missing, unreadable or of the wrong form."""

    exit_code = EXIT_USAGE


class ModelError(IrltuiError):
    """A model or tokenizer that is missing or does not fit."""

    exit_code = EXIT_USAGE


class PluginError(IrltuiError):
    """A plugin, or a kind, that cannot be used; the message says which and why."""

    exit_code = EXIT_USAGE


class NoRunError(IrltuiError):
    """There is no run where one was named."""

    exit_code = EXIT_NO_RUN


class RunFolderError(IrltuiError):
    """A run folder that is damaged, in use, or cannot be written."""


class BusyError(RunFolderError):
    """A run, or a plan of several, on which a process is working already."""

    exit_code = EXIT_USAGE


class SubmitError(IrltuiError):
    """A cluster that takes no job: nothing to submit with, or it was refused."""


class CheckpointError(IrltuiError):
    """No checkpoint can be used, or one does not belong to this run."""


class TrainingError(IrltuiError):
    """Training cannot go on: a number that is not finite, an empty iteration, a failed part."""


class ExportError(IrltuiError):
    """A model that was written, and is not the one that was trained."""


class NotFiniteError(TrainingError):
    """A loss or a gradient is NaN or infinite."""


class HubError(IrltuiError):
    """A model hub that cannot be reached, or that refuses."""


class OutputError(IrltuiError):
    """Standard output that takes no more: a full disk, or closed."""

"""One run as a job of submitit: every task of the job is a rank of the same engine that `irltui run` starts.

What submitit pickles when a job is submitted, and unpickles where it runs; again when Slurm starts the job anew: the
engine then goes on from its checkpoint. Imports the engine there alone: who submits needs no torch.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irltui.distributed.launch import Signals
from irltui.errors import EXIT_OK, EXIT_PREEMPTED


@dataclass(frozen=True)
class SubmittedRun:
    """A run that is there, to be started or continued.

    submitit's own signal comes before the time limit: checkpoint, exit code 75, and submitit puts the job back.
    SIGTERM may be a cancellation or a preemption, which Slurm itself puts back: it saves a checkpoint and goes on until
    the job is killed.
    """

    run: Path

    def __call__(self) -> None:
        """Work until the run ends.

        Raises:
            RuntimeError: it failed; submitit then lets the job fail.
        """
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        from irltui.engine.__main__ import main

        limit = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        put_back: Any = signal.getsignal(limit)  # submitit's: pickles this anew, has the job queued again and exits
        if JobEnvironment().num_tasks > 1:
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        save = tuple({signal.SIGTERM, signal.SIGUSR1} - {limit})
        code = main([str(self.run)], Signals(leave=(limit,), save=save), keeps_console=True)
        if code == EXIT_PREEMPTED:
            put_back(limit, None)
        elif code != EXIT_OK:
            raise RuntimeError(f"{self.run}: the engine ended with exit code {code}; `irltui show` tells why")

    def checkpoint(self) -> Any:
        """What submitit is to start next time: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

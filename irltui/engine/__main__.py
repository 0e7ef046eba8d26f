"""`python -m irltui.engine RUN`: train the run of a folder to its end, or continue it. Started by the CLI."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from irltui.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, IrltuiError
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.lock import hold
from irltui.runs.status import State
from irltui.runs.writer import RunWriter


def main(arguments: list[str]) -> int:
    """Run the engine in one folder and return the process's exit code."""
    if len(arguments) != 1:
        print("usage: python -m irltui.engine RUN", file=sys.stderr)  # noqa: T201 - the console of a process
        return EXIT_USAGE
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        run = open_run_folder(Path(arguments[0]))
        with hold(run), RunWriter(run) as writer:
            return _work(run, writer)
    except IrltuiError as error:
        print(f"irltui: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _work(run: RunFolder, writer: RunWriter) -> int:
    """Every way a run may end is one run_end event and one exit code."""
    from irltui.engine.safepoint import SafePoint, Stop
    from irltui.engine.session import train

    writer.status(now=True, state=State.STARTING)
    safepoint = SafePoint(run, writer)
    safepoint.install()
    try:
        train(run, writer, safepoint)
        state, reason, hint, code = State.FINISHED, "", "", EXIT_OK
    except Stop as stop:
        state, reason, hint, code = stop.state, stop.reason, "Continue with: irltui run --resume RUN", stop.exit_code
    except IrltuiError as error:
        state, reason, hint, code = State.FAILED, error.message, error.hint, error.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence: every end is told
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        state, hint, code = State.FAILED, "This is a fault of irltui or a plugin: see console.log.", EXIT_FAILED
    writer.write(Kind.RUN_END, state=state, reason=reason, hint=hint, exit_code=code)
    writer.status(now=True, state=state, phase="end", reason=reason)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

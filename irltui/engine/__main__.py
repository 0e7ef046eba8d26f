"""`python -m irltui.engine RUN`: train the run of a folder to its end, or continue it. Started by the CLI."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from irltui.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, IrltuiError, RunFolderError
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.lock import hold
from irltui.runs.status import State
from irltui.runs.writer import RunWriter
from irltui.text import masked


def main(arguments: list[str]) -> int:
    """Run the engine in one folder and return the process's exit code."""
    if len(arguments) != 1:
        _print("usage: python -m irltui.engine RUN")
        return EXIT_USAGE
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        run = open_run_folder(Path(arguments[0]))
        with hold(run), RunWriter(run) as writer:
            return _work(run, writer)
    except IrltuiError as error:
        _print(f"irltui: {error}")
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
        _print(traceback.format_exc())
        reason = f"{type(error).__name__}: {error}"
        state, hint, code = State.FAILED, "This is a fault of irltui or a plugin: see console.log.", EXIT_FAILED
    return _say_goodbye(writer, code, state=state, reason=reason, hint=hint)


def _say_goodbye(writer: RunWriter, code: int, **fields: Any) -> int:
    """Tell how the run ended; on the console, where the run folder takes no more."""
    try:
        writer.write(Kind.RUN_END, **fields, exit_code=code)
        writer.status(now=True, state=fields["state"], phase="end", reason=fields["reason"])
    except RunFolderError as error:
        told = [fields["reason"], fields["hint"], *([] if error.message == fields["reason"] else [str(error)])]
        _print("irltui: " + "\n".join(filter(None, told)))
        return code or EXIT_FAILED
    return code


def _print(text: str) -> None:
    """To the console of the process, which may be a file on a full disk or a terminal that has gone."""
    with suppress(OSError):
        print(masked(text), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

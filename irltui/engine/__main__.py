"""`python -m irltui.engine RUN`: train the run of a folder to its end, or continue it. Started by the CLI.

One process, or each of those that a launcher started: the first holds the folder's lock and writes.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from irltui.distributed import launch
from irltui.distributed.presence import RankEnd, console_of, leave_word, missing, present
from irltui.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, IrltuiError, RunFolderError, TrainingError
from irltui.runs.deadline import Deadline
from irltui.runs.events import Log, RunEnd
from irltui.runs.folder import RunFolder, open_own, open_run_folder
from irltui.runs.lock import hold
from irltui.runs.status import State, read_status
from irltui.runs.writer import RunWriter, SilentWriter
from irltui.text import masked

if TYPE_CHECKING:
    from irltui.engine.safepoint import Stop


@dataclass(frozen=True)
class End:
    """How a run ended, and what to do next."""

    state: State
    reason: str
    hint: str
    code: int
    followed: bool = False
    """Another rank had left."""


def main(arguments: list[str], signals: launch.Signals = launch.USUAL, *, keeps_console: bool = False) -> int:
    """Run the engine in one folder and return the process's exit code.

    Args:
        arguments: the folder.
        signals: what ends the run, and what saves a checkpoint.
        keeps_console: put what is printed into the folder, as under a launcher: nobody else does.
    """
    if len(arguments) != 1:
        _print("usage: python -m irltui.engine RUN")
        return EXIT_USAGE
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    rank = launch.rank()
    try:
        run = open_run_folder(Path(arguments[0]))
        with ExitStack() as stack:
            notice = stack.enter_context(hold(run)) if rank == 0 else ""
            if keeps_console or launch.under_launcher():
                stack.enter_context(_console(run, rank))
            if launch.under_launcher():
                stack.enter_context(present(run, rank))
            writer = stack.enter_context(SilentWriter() if rank else RunWriter(run))
            if notice:
                writer.write(Log("warning", notice))
            end = _work(run, writer, signals)
            if launch.under_launcher():
                leave_word(run, RankEnd(rank, os.getpid(), os.uname().nodename, end.reason, end.followed))
        if rank == 0 and (keeps_console or launch.under_launcher()):
            _print(f"irltui: {run.path}: {': '.join(filter(None, (end.state, end.reason)))}\n{end.hint}".rstrip())
    except IrltuiError as error:
        _print(f"irltui: {error}")
        return error.exit_code
    return end.code


@contextmanager
def _console(run: RunFolder, rank: int) -> Generator[None]:
    """While inside, what this process prints goes to the run folder, native libraries included."""
    if rank:
        run.ranks.mkdir(mode=0o700, exist_ok=True)
    before = [os.dup(descriptor) for descriptor in (1, 2)]
    with os.fdopen(open_own(console_of(run, rank), os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        sys.stdout.flush()
        for descriptor, old in zip((1, 2), before, strict=True):
            os.dup2(old, descriptor)
            os.close(old)


def _work(run: RunFolder, writer: RunWriter, signals: launch.Signals) -> End:
    """Every way a run may end is one run_end event and one exit code."""
    from irltui.distributed.ranks import RankLostError, leave
    from irltui.engine.preparation import watched
    from irltui.engine.safepoint import SafePoint, Stop, stop_before, stop_for
    from irltui.engine.session import train

    deadline = Deadline.known() if launch.rank() == 0 else None
    safepoint = SafePoint(run, writer, deadline)
    safepoint.install(signals)
    writer.status(now=True, state=State.STARTING)

    def leave_now(end: End) -> None:
        os._exit(_reported(writer, end).code)

    try:
        with watched(
            signals,
            safepoint.deadline,
            end_by_signal=lambda number: leave_now(_stopped(stop_for(number))),
            end_in_time=lambda: leave_now(_stopped(stop_before(safepoint.deadline))),
            end_alone=lambda: leave_now(_not_all_came(run)),
        ) as preparation:
            train(run, writer, safepoint, preparation)
        end = End(State.FINISHED, "", "", EXIT_OK)
    except Stop as stop:
        end = _stopped(stop)
    except RankLostError as error:
        end = _rank_lost(run, error)
    except IrltuiError as error:
        end = _foreseen(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: every end is reported
        _print(traceback.format_exc())
        end = _unforeseen(run, error)
    end = _reported(writer, end)
    if end.state is not State.FAILED:
        leave()  # the end is written by now: launchers end the rest when the first process goes
    return end


def _foreseen(error: IrltuiError) -> End:
    if isinstance(error, TrainingError) and error.__cause__ is not None:  # code of a plugin or a user raised
        _print(traceback.format_exc())
    return End(State.FAILED, error.message, error.hint, error.exit_code)


def _unforeseen(run: RunFolder, error: Exception) -> End:
    from irltui.engine.exhausted import LOWER, OUT, ran_out

    if ran_out(error):
        phase = read_status(run).phase or "prepare"
        hint = f"{LOWER} Start from RUN/run.json with --set: --resume would run out again."
        return End(State.FAILED, f"{OUT} in phase {phase}", hint, EXIT_FAILED)
    return End(State.FAILED, f"{type(error).__name__}: {error}", _cause(error), EXIT_FAILED)


def _cause(error: Exception) -> str:
    """What to do about an error that nothing foresaw, by the code that it came through."""
    modules = {str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)}
    if any(name.startswith("transformers_modules.") for name in modules):
        return "The Python code that comes with the model raised this: see console.log, and ask the model's authors."
    if any(name.startswith("transformers.models.") for name in modules):
        return "transformers raised this while it computed with the model: see console.log. Does its config.json fit?"
    return "The traceback is in console.log. If it names no plugin of yours, please report it with that file."


def _stopped(stop: Stop) -> End:
    return End(stop.state, stop.reason, "Continue with: irltui run --resume RUN", stop.exit_code)


def _not_all_came(run: RunFolder) -> End:
    """Some ranks have not started; who they are can be seen in the run folder, which all share."""
    from irltui.engine.preparation import MEETING_PATIENCE

    count = int(os.environ.get("WORLD_SIZE", "1"))
    absent = [str(end.rank) for end in missing(run, count, launch.rank())]
    reason = (
        f"rank {', '.join(absent) or 'of another process'} of {count} has not joined after {MEETING_PATIENCE:.0f} s"
    )
    hint = (
        "Was every process started, with the same MASTER_ADDR and MASTER_PORT? Start all of them again with --resume."
    )
    return End(State.FAILED, reason, hint, EXIT_FAILED)


def _reported(writer: RunWriter, end: End) -> End:
    """Report how the run ended; on the console if the run folder cannot be written."""
    try:
        writer.write(RunEnd(end.state, end.reason, end.hint, end.code))
        writer.status(now=True, state=end.state, phase="end", reason=end.reason)
    except RunFolderError as error:
        lines = [end.reason, end.hint, *([] if error.message == end.reason else [str(error)])]
        _print("irltui: " + "\n".join(filter(None, lines)))
        return replace(end, code=end.code or EXIT_FAILED)
    return end


def _rank_lost(run: RunFolder, error: IrltuiError) -> End:
    from irltui.distributed import ranks
    from irltui.engine.exhausted import LOWER, OUT

    _print(traceback.format_exc())
    gone = missing(run, ranks.count(), ranks.index())
    reason = f"another process left: {gone[0]}" if gone else error.message
    hint = "Relaunch with --resume, on as many processes or another number; what each printed is in ranks/."
    if OUT in reason:
        hint = f"{LOWER} Start from RUN/run.json with --set: --resume would run out again."
    return End(State.FAILED, reason, hint, EXIT_FAILED, followed=True)


def _print(text: str) -> None:
    """To the console of the process, which may be a file on a full disk or a terminal that has gone."""
    with suppress(OSError):
        print(masked(text), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

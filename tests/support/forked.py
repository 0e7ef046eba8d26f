"""irltui's processes forked from this one, which has imported torch and transformers: it saves them the seconds.

`start` is the real command line, and what it starts (engine, use) are processes, too; only their imports are shared.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

_OURS = ("irltui", "irltui.engine", "irltui.use")
_NEEDED = (
    "irltui.cli.main",
    "irltui.engine.session",
    "irltui.preflight.command",
    "irltui.use.bench",
    "irltui.use.export",
    "irltui.use.plugin_check",
    "irltui.use.triage",
)
_DESCRIPTORS = 4096


class Forked(subprocess.Popen):
    """A process that was not started anew, where it is one of irltui's."""

    def __init__(self, arguments: Any, *args: Any, env: Mapping[str, str] | None = None, **options: Any) -> None:
        module, rest = _module(arguments)
        if module:
            options["preexec_fn"] = partial(_become, module, rest, env)
            env = None
        super().__init__(arguments, *args, env=env, **options)


def preload() -> None:
    """Import what the processes will need."""
    for module in _NEEDED:
        importlib.import_module(module)


def start(words: Sequence[str], *, cwd: Path, said: Path, **environment: str) -> subprocess.Popen[bytes]:
    """`irltui WORDS` in a folder; what it says goes to `said` and, of errors, to the file beside it."""
    names = {**os.environ, "NO_COLOR": "1", **environment}
    command = [sys.executable, "-u", "-m", "irltui", *words]
    with said.open("wb") as out, said.with_suffix(".err").open("wb") as err:
        return Forked(command, cwd=cwd, env=names, stdin=subprocess.DEVNULL, stdout=out, stderr=err)


def _module(arguments: Any) -> tuple[str, list[str]]:
    words = [str(word) for word in arguments] if isinstance(arguments, (list, tuple)) else []
    options = [word for word in words[1:4] if word in {"-P", "-u"}]
    at = 1 + len(options)
    if words[:1] != [sys.executable] or words[at : at + 1] != ["-m"] or words[at + 1] not in _OURS:
        return "", []
    return words[at + 1], words[at + 2 :]


def _become(module: str, arguments: list[str], environment: Mapping[str, str] | None) -> None:
    """Be that module's process, to its end: this is called in a new process before it would start a program."""
    os.closerange(3, _DESCRIPTORS)  # with them the pipe on which the parent waits for the program to start
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (open(number, "w", 1, closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = [module, *arguments]
    subprocess.Popen = Forked  # type: ignore[misc]
    os.execv = _execv  # type: ignore[assignment]
    _follow_environment()
    code = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a process tells every end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _execv(path: str, arguments: list[str]) -> None:
    module, rest = _module(arguments)
    assert module, arguments
    _become(module, rest, None)


def _follow_environment() -> None:
    """What libraries took from the environment when they were imported."""
    import huggingface_hub.constants as hub

    hub.ENDPOINT = os.environ.get("HF_ENDPOINT", hub.ENDPOINT)
    hub.HF_HUB_OFFLINE = os.environ.get("HF_HUB_OFFLINE", "") == "1"

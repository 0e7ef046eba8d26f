"""`python -m irltui.use FILE`: run the command requested in FILE (see `irltui.config.requests`)."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

from irltui.config.requests import COMMANDS, Request
from irltui.console import is_verbose
from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, IrltuiError
from irltui.text import safe

MODULES = {
    "check": "irltui.preflight.command",
    "inspect": "irltui.preflight.inspect_data",
    "plugin": "irltui.use.plugin_check",
}
"""Modules of commands that are not in `irltui.use` under their own name."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m irltui.use FILE", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        command, request = read_request(Path(arguments[0]))
        importlib.import_module(MODULES.get(command, f"irltui.use.{command}")).main(request)
    except IrltuiError as error:
        if is_verbose():
            traceback.print_exc()
        hint = f"\nhint: {error.hint}" if error.hint else ""
        print(safe(f"error: {error.message}{hint}", lines=True, limit=1 << 16), file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - every failure is reported
        return _unforeseen(error)
    return EXIT_OK


def _unforeseen(error: Exception) -> int:
    from irltui.engine.exhausted import ran_out

    if ran_out(error):
        told = "error: out of memory\nhint: Lower --batch or loop.micro_batch, sampler.slots or the lengths in [data]."
        print(told, file=sys.stderr)  # noqa: T201
    else:
        traceback.print_exception(error)
    return EXIT_FAILED


def read_request(file: Path) -> tuple[str, Request]:
    """Read and delete the file; return the command's name and its request."""
    text = file.read_text(encoding="utf-8")
    file.unlink()
    ((command, values),) = json.loads(text).items()
    return command, COMMANDS[command].model_validate(values)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

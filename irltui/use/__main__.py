"""`python -m irltui.use COMMAND OPTIONS`: one command on what a run learned. Started by the command line."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback

from irltui.console import is_verbose
from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, IrltuiError
from irltui.text import safe

COMMANDS: dict[str, str] = {
    "check": "irltui.preflight.command",
    "inspect": "irltui.preflight.inspect_data",
    "plugin": "irltui.use.plugin_check",
    **{name: f"irltui.use.{name}" for name in ("bench", "debug", "export", "sample", "score", "triage")},
}
"""Module of each command; its `main` takes the command's options as keywords."""


def main(arguments: list[str]) -> int:
    """Run one command and return the process's exit code."""
    if len(arguments) != 2 or arguments[0] not in COMMANDS:
        print(f"usage: python -m irltui.use {'|'.join(COMMANDS)} OPTIONS_AS_JSON", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        importlib.import_module(COMMANDS[arguments[0]]).main(**json.loads(arguments[1]))
    except IrltuiError as error:
        if is_verbose():
            traceback.print_exc()
        hint = f"\nhint: {error.hint}" if error.hint else ""
        print(safe(f"error: {error.message}{hint}", lines=True, limit=1 << 16), file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 - the last line of defence: every end is told
        traceback.print_exc()
        return EXIT_FAILED
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

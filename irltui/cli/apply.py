"""Commands that use what a run learned: checked here, done by `irltui.apply`, which this process becomes."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn


def become(command: str, **options: Any) -> NoReturn:
    """Replace this process by the one that does the command; options go as JSON."""
    line = [sys.executable, "-u", "-m", "irltui.apply", command, json.dumps(options, default=str)]
    os.execv(line[0], line)  # noqa: S606

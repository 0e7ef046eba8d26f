"""`irltui debug batch`: recompute a failed step in a worker with torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Json, Plugins, TrustCode


def debug_batch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RUN/faults/NAME, as printed by the failed run.")],
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Recompute a failed step, and show which response, parameter or gradient is not finite.

    Examples:
      irltui debug batch runs/first/faults/0001-000004
      irltui debug batch runs/first/faults/0001-000004 --json
    """
    from irltui.cli.worker import work
    from irltui.config.requests import DebugRequest

    sys.exit(work(DebugRequest(folder=folder, as_json=as_json)))

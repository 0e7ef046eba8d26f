"""`irltui debug batch`: recompute a failed step in a worker with torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Json, TrustCode, TrustedPlugins


def debug_batch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="RUN/faults/NAME, as printed by the failed run.")],
    plugins: TrustedPlugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Recompute a failed step, and show which response, parameter or gradient is not finite.

    Examples:
      irltui debug batch runs/first/faults/0001-000004
      irltui debug batch runs/first/faults/0001-000004 --json
    """
    from irltui.cli.worker import become
    from irltui.config.requests import DebugRequest

    become(DebugRequest(folder=folder, as_json=as_json))

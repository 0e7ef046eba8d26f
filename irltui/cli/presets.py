"""`irltui presets`."""

from __future__ import annotations

from irltui.cli.options import Json
from irltui.console import columns, out, out_json


def presets(as_json: Json = False) -> None:
    """List the presets.

    Examples:
      irltui presets
      irltui presets --json
    """
    from irltui.config import presets as known

    found = known.presets()
    if as_json:
        out_json([{"name": name, "description": text} for name, text in found.items()])
    else:
        out(columns([[name, text] for name, text in found.items()]))

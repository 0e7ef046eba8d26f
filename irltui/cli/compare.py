"""`irltui compare`: several runs side by side, as text or as JSON."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from irltui.cli.options import Json, Several
from irltui.console import out_json
from irltui.errors import ConfigError

_WIDTH = 120  # columns, where there is no terminal


def compare(
    runs: Several,
    samples: Annotated[int, typer.Option("--samples", min=0, metavar="N", help="Number of prompts to show.")] = 3,
    as_json: Json = False,
) -> None:
    """Compare runs: configuration, metrics with intervals, curves, samples.

    Runs that differ only in their seed form one arm. Intervals are over stored held-out items, otherwise over seeds.

    Examples:
      irltui compare runs/sft runs/irft
      irltui compare runs/quickstart              the arms of a study
      irltui compare runs/a runs/b --samples 0 --json
    """
    from rich.console import Console
    from rich.text import Text

    from irltui.views.compared import as_dict, compared
    from irltui.views.comparison import comparison_text
    from irltui.views.loaded_runs import load_runs
    from irltui.views.spans import as_text
    from irltui.views.study import result_in

    loaded = load_runs(runs)
    if len(loaded) < 2:
        raise ConfigError(
            "compare: at least two runs are needed",
            "Name two runs or more, or a study: irltui compare runs/a runs/b",
        )
    comparison = compared(loaded, samples)
    result = result_in(runs[0]) if len(runs) == 1 else None
    if as_json:
        out_json({**as_dict(comparison), "study": result and result.as_dict()})
        return
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    study = [*map(as_text, result.rows(width)), Text()] if result is not None else []
    for line in [*study, *comparison_text(comparison, width)]:
        console.print(line, soft_wrap=True)

"""Arguments and options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A preset, a TOML file, or RUN/run.json to repeat a run.")
]
Model = Annotated[str, typer.Option("--model", metavar="M", help="Hub name, model folder, or a finished run's folder.")]
Data = Annotated[str, typer.Option("--data", metavar="D", help="Hub name, or a JSONL, Parquet, CSV or Arrow file.")]
Preset = Annotated[str, typer.Option("--preset", metavar="P", help="A preset that lies under a TOML file.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one value, such as loop.batch=8; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Order of the data and everything drawn.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file with a plugin of your own; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Reading = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="How the data is read, such as data.split=test; repeatable."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="F", help="JSONL file; default: in RUN/applied/.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Responses a forward pass; rewards do not depend on it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin anew, whatever the output holds.")]

"""Arguments and options shared by several commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def _presets_and_files(incomplete: str) -> list[str]:
    from irltui.config.presets import presets

    files = [path for path in _paths(incomplete) if path.endswith(("/", ".toml", "run.json"))]
    return [name for name in presets() if name.startswith(incomplete)] + files


def _runs(incomplete: str) -> list[str]:
    """Matching folders; only runs if there are any."""
    folders = [path for path in _paths(incomplete or "runs/") if path.endswith("/")]
    runs = [path.rstrip("/") for path in folders if (Path(path) / "run.json").is_file()]
    return runs or folders


def _paths(incomplete: str) -> list[str]:
    """Matching files, and folders with a slash."""
    above, _, name = incomplete.rpartition("/")
    shown = incomplete[: len(incomplete) - len(name)]
    try:
        entries = sorted(Path(above or ("/" if shown else ".")).expanduser().iterdir())
    except OSError:
        return []
    found = (entry for entry in entries if entry.name.startswith(name) and (name or not entry.name.startswith(".")))
    return [f"{shown}{entry.name}{'/' if entry.is_dir() else ''}" for entry in found]


def _trust_files(files: list[Path] | None) -> list[Path] | None:
    if files:
        from irltui.api.registry import read_plugin_file
        from irltui.config.trust import file_mark, trust

        trust(*(file_mark(read_plugin_file(file).source) for file in files))
    return files


def _trust_code(value: bool) -> bool:
    if value:
        from irltui.config.trust import TRUST_ALL

        os.environ[TRUST_ALL] = "1"
    return value


Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A preset, a TOML file, or RUN/run.json to repeat a run.",
        autocompletion=_presets_and_files,
    ),
]
Model = Annotated[str, typer.Option("--model", metavar="M", help="Hub name, model folder, or a finished run's folder.")]
Data = Annotated[str, typer.Option("--data", metavar="D", help="Hub name, or a JSONL, Parquet, CSV or Arrow file.")]
Preset = Annotated[str, typer.Option("--preset", metavar="P", help="A preset that the TOML file builds on.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one value, such as loop.batch=8; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of data order and sampling.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="A Python file with a plugin, which you trust; repeatable.",
        callback=_trust_files,
    ),
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code", help="Run the plugin files and model code that the configuration names.", callback=_trust_code
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.", autocompletion=_runs)]
Reading = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Option for reading the data, such as data.split=test; repeatable."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="F", help="JSONL file; default: in RUN/applied/.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Responses per forward pass; rewards do not depend on it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Start over, and replace existing output.")]
Several = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or of a study.")]

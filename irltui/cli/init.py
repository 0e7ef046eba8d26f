"""`irltui init`: ask for model and data, inspect them in a worker, write a starting configuration."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irltui.cli.options import Data, Model
from irltui.console import columns, complain, talk
from irltui.console import out as say
from irltui.errors import EXIT_OK, ConfigError, DataError
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.cli.init_text import Asked

ALGORITHMS = ("sft", "dft", "irft", "spin", "contrast", "nce", "few", "rft")


def init(  # noqa: PLR0913 - an option each
    model: Model = "",
    data: Data = "",
    algorithm: Annotated[str, typer.Option("--algorithm", metavar="A", help=f"One of {', '.join(ALGORITHMS)}.")] = "",
    prompt: Annotated[str, typer.Option("--prompt", metavar="COLUMN", help="The column with the prompts.")] = "",
    completion: Annotated[
        str, typer.Option("--completion", metavar="COLUMN", help="The column with the answers.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The TOML file to write.")] = Path("irltui.toml"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, and accept all guesses.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Inspect model and data, and write a starting configuration with a reason for each value.

    Asks for missing options on a terminal. Guesses columns with unusual names, and shows them.

    Examples:
      irltui init
      irltui init --model M --data demos.csv --yes
      irltui init --model M --data D --algorithm rft --out rft.toml
      irltui init --model M --data D --prompt frage --completion antwort
    """
    from irltui.cli.init_text import Asked, config_text

    if out.suffix != ".toml":
        raise ConfigError(f"--out {safe(out)}: not a TOML file", "Give it a name that ends in .toml.")
    if out.exists() and not force:
        raise ConfigError(f"--out {safe(out)}: already exists", "Choose another --out, or add --force.")
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    given = Asked(model, data, algorithm, {"prompt": prompt, "completion": completion})
    asked = _completed(given, asks=asks)
    found = _look(asked)
    if not found["known"]:
        asked = replace(asked, columns=_columns(found, asks=asks, yes=yes))
        if asked.columns != found["guess"]:
            found = _look(asked)  # with the columns that were chosen
    if not found["lengths"]:
        reasons = found["unusable"]
        raise DataError(
            f"{safe(asked.data)}: none of the first {found['rows']} rows can be used",
            f"Most common reason: {safe(max(reasons, key=reasons.get), limit=300)}."
            if reasons
            else "Give --prompt NAME --completion NAME.",
        )
    _write(out, config_text(asked, found))
    _tell(out, found)


def _write(file: Path, text: str) -> None:
    from irltui.config.layers import file_layer
    from irltui.config.load import load_layers
    from irltui.runs.durable import replace_file

    load_layers([file_layer(safe(file), text)])  # it must be valid as it is
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode())
    except OSError as error:
        raise ConfigError(f"--out {safe(file)}: cannot be written: {safe(error)}", "Choose another --out.") from error


def _completed(given: Asked, *, asks: bool) -> Asked:
    """With what is missing asked for."""
    from irltui.config.presets import presets

    if given.algorithm not in {"", *ALGORITHMS}:
        raise ConfigError(f"--algorithm {safe(given.algorithm)}: must be one of {', '.join(ALGORITHMS)}")
    missing = [f"--{name}" for name in ("model", "data") if not getattr(given, name)]
    if missing and not asks:
        raise ConfigError(
            f"init: {' and '.join(missing)} missing, and there is no terminal to ask on",
            "Such as: irltui init --model HuggingFaceTB/SmolLM2-135M --data demos.csv",
        )
    model = given.model or _ask("Model (hub name, folder, or a run's folder)")
    data = given.data or _ask("Demonstrations (JSONL, CSV, Parquet, Arrow or hub name)")
    algorithm = given.algorithm or "irft"
    if not given.algorithm and asks:
        complain(columns([[name, presets()[name]] for name in ALGORITHMS]))
        algorithm = _choose("Algorithm", ALGORITHMS, "irft")
    return replace(given, model=model, data=data, algorithm=algorithm)


def _ask(question: str, default: str | None = None) -> str:
    try:
        return str(typer.prompt(question, default=default, err=True)).strip()
    except typer.Abort:  # Ctrl-C, or the input has ended
        complain("\nstopped: nothing was written")
        raise KeyboardInterrupt from None


def _choose(question: str, among: Collection[str], default: str | None = None) -> str:
    while (answer := _ask(question, default)) not in among:
        complain(f"{safe(answer, limit=60)}: must be one of {', '.join(safe(name, limit=40) for name in among)}")
    return answer


def _look(asked: Asked) -> dict[str, Any]:
    """What the inspecting process finds; where it fails, so does this one."""
    from irltui.cli.worker import ask
    from irltui.config.requests import InspectRequest

    named = {key: name for key, name in asked.columns.items() if name}
    code, found = ask(InspectRequest(model=asked.model, data={"source": asked.data, "columns": named}))
    if code != EXIT_OK:
        sys.exit(code)
    return found


def _columns(found: Mapping[str, Any], *, asks: bool, yes: bool) -> dict[str, str]:
    """The columns to read, chosen or guessed, where none has a usual name."""
    complain(safe(found["problem"], limit=600))
    for fields in found["fields"]:
        complain(columns([[safe(name, limit=40), safe(text, limit=70)] for name, text in fields.items()]))
    guess: dict[str, str] = found["guess"]
    if asks:
        questions = {"prompt": "Column with the prompts", "completion": "Column with the answers"}
        return {key: _choose(words, found["columns"], guess[key] or None) for key, words in questions.items()}
    words = " ".join(f"--{key} '{safe(guess[key])}'" for key in ("prompt", "completion"))
    if not all(guess.values()):
        raise DataError("which columns hold prompt and answer?", "Give --prompt NAME --completion NAME.")
    if not yes:
        raise DataError("which columns hold prompt and answer?", f"Perhaps {words}; --yes accepts these.")
    talk(f"using {words}")
    return guess


def _line(text: str) -> str:
    return safe(" ".join(text.split()), limit=100)


def _tell(file: Path, found: Mapping[str, Any]) -> None:
    path = safe(file)
    talk(safe(found["known"], limit=400))
    for prompt, completion in found["shown"]:
        complain(columns([["  prompt", _line(prompt)], ["  answer", _line(completion)]]))
    for reason, count in found["unusable"].items():
        talk(f"{count} of {found['rows']} rows cannot be used: {safe(reason, limit=300)}")
    for finding in found["findings"]:
        talk(safe(f"{finding['level']}: {finding['key']}: {finding['text']}", limit=600))
    if found["template"] == "none":
        talk(
            f"the model has no chat template, so prompt and answer are concatenated; {path} shows how to put a "
            f"line break between them"
        )
    say(f"wrote {path}\nnext       irltui check {path}\nthen       irltui run {path}")

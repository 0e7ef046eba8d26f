"""`irltui init`: ask for model and data, inspect them in a worker, write a starting configuration."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irltui.cli.options import Data, Model
from irltui.console import columns, complain, out, talk
from irltui.errors import EXIT_OK, ConfigError, DataError
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.cli.init_text import Begun

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
    sys.exit(_init(_Asked(model, data, algorithm, prompt, completion, out, yes, force)))


@dataclass(frozen=True)
class _Asked:
    """The given options; "" is asked for."""

    model: str
    data: str
    algorithm: str
    prompt: str
    completion: str
    out: Path
    yes: bool
    force: bool


def _init(request: _Asked) -> int:
    """Ask, look, write; the exit code."""
    from irltui.cli.init_text import config_text
    from irltui.config.layers import file_layer
    from irltui.config.load import load_layers
    from irltui.runs.durable import replace_file

    if request.out.suffix != ".toml":
        raise ConfigError(f"--out {safe(request.out)}: not a TOML file", "Give it a name that ends in .toml.")
    if request.out.exists() and not request.force:
        raise ConfigError(f"--out {safe(request.out)}: already exists", "Choose another --out, or add --force.")
    request = _asked(request)
    code, found = _look(request)
    if code != EXIT_OK:
        return code
    request = _with_columns(request, found)
    if not found["known"] and (request.prompt, request.completion) != tuple(found["guess"].values()):
        code, found = _look(request)  # with the columns that were chosen
        if code != EXIT_OK:
            return code
    text = config_text(_begun(request, found))
    load_layers([file_layer(safe(request.out), text)])  # it must be valid as it is
    try:
        request.out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(request.out, text.encode())
    except OSError as error:
        raise ConfigError(
            f"--out {safe(request.out)}: cannot be written: {safe(error)}", "Choose another --out."
        ) from error
    _tell(request, found)
    return EXIT_OK


def _asked(request: _Asked) -> _Asked:
    """The request with missing answers asked for."""
    from irltui.config.presets import presets

    if request.algorithm not in {"", *ALGORITHMS}:
        raise ConfigError(f"--algorithm {safe(request.algorithm)}: must be one of {', '.join(ALGORITHMS)}")
    missing = [f"--{name}" for name in ("model", "data") if not getattr(request, name)]
    if missing and not _can_ask(request):
        raise ConfigError(
            f"init: {' and '.join(missing)} missing, and there is no terminal to ask on",
            "Such as: irltui init --model HuggingFaceTB/SmolLM2-135M --data demos.csv",
        )
    model = request.model or _ask("Model (hub name, folder, or a run's folder)")
    data = request.data or _ask("Demonstrations (JSONL, CSV, Parquet, Arrow or hub name)")
    algorithm = request.algorithm or "irft"
    if not request.algorithm and _can_ask(request):
        complain(columns([[name, presets()[name]] for name in ALGORITHMS]))
        algorithm = _choose("Algorithm", ALGORITHMS, "irft")
    return replace(request, model=model, data=data, algorithm=algorithm)


def _can_ask(request: _Asked) -> bool:
    return not request.yes and sys.stdin.isatty() and sys.stderr.isatty()


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


def _look(request: _Asked) -> tuple[int, dict[str, Any]]:
    """The exit code of the inspecting process, and its findings."""
    from irltui.cli.worker import ask
    from irltui.config.requests import InspectRequest

    named = {key: value for key in ("prompt", "completion") if (value := getattr(request, key))}
    return ask(InspectRequest(model=request.model, data={"source": request.data, "columns": named}))


def _with_columns(request: _Asked, found: Mapping[str, Any]) -> _Asked:
    """The request with columns chosen, where none has a usual name."""
    if found["known"]:
        return request
    complain(safe(found["problem"], limit=600))
    for fields in found["fields"]:
        complain(columns([[safe(name, limit=40), safe(text, limit=70)] for name, text in fields.items()]))
    guess = found["guess"]
    if _can_ask(request):
        names = found["columns"]
        prompt = _choose("Column with the prompts", names, guess["prompt"] or None)
        completion = _choose("Column with the answers", names, guess["completion"] or None)
        return replace(request, prompt=prompt, completion=completion)
    words = " ".join(f"--{key} '{safe(guess[key])}'" for key in ("prompt", "completion"))
    if not all(guess.values()):
        raise DataError("which columns hold prompt and answer?", "Give --prompt NAME --completion NAME.")
    if not request.yes:
        raise DataError("which columns hold prompt and answer?", f"Perhaps {words}; --yes accepts these.")
    talk(f"using {words}")
    return replace(request, prompt=guess["prompt"], completion=guess["completion"])


def _line(text: str) -> str:
    return safe(" ".join(text.split()), limit=100)


def _begun(request: _Asked, found: Mapping[str, Any]) -> Begun:
    from irltui.cli.init_text import Begun

    lengths = found["lengths"]
    if not lengths:
        raise DataError(
            f"{safe(request.data)}: none of the first {found['rows']} rows can be used",
            f"Most common reason: {safe(max(reasons, key=reasons.get), limit=300)}."
            if (reasons := found["unusable"])
            else "Give --prompt NAME --completion NAME.",
        )
    return Begun(
        request.model,
        request.data,
        request.algorithm,
        {"prompt": request.prompt, "completion": request.completion},
        template=found["template"],
        held_out=found["held_out"],
        rows=found["rows"] if found["is_all"] else 0,
        prompt_lengths=tuple(sorted(length[0] for length in lengths)),
        response_lengths=tuple(sorted(length[1] for length in lengths)),
    )


def _tell(request: _Asked, found: Mapping[str, Any]) -> None:
    path = safe(request.out)
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
    out(f"wrote {path}\nnext       irltui check {path}\nthen       irltui run {path}")

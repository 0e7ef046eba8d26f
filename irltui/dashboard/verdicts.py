"""The eight fields of a new run, and what is said about each while it is typed. Pure but for a look at the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from irltui.dashboard.data_peek import Peek, guessed
from irltui.dashboard.form import Form
from irltui.text import safe

METHOD, MODEL, DATA, PROMPT, ANSWER, RATE, OUTER, NAME = (
    "method", "model", "data", "prompt", "answer", "rate", "outer", "name",
)  # fmt: skip
OK, MISSING, WRONG, DOUBT = "✓", "·", "×", "!"
INKS = {OK: "good", MISSING: "muted", WRONG: "bad", DOUBT: "warn"}
METHODS = {
    "irft": "learns a reward, improves the model by it",
    "sft": "imitates the answers: the usual start",
    "rft": "a reward model of its own, then policy steps",
    "spin": "IRFT with generations sampled once a pass",
    "quickstart": "the embedded study: SFT, then IRFT beside more SFT",
    "quickstart-rft": "the embedded study with a reward model of its own",
}
_HIGH = 1e-5  # above it full fine-tuning of a model of 1B or more usually diverges


@dataclass(frozen=True)
class Field:
    """One field: its name, and the key of the configuration that it sets, "" for none."""

    id: str
    name: str
    key: str = ""


FIELDS = (
    Field(METHOD, "Method"),
    Field(MODEL, "Model", "model.name"),
    Field(DATA, "Data", "data.source"),
    Field(PROMPT, "Prompt column", "data.columns.prompt"),
    Field(ANSWER, "Answer column", "data.columns.completion"),
    Field(RATE, "Learning rate", "optimizer.learning_rate"),
    Field(OUTER, "Iterations", "loop.outer_iterations"),
    Field(NAME, "Name"),
)
TEXTS = {MODEL, DATA, PROMPT, ANSWER}
"""Fields whose text is a string whatever it looks like."""


@dataclass(frozen=True)
class Verdict:
    """A mark and a few words."""

    mark: str
    words: str


def verdicts(form: Form, values: Mapping[str, str], problems: list[str], found: Peek, name: str) -> dict[str, Verdict]:
    """What is said about each field.

    Args:
        form: as it is filled in.
        values: key -> value of the configuration, as TOML, typed or not.
        problems: of the form.
        found: of the data.
        name: of the run.
    """
    made = {METHOD: Verdict("", METHODS.get(form.preset, "another configuration, as it is"))}
    for field in FIELDS:
        if not field.key:
            continue
        problem = next((line for line in problems if f"{field.key}:" in line), "")
        if problem and (field.key in form.typed or values.get(field.key)):
            made[field.id] = Verdict(WRONG, safe(problem.partition(f"{field.key}:")[2].strip() or problem))
    values = {field.id: values.get(field.key, "").strip('"') for field in FIELDS if field.key}
    for id_, said in (
        (MODEL, _model(values[MODEL])),
        (DATA, _data(values[DATA], found)),
        (RATE, _rate(values[RATE])),
        (OUTER, _outer(values[OUTER])),
        *((column, _column(column, form, found)) for column in (PROMPT, ANSWER)),
        (NAME, _name(name)),
    ):
        made.setdefault(id_, said)
    return made


def _model(value: str) -> Verdict:
    if not value:
        return Verdict(MISSING, "a Hub name, a folder, or a finished run")
    if value == "quickstart":
        return Verdict(OK, "the embedded model")
    path = Path(value).expanduser()
    if path.exists():
        return Verdict(OK, "a folder here")
    local = value.startswith(("/", "~", "."))
    return Verdict(WRONG, "no such folder") if local else Verdict(OK, "from the Hugging Face Hub, when it starts")


def _data(value: str, found: Peek) -> Verdict:
    if not value:
        return Verdict(MISSING, "a CSV or JSONL file, or a Hub name")
    if found.problem:
        return Verdict(WRONG, safe(found.problem, limit=120))
    if found.rows:
        return Verdict(OK, f"{found.count} rows, {len(found.columns)} columns")
    return Verdict(OK, found.note)


def _column(id_: str, form: Form, found: Peek) -> Verdict:
    typed = form.typed.get("data.columns.prompt" if id_ == PROMPT else "data.columns.completion", "").strip('"')
    names = found.columns
    if typed:
        if names and typed not in names:
            return Verdict(WRONG, f"no such column; there are {safe(', '.join(names), limit=100)}")
        return Verdict(OK, "as typed")
    guess = guessed(found)[id_ == ANSWER]
    if guess:
        return Verdict(OK, f"found in the file: {safe(guess, limit=40)}")
    if names and "messages" in names:
        return Verdict(OK, "whole conversations in column messages")
    return Verdict(WRONG, "none found: name one of them") if names else Verdict(MISSING, "found in the file")


def _rate(value: str) -> Verdict:
    try:
        rate = float(value)
    except ValueError:
        return Verdict(WRONG, "must be a number, such as 5e-7")
    if rate <= 0:
        return Verdict(WRONG, "must be above 0")
    return (
        Verdict(DOUBT, "high for full fine-tuning; usual for LoRA and tiny models")
        if rate > _HIGH
        else Verdict(OK, "usual for 1B to 7B")
    )


def _outer(value: str) -> Verdict:
    if value == "auto" or (value.isdigit() and int(value) > 0):
        return Verdict(OK, "per pass, each with fresh generations")
    return Verdict(WRONG, "must be a whole number above 0, or auto")


def _name(value: str) -> Verdict:
    if "/" in value or value.startswith("."):
        return Verdict(WRONG, "must be a name, not a path")
    return Verdict(OK, f"folder runs/{safe(value, limit=30)}-DATE")

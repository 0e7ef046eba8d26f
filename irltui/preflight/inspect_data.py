"""What `irltui init` must know of model and data before there is a configuration. Loads a tokenizer, no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from irltui.config.schema import DataSection, ModelSection
from irltui.console import out_json, talk
from irltui.data.columns import BadRow, Columns, find_columns, read_row
from irltui.data.guess import guess_columns
from irltui.data.source import load_rows
from irltui.data.template import PromptTemplate, eos_ids
from irltui.errors import DataError
from irltui.lm.load import generation_defaults, load_tokenizer, quiet_transformers

_ROWS = 1000  # looked at
_TEXT = 200  # characters of a field that are shown


def main(model: str, data: Mapping[str, Any]) -> None:
    """Print what is found, as JSON.

    Args:
        model: its name.
        data: the [data] table as far as it is known.

    Raises:
        IrltuiError: model or data cannot be used.
    """
    quiet_transformers()
    section = DataSection.model_validate({"limit": _ROWS, **data})
    talk(f"looking at {section.source}")
    rows = load_rows(section)
    first = list(islice(rows, _ROWS))
    found: dict[str, Any] = {
        "rows": len(rows),
        "is_all": len(rows) < _ROWS,
        "columns": list(rows.columns),
        "example": {name: str(first[0].get(name, ""))[:_TEXT] for name in rows.columns},
    }
    try:
        columns: Columns | None = find_columns(section, rows.columns)
    except DataError as error:
        if section.columns.prompt != "auto" or section.columns.completion != "auto":
            raise
        columns = None
        found["problem"] = error.message
    prompt, completion = guess_columns(first)
    found["known"], found["guess"] = str(columns or ""), {"prompt": prompt, "completion": completion}
    talk(f"looking at {model}")
    found |= _of_model(model, section, first, columns or Columns(prompt, completion, "", ""))
    out_json(found)


def _of_model(model: str, section: DataSection, rows: Sequence[Mapping[str, Any]], columns: Columns) -> dict[str, Any]:
    """The template to use, and lengths in tokens, [prompt, response] of each row that can be read."""
    named = ModelSection(name=model)
    tokenizer = load_tokenizer(named)
    template = section.template
    if template == "auto" and not tokenizer.chat_template:
        template = "none"
    ends = eos_ids(tokenizer, generation_defaults(named).eos_token_id, template)
    made = PromptTemplate(tokenizer, ends, template, section.system)
    lengths: list[list[int]] = []
    unusable = 0
    for raw in rows if columns.used else ():
        try:
            row = read_row(raw, columns)
            pair = made.pair_ids(row.prompt, row.completion, row.system)
            lengths.append([len(pair.prompt), len(pair.response)])
        except (BadRow, DataError):
            unusable += 1
    return {"template": template, "lengths": lengths, "unusable": unusable}

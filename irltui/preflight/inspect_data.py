"""What `irltui init` needs to know about model and data. Loads a tokenizer but no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from irltui.config.requests import InspectRequest
from irltui.config.schema import DataSection, ModelSection
from irltui.console import out_json, talk
from irltui.data.columns import Columns, find_columns
from irltui.data.guess import guess_columns
from irltui.data.messages import BadRow
from irltui.data.row import read_turns
from irltui.data.source import load_rows
from irltui.data.splits import split_to_hold_out
from irltui.data.template import PromptTemplate, eos_ids
from irltui.data.tokens import RowTokens
from irltui.data.unread import UnreadFields, left_out_files, unread_columns
from irltui.errors import DataError
from irltui.lm.load import generation_defaults, load_tokenizer, quiet_transformers

_ROWS = 1000  # read
_SHOWN = 3  # rows shown
_TEXT = 200  # characters shown per field


def main(request: InspectRequest) -> None:
    """Print what it finds, as JSON."""
    quiet_transformers()
    section = DataSection.model_validate({"limit": _ROWS, **request.data})
    talk(f"looking at {section.source}")
    rows = load_rows(section)
    first = rows.first(_ROWS)
    found: dict[str, Any] = {
        "rows": len(rows),
        "is_all": len(rows) < _ROWS,
        "columns": list(rows.columns),
        "fields": [{name: str(raw.get(name, ""))[:_TEXT] for name in rows.columns} for raw in first[:_SHOWN]],
        "known": "",
        "guess": {"prompt": "", "completion": ""},
        "held_out": split_to_hold_out(rows.left_out),
    }
    try:
        columns = find_columns(section, rows.columns, first)
        found["known"] = str(columns)
    except DataError as error:
        if section.columns.prompt != "auto" or section.columns.completion != "auto":
            raise
        prompt, completion = guess_columns(first)
        found |= {"problem": error.message, "guess": {"prompt": prompt, "completion": completion}}
        columns = Columns()
        if prompt and completion:
            named = section.columns.model_copy(update=found["guess"])
            columns = find_columns(section.model_copy(update={"columns": named}), rows.columns, first)
    talk(f"looking at {request.model}")
    found |= _of_model(request.model, section, first, columns)
    of_data = [*left_out_files(rows.left_out, section.split), *unread_columns(columns, rows.columns, first)]
    found["findings"] += map(asdict, of_data)
    out_json(found, indent=None)


def _of_model(model: str, section: DataSection, rows: Sequence[Mapping[str, Any]], columns: Columns) -> dict[str, Any]:
    """The template to use, three rows as read, and each row's [prompt, response] length in tokens."""
    named = ModelSection(name=model)
    tokenizer = load_tokenizer(named)
    template = section.template
    if template == "auto" and not tokenizer.chat_template:
        template = "none"
    ends = eos_ids(tokenizer, generation_defaults(named).eos_token_id, template)
    made = PromptTemplate(tokenizer, ends, template, section.system)
    tokens, fields = RowTokens(section, made, ends), UnreadFields(made.mentions, section.turns)
    lengths: list[list[int]] = []
    shown: list[tuple[str, str]] = []
    reasons: dict[str, int] = {}
    for number, raw in enumerate(rows if columns.used else (), start=1):
        try:
            turns = read_turns(raw, columns)
            pair = tokens.pair(turns[-1], number)
        except (BadRow, DataError) as reason:
            reasons[str(reason)] = reasons.get(str(reason), 0) + 1
            continue
        lengths.append([len(pair.prompt), len(pair.response)])
        fields.see(turns[-1], number, len(turns))
        if len(shown) < _SHOWN:
            shown.append((turns[-1].prompt_text[-_TEXT:], turns[-1].completion[:_TEXT]))
    return {
        "template": template,
        "lengths": lengths,
        "shown": shown,
        "unusable": reasons,
        "findings": [asdict(finding) for finding in fields.findings()],
    }

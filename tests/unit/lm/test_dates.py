"""A chat template that asks for the date gets that of the run's beginning."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from irltui.config.schema import ModelSection
from irltui.lm.load import load_tokenizer
from support.tiny import CHAT, folder

BEGUN = datetime(2024, 7, 6, 23, 59, 58, tzinfo=UTC).timestamp()
LLAMA = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = "
    "strftime_now('%d %b %Y') %}{%- endif %}{%- endif %}{{ 'Today Date: ' + date_string + '\n' }}"
)
GPT_OSS = "{%- macro system() %}{{ 'Current date: ' + strftime_now('%Y-%m-%d') }}{%- endmacro %}{{ system() }}"


@pytest.mark.parametrize(
    ("template", "date"),
    [
        (LLAMA, "Today Date: 06 Jul 2024\n"),
        (GPT_OSS, "Current date: 2024-07-06"),
        ("{{ strftime_now('%B %-d, %Y, %H:%M:%S 100%%') }}", "July 6, 2024, 23:59:58 100%"),
        ("{% for m in messages %}{{ strftime_now('%A') }}{% endfor %}", "Saturday"),
    ],
)
def test_the_date_of_a_template_is_that_of_the_runs_beginning(tmp_path: Path, template: str, date: str) -> None:
    path = folder(tmp_path / "model")
    tokenizer = load_tokenizer(ModelSection(name=str(path)), BEGUN)
    tokenizer.chat_template = template + CHAT
    messages = [{"role": "user", "content": "the cat"}]
    for one in (tokenizer, copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        shown = one.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        assert shown == date + "<|user|>the cat<|assistant|>"
    tokenizer.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "chat_template.jinja").read_text() == template + CHAT


def test_without_a_run_templates_see_the_present(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(ModelSection(name=str(folder(tmp_path / "model"))))
    tokenizer.chat_template = "{{ strftime_now('%Y') }}"
    shown = tokenizer.apply_chat_template([{"role": "user", "content": "?"}], tokenize=False)
    assert int(shown) >= datetime.now(UTC).year - 1

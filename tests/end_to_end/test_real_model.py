"""A published model on real data, from a configuration to a folder that plain transformers loads and stops with.

Needs a folder of SmolLM2-135M-Instruct in IRLTUI_TEST_MODEL and one with the data in IRLTUI_TEST_DATA.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL = Path(os.environ.get("IRLTUI_TEST_MODEL", "/nowhere"))
DATA = Path(os.environ.get("IRLTUI_TEST_DATA", "/nowhere"))
ROWS, LONGEST = 4, 200  # characters of prompt and of answer
END = "<|im_end|>"
Row = dict[str, Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (MODEL / "config.json").is_file(), reason="IRLTUI_TEST_MODEL names no model's folder"),
    pytest.mark.skipif(not DATA.is_dir(), reason="IRLTUI_TEST_DATA names no folder of data"),
]


def read(name: str) -> Iterator[Row]:
    with (DATA / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def hh() -> Iterator[Row]:
    """Conversations with a chosen and a rejected answer."""
    for row in read("hh_harmless/pairs.jsonl"):
        if len(str(row["prompt"])) < LONGEST and 20 < len(row["chosen"]) < LONGEST:
            yield {name: row[name] for name in ("prompt", "chosen", "rejected")}


def persona() -> Iterator[Row]:
    for row in read("persona/statements.jsonl"):
        if row["match"]:
            yield {
                "prompt": f"Say something with {row['trait']}, number {len(row['statement'])}.",
                "completion": row["statement"],
            }


def self_instruct() -> Iterator[Row]:
    for row in read("self_instruct/seed_tasks.jsonl"):
        if len(row["prompt"]) < LONGEST and len(row["response"]) < LONGEST and "\n" not in row["response"]:
            yield {"instruction": row["prompt"], "output": row["response"]}


def sharegpt() -> Iterator[Row]:
    for row in self_instruct():
        turns = {"human": row["instruction"], "gpt": row["output"]}
        yield {"conversations": [{"from": who, "value": text} for who, text in turns.items()]}


SHAPES = {"hh": hh, "persona": persona, "self_instruct": self_instruct, "sharegpt": sharegpt}
CONFIG = """
algorithm = "{algorithm}"
[model]
name = "{model}"
dtype = "{dtype}"
[adapter]
kind = "{adapter}"
rank = 16
[data]
source = "{data}"
held_out = 0.0
max_response_tokens = 64
{columns}
[loop]
passes = {passes}
outer_iterations = 1
batch = 2
[optimizer]
learning_rate = {rate}
schedule = "constant"
[reward]
kind = "implicit"
[sampler]
kind = "slots"
[evaluation]
samples = 0
before_training = false
[checkpoint]
keep = 1
"""


def irltui(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "irltui", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("shape", "algorithm", "dtype", "adapter"),
    [
        ("hh", "sft", "float32", "off"),
        ("persona", "irft", "float32", "lora"),
        ("self_instruct", "sft", "bfloat16", "off"),
        ("sharegpt", "sft", "float32", "lora"),
    ],
)
def test_a_real_model_learns_and_its_export_stops_under_plain_transformers(
    tmp_path: Path, shape: str, algorithm: str, dtype: str, adapter: str
) -> None:
    rows = [row for row, _ in zip(SHAPES[shape](), range(ROWS), strict=False)]
    data = tmp_path / f"{shape}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = '[data.columns]\ncompletion = "chosen"' if shape == "hh" else ""
    rate, passes = (1e-3, 6) if adapter == "lora" else (1e-4, 6)
    values = {"algorithm": algorithm, "model": MODEL, "dtype": dtype, "adapter": adapter, "data": data}
    file = tmp_path / "run.toml"
    file.write_text(CONFIG.format(columns=columns, rate=rate, passes=passes, **values))
    irltui("run", file, "--out", tmp_path / "run", "--headless")
    irltui("export", tmp_path / "run", "--out", tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    said = [answer(model, tokenizer, row) for row in rows]
    assert sum(text.endswith(END) for text in said) > ROWS / 2, said  # a few steps do not teach every answer
    assert all(text.count(END) <= 1 for text in said), said


def answer(model: Any, tokenizer: Any, row: Row) -> str:
    prompt = row.get("prompt") or row.get("instruction") or row["conversations"][0]["value"]
    messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        made = model.generate(**asked, max_new_tokens=128, do_sample=False)
    return tokenizer.decode(made[0][asked["input_ids"].shape[1] :])

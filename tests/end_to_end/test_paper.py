"""The paper's settings start and finish: with tiny models of the same architectures, on rows of the same shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irltui.runs.folder import open_run_folder
from irltui.runs.status import State, read_status
from support import tiny
from support.runs import demonstrations

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "paper.sh"


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "family"), [("paper-1b", "gpt_neox"), ("paper-7b", "mistral")])
def test_sft_spin_and_irft_of_the_paper_run_and_are_compared(tmp_path: Path, preset: str, family: str) -> None:
    model = tiny.folder(tmp_path / "model", family)
    rows = [json.loads(line) for line in demonstrations(tmp_path / "plain.jsonl", 40).read_text().splitlines()]
    source = tmp_path / "ultrachat.jsonl"
    with source.open("w") as file:
        for row in rows:
            asked = {"role": "user", "content": row["prompt"]}
            real = [asked, {"role": "assistant", "content": row["completion"]}]
            generated = [asked, {"role": "assistant", "content": "drawn by SPIN"}]
            file.write(json.dumps({"real": real, "generated": generated}) + "\n")
    short = ["decoding.max_new_tokens=8", "data.held_out=0.1"]
    options = ["--model", model, "--data", source, *(word for each in short for word in ("--set", each))]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = subprocess.run(
        [SCRIPT, preset, tmp_path / "out", *options],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    for arm in ("sft", "spin", "irft"):
        assert read_status(open_run_folder(tmp_path / "out" / arm)).state is State.FINISHED
        assert arm in told.stdout

"""What somebody does who has read nothing, in tmux, with real engines: from an empty folder to a verdict, and on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("irltui.engine")
if shutil.which("tmux") is None:
    pytest.skip("tmux is not installed", allow_module_level=True)

from support.tmux import PROMPT, Tmux

pytestmark = pytest.mark.slow
IRLTUI = f"OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 {sys.executable} -m irltui"
SHORT = {
    "study.seeds": "[0]",
    "loop.inner_steps": "4",
    "benchmarks.sampled.count": "16",
    "benchmarks.greedy.count": "16",
}


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    session = Tmux(tmp_path, 120, 40)
    try:
        session.see(PROMPT.strip())
        yield session
    finally:
        session.end()


def choose(tmux: Tmux, key: str, value: str) -> None:
    """Find an option of the form by its key, and give it a value."""
    tmux.press("C-f", "End", "C-u")
    tmux.type_in(key)
    tmux.see(f"    {key}")
    tmux.press("Enter", "Down", "Enter", "End", "C-u")
    tmux.type_in(value)
    tmux.press("Enter")
    tmux.wait(lambda seen: re.search(rf"{re.escape(key)} +{re.escape(value)}", seen) is not None, f"{key} = {value}")


def test_from_an_empty_folder_through_a_study_to_its_verdict(tmux: Tmux) -> None:
    tmux.type(f"{IRLTUI}; echo CODE=$?")
    tmux.see("Quickstart", "My data", "What you will see")
    tmux.press("n")
    tmux.see("Method", "missing: model, data")
    tmux.press("Up", "Right", "Right", "Right", "Right")
    tmux.see("the embedded study", "ctrl+l checks")
    for key, value in SHORT.items():
        choose(tmux, key, value)
    tmux.press("C-s")
    tmux.see("0/4 done", "sft", seconds=120)
    tmux.see("● running", seconds=120)
    verdict = tmux.see("the study has ended", "contrast against sft, sampled: quality", seconds=300)
    tmux.wait(lambda seen: "the study has ended" not in seen, "the end of the answer")
    assert "contrast against sft, sampled: quality" in tmux.screen(), verdict
    tmux.press("Tab")
    tmux.see("distinct_2", "strong-sampled", "triage", "at its best temperature")
    tmux.press("q")
    tmux.see("CODE=0")


def test_a_finished_run_answers_at_other_strengths(tmux: Tmux, tmp_path: Path) -> None:
    options = ["--model", "quickstart", "--data", "quickstart", "--set", "loop.inner_steps=2", "--out", "run"]
    subprocess.run([sys.executable, "-m", "irltui", "run", "irft", *options, "--headless"], cwd=tmp_path, check=True)
    tmux.type(f"{IRLTUI} watch run")
    tmux.see("✓ finished", "Reward gap")
    tmux.press("3")
    tmux.see("start", "demonstration")
    tmux.press("]")
    tmux.see("strength", "strength 1.5", "underlined: differs")
    sampled = re.compile(r"strength 1\.5.*\n.*tok")
    tmux.wait(lambda seen: sampled.search(seen) is not None, "an answer at strength 1.5", 120)
    tmux.wait(lambda seen: "start model" in seen and "being sampled" not in seen, "the other answers", 180)
    tmux.press("]")
    tmux.see("strength 2")
    tmux.press("[", "[")
    tmux.see("now, strength 1")
    tmux.press("Escape")
    tmux.see("changes since the iteration before")

"""A run that says hostile things wherever a run can say anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from irltui.runs.events import (
    Advice,
    Alert,
    Checkpoint,
    Control,
    Data,
    Evaluation,
    Log,
    Metrics,
    PhaseProgress,
    RunEnd,
    RunStart,
    Sample,
)
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.writer import RunWriter

EVIL = (
    "\x1b[31mred\x1b]52;c;ZXZpbA==\x07\x1b]0;owned\x07 \x9b2J\x9d0;c1\x9c [/] [bold]b[/bold] [@click=app.quit]x[/] "
    "\u202eevil\u202c\u2066 \ud800 \x00\x7f $primary \u2028 \r\x08 <script>alert(1)</script> \ufeff\U000e0041 end"
)
"""Escape sequences (also of eight bits), clipboard, title, markup, reordering, a lone surrogate, invisible tags."""


def write_hostile_run(path: Path, config: dict[str, Any]) -> RunFolder:
    """A failed run; `config` is a whole configuration, whose texts become hostile as far as they can."""
    run = create_run_folder(path)
    text = EVIL.replace("\ud800", "")  # a configuration refuses it
    table = {**config, "model": {**config["model"], "name": text}, "data": {**config["data"], "system": text}}
    write_manifest(run, new_manifest(table, {"model.name": EVIL}))
    run.console.write_text(EVIL, encoding="utf-8", errors="surrogatepass")
    with RunWriter(run) as writer:
        write_hostile_events(writer)
    (run.samples / "0000.jsonl").write_text("{}\n")
    (run.checkpoints / "0001-000000").mkdir()
    (run.checkpoints / "0001-000000" / "manifest.json").write_text(json.dumps({"format": 1, "files": {EVIL: {}}}))
    return run


def write_hostile_events(writer: RunWriter) -> None:
    """One of each kind, hostile in every field that is text."""
    place = {"step": 1, "outer_iteration": 0}
    progress = {"done": 1, "total": 2, "unit": EVIL}
    counted = {EVIL: {"count": 3, "rows": [1, 2]}}
    report = {"source": EVIL, "columns": EVIL, "unused": [EVIL], "rows": 9, "train": 8, "held_out": 1}
    report |= {"dropped": {EVIL: {"count": 3, "rows": [1]}}, "truncated": counted, "template": EVIL, "end_token": EVIL}
    row = {"id": EVIL, "prompt": [EVIL, "a"], "response": [EVIL], "prompt_tokens": 2, "response_tokens": 1}
    writer.write(PhaseProgress(phase=EVIL, outer_iteration=0, **progress))
    writer.write(RunStart(pid=1, host=EVIL, algorithm=EVIL, total_steps=4, outer_iterations=2, resumed_step=None))
    writer.write(Data(report=report, masked=[{**row, "ended": True}]))
    for step in range(1, 4):
        values = {"train/loss": 0.5 / step, "reward/gap": 0.1 * step, EVIL: 1.0 * step}
        where = {"step": step, "outer_iteration": 0, "inner_step": step, "tokens": 9, "elapsed": 2.0 * step}
        writer.write(Metrics(**where, values=values))
    for t in (-1, 0):
        texts = {"prompt_id": EVIL, "prompt": EVIL, "demonstration": EVIL, "generation": EVIL}
        tokens = {"ended": True, "tokens": 2, "reward": 0.5, "token_rewards": [0.25, 0.25], "pieces": [EVIL, EVIL]}
        writer.write(Sample(step=1, outer_iteration=t, **texts, **tokens))
    interval = {"mean": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    writer.write(Evaluation(**place, benchmark=EVIL, values={EVIL: interval}, file=EVIL))
    writer.write(Checkpoint(**place, name=EVIL, seconds=1.0, bytes=2, reason=EVIL))
    writer.write(Alert(step=1, level=EVIL, code=EVIL, text=EVIL))
    writer.write(Advice(**place, verdict=EVIL, text=EVIL))
    writer.write(Control(id=EVIL, command=EVIL, state=EVIL, detail=EVIL))
    writer.write(Log(level=EVIL, text=EVIL))
    writer.write(RunEnd(state="failed", reason=EVIL, hint=EVIL, exit_code=1))
    status = {"step": 1, "total_steps": 4, "outer_iteration": 0, "outer_iterations": 2, "values": {EVIL: 1.0}}
    writer.status(now=True, state="failed", phase=EVIL, reason=EVIL, host=EVIL, **status)


def hostile_rows(count: int) -> list[dict[str, str]]:
    """Demonstrations of such texts; the last is no Unicode, and so left out by whoever reads them."""
    from support.tiny import WORDS  # imports torch, which a viewer's test does without

    texts = [EVIL.replace("\ud800", "")] * (count - 1) + [EVIL]
    return [
        {"prompt": f"the {word} {text}?", "completion": f"{word} is {text}"}
        for word, text in zip(WORDS, texts, strict=False)
    ]

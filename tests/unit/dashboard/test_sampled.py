"""Answers on request: at strengths, by the start model and by SFT."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from dashboard.written_events import Script
from dashboard.written_run import write_run

from irltui.dashboard.sampled import NOW, SFT, START, Desk, best_rows, strength_rows
from irltui.dashboard.store import OpenRun, Store
from irltui.errors import RunFolderError
from irltui.views.answers import Drawn
from irltui.views.spans import Row

SHORT = Script(outer_iterations=1, inner_steps=2, nan_at=())


def text_of(rows: list[Row]) -> str:
    return "\n".join("".join(span.text for span in row) for row in rows)


def study(folder: Path) -> tuple[Store, OpenRun]:
    """An IRFT run beside a finished SFT run of the same seed."""
    runs = {name: write_run(folder / "study" / "seed-0" / name, SHORT) for name in ("irft", "sft")}
    config = runs["sft"].manifest.read_text().replace('"algorithm": "irft"', '"algorithm": "sft"')
    runs["sft"].manifest.write_text(config)
    runs["sft"].model.mkdir()
    (folder / "study" / "plan.json").write_text("{}")
    store = Store(folder)
    asyncio.run(store.look())
    return store, OpenRun(runs["irft"], "irft")


def test_prompts_are_answered_by_the_start_model_sft_and_now_and_each_only_once(tmp_path: Path) -> None:
    store, run = study(tmp_path)
    asked: list[tuple[str, float, int]] = []

    async def sample(path: Path, prompts: Sequence[str], strength: float, count: int) -> list[tuple[Drawn, ...]]:
        asked.append((path.name, strength, count))
        return [(Drawn(f"{path.name} at {strength:g}", strength, 3, True),) for _ in prompts]

    desk = Desk(sample, store, lambda text, ink: None)
    desk.ask(run, (START, SFT, NOW), ["Why?"])
    desk.ask(run, (NOW, "2"), ["Why?"])
    asyncio.run(desk.work())
    assert asked == [("irft", 0.0, 1), ("sft", 1.0, 1), ("irft", 1.0, 8), ("irft", 2.0, 1)]
    text = text_of(strength_rows(run, "Why?", "2", 120))
    for words in ("start model", "SFT", "sft at 1", "now, strength 1", "irft at 0", "strength 2", "irft at 2"):
        assert words in text, words
    desk.ask(run, (START, SFT, NOW, "2"), ["Why?"])
    asyncio.run(desk.work())
    assert len(asked) == 4


def test_the_best_of_several_answers_stands_first(tmp_path: Path) -> None:
    run = OpenRun(write_run(tmp_path / "run", SHORT), "run")
    run.drawn["Why?", NOW] = (Drawn("good", 1.0, 2, True), Drawn("bad", -1.0, 9, False))
    text = text_of(best_rows(run, "Why?", 80))
    assert "best +1.00 of 2   mean 0.000" in text
    assert text.index("good") < text.index("bad")
    assert "cut" in text


def test_a_run_without_weights_is_told_and_nothing_more_is_tried(tmp_path: Path) -> None:
    told: list[str] = []

    async def sample(path: Path, prompts: Sequence[str], strength: float, count: int) -> list[tuple[Drawn, ...]]:
        raise RunFolderError("no checkpoint yet", "")

    run = OpenRun(write_run(tmp_path / "run", SHORT), "run")
    desk = Desk(sample, Store(tmp_path), lambda text, ink: told.append(text))
    desk.ask(run, (NOW, "2"), ["Why?"])
    asyncio.run(desk.work())
    assert told[-1] == "no checkpoint yet"
    assert run.drawn == {}
    assert run.drawing == ""

"""Compare: the verdict, every metric, answers, settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dashboard.conftest import NOW, dashboard, on, press, running, text_of
from dashboard.written_events import Script
from dashboard.written_run import write_run

from irltui.dashboard.app import Dashboard
from irltui.experiments.plan import Plan, PlannedRun, write_plan


@on
async def test_compare_says_the_verdict_first_and_then_every_metric() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        app.store.marked = [Path("runs/irft-smollm2"), Path("runs/irft-beta")]
        text = await compare(app, pilot)
        assert "One run each: irft-beta against irft-smollm2, gold: quality" in text
        assert re.search(r"Held-out NLL +↓ +1\.61 +1\.60 +−0\.009", text)
        table = app.screen.query_one("#table")
        assert "Held-out NLL" in (await press(app, pilot, "down")).splitlines()[-16]
        assert table.index == 1
        assert "prompt 1/4" in await press(app, pilot, "tab")
        assert "prompt 2/4" in await press(app, pilot, "down")
        assert "prompt 1/4" in await press(app, pilot, "up")
        text = await press(app, pilot, "tab")
        assert re.search(r"reward.beta +0.1 +0.5", text)
        await press(app, pilot, "tab", "slash", *"loss", "enter")
        assert {effect.name for effect in app.screen._shown} == {"heldout/loss", "train/loss"}


@on
async def test_compare_puts_runs_that_differ_by_seed_only_into_one_arm() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        app.store.marked = [Path("runs/irft-smollm2"), Path("runs/irft-running"), Path("runs/irft-beta")]
        text = await compare(app, pilot)
        assert re.search(r"Held-out NLL +↓ +1\.78 +1\.60", text)  # the mean of two seeds


@on
async def test_compare_changes_the_arms_and_saves_a_report(tmp_path: Path) -> None:
    saved = []

    def report(paths) -> Path:
        saved.append([path.name for path in paths])
        return Path("report.html")

    app = dashboard("irft-smollm2", report=report)
    async with running(app, (140, 45)) as pilot:
        app.store.marked = [Path("runs/irft-smollm2"), Path("runs/irft-beta"), Path("runs/hostile\x1b[31m")]
        await compare(app, pilot)
        await press(app, pilot, "o")
        assert re.search(r"hostile\S+ against irft-smollm2", await compare(app, pilot))
        await press(app, pilot, "b")
        assert re.search(r"hostile\S+ against irft-beta", await compare(app, pilot))
        await press(app, pilot, "e")
        await pilot.pause(0.2)
        assert "saved: report.html" in text_of(app)
        assert saved == [["irft-smollm2", "irft-beta", "hostile\x1b[31m"]]


@on
async def test_the_arms_of_a_study_stand_beside_its_figures_and_in_the_preview_of_its_row(tmp_path: Path) -> None:
    runs = [PlannedRun(f"seed-{seed}/{arm}", arm, seed) for seed in (0, 1) for arm in ("sft", "irft")]
    folder = tmp_path / "runs" / "quick"
    for run in runs:
        made = write_run(
            folder / run.path, Script(outer_iterations=2, seed=run.seed or 0, beta=0.5 if run.arm == "sft" else 0.1)
        )
        rows = [{"item": f"i{i}", "metric": "quality", "value": i % 5 / 5 + (run.arm == "irft")} for i in range(20)]
        (made.evaluations / "gold-0001.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_plan(Plan(folder, tuple(runs), compare=("irft", "sft"), metric="gold/quality", note="A note."))
    app = Dashboard(folder, clock=lambda: NOW)
    async with running(app, (120, 40)) as pilot:
        assert "▾ quick" in text_of(app)
        await press(app, pilot, "space")
        text = await compare(app, pilot)
        assert "Better: irft against sft, gold: quality" in text
        await press(app, pilot, "tab")
        text = await judged(app, pilot)
        assert "irft is higher than sft: the interval excludes zero and all seeds agree." in text
        assert re.search(r"arm +heldout/nll +benchmark +quality", text)
        assert "A note." in text
        assert "prompt 1/4" in await press(app, pilot, "tab")
        text = await press(app, pilot, "1", "home")
        assert "4/4 done" in text
        assert "irft is higher than sft: the interval" in text


async def judged(app: Dashboard, pilot) -> str:
    """Wait until the result of the study is known."""
    for _ in range(200):
        if any(app.store.results.values()):
            break
        await pilot.pause(0.02)
    return await press(app, pilot)


@on
async def test_compare_of_a_tiny_terminal_shows_a_row_a_metric() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (40, 12)) as pilot:
        app.store.marked = [Path("runs/irft-smollm2"), Path("runs/irft-beta")]
        assert re.search(r"Held-out NLL +↓ +−0\.009", await compare(app, pilot))
        assert "demonstration" in await press(app, pilot, "tab")
        assert "reward.beta" in await press(app, pilot, "tab")


async def compare(app: Dashboard, pilot) -> str:
    """Compare, and wait until the thread that compares is done."""
    await press(app, pilot, "4")
    for _ in range(200):
        if app.screen._pair.effects and not [w for w in app.workers if w.name == "compare" and not w.is_finished]:
            break
        await pilot.pause(0.02)
    return await press(app, pilot)

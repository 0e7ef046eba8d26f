"""The list of runs: filter, order, groups, marks, and an empty folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from dashboard.conftest import NOW, dashboard, on, press, running, settle, text_of
from dashboard.written_events import Script
from dashboard.written_run import engine_alive, write_run

from irltui.dashboard.app import Dashboard
from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.runs import RunsScreen
from irltui.dashboard.services import Services


@on
async def test_the_list_is_filtered_sorted_marked_and_opened() -> None:
    app = dashboard()
    async with running(app, (120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        names = [item.name for item in screen._items]
        assert names == sorted(names)
        assert "ordered by newest" in await press(app, pilot, "o")
        assert "ordered by reward gap" in await press(app, pilot, "o")
        assert screen._items[0].name == "irft-smollm2"
        text = await press(app, pilot, "slash", *"spin", "enter")
        assert "spin-crashed" in text
        assert "irft-smollm2" not in text
        await pilot.pause(0.4)
        assert "torch.OutOfMemoryError" in await press(app, pilot, "down")
        assert "irltui run --resume" in text_of(app)
        await press(app, pilot, "slash", "escape")
        assert "2 marked: 4 compares" in await press(app, pilot, "space", "space")
        assert len(app.store.marked) == 2
        await press(app, pilot, "4")
        assert "against" in text_of(app)
        await press(app, pilot, "escape", "enter")
        assert isinstance(app.screen, RunScreen)


@on
async def test_the_list_is_filtered_by_settings_grouped_and_marked_as_a_whole() -> None:
    app = dashboard()
    async with running(app, (120, 40)) as pilot:
        await press(app, pilot, "slash", *"beta>=0.5", "enter")
        assert [item.name for item in app.screen._items] == ["irft-beta"]
        await press(app, pilot, "slash", "escape")
        assert "6 marked" in await press(app, pilot, "a")
        assert "0 marked" in await press(app, pilot, "a")
        text = await press(app, pilot, "g", *"algorithm", "enter")
        assert "grouped by algorithm" in text
        assert re.search(r"▾ irft +6 arms", text)
        text = await press(app, pilot, "g", *"beta", "enter")
        assert re.search(r"▾ beta = 0.5 +1 arms", text)
        assert re.search(r"▾ beta = 0.1 +5 arms", text)


@on
async def test_a_study_is_one_row_with_its_arms_and_seeds_below(tmp_path: Path) -> None:
    for seed in (0, 1):
        for arm in ("irft", "sft"):
            write_run(tmp_path / "runs" / "quick" / f"seed-{seed}" / arm, Script(seed=seed, outer_iterations=2))
    app = Dashboard(tmp_path / "runs", clock=lambda: NOW)
    async with running(app, (120, 40)) as pilot:
        text = text_of(app)
        assert re.search(r"▾ quick +2 arms × 2 seeds +4/4 done", text)
        assert re.search(r"├ irft  2 seeds", text)
        assert "seed-1" in (await press(app, pilot, "down", "enter")).splitlines()[6]
        assert "irft" not in "".join((await press(app, pilot, "up", "enter")).splitlines()[4:6])
        await press(app, pilot, "enter", "down", "down", "enter")
        assert isinstance(app.screen, RunScreen)
        await press(app, pilot, "1", "home", "space")
        assert len(app.store.marked) == 4


@on
async def test_an_empty_folder_shows_three_ways_to_begin(tmp_path: Path) -> None:
    started = []

    def launch(loaded, name: str) -> Path:
        started.append(name)
        return Path("runs/irft-smollm2")

    app = Dashboard(tmp_path, services=Services(launch=launch), clock=lambda: NOW)
    async with running(app, (120, 40)) as pilot:
        text = text_of(app)
        assert "Quickstart" in text
        assert "What you will see" in text
        await press(app, pilot, "down", "enter")
        assert type(app.screen).__name__ == "NewRunScreen"
        await press(app, pilot, "escape", "o", *str(Path("runs").absolute()), "enter")
        await app.store.look()
        assert "irft-smollm2" in await press(app, pilot)
    app = Dashboard(tmp_path, services=Services(launch=launch), clock=lambda: NOW)
    async with running(app) as pilot:
        await press(app, pilot, "enter")
        assert started == ["quickstart"]
        assert isinstance(app.screen, RunScreen)


@on
async def test_a_study_is_followed_from_run_to_run_and_ends_on_its_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "quick"
    first = write_run(folder / "seed-0" / "sft", Script(outer_iterations=2))
    second = write_run(folder / "seed-0" / "irft", Script(outer_iterations=2, steps=9, end=None, beta=0.5))
    (folder / "plan.json").write_text("{}")
    app = Dashboard(tmp_path / "runs", first.path, study=folder, clock=lambda: NOW)
    with engine_alive(second):
        async with running(app, (120, 40)) as pilot:
            for _ in range(100):
                await pilot.pause(0.02)
                if app.store.current.run.path == second.path:
                    break
            await settle(pilot)
            assert "quick  1/2 done" in text_of(app)
            write_run(folder / "seed-0" / "irft-again", Script(outer_iterations=2, beta=0.5))
            shutil.rmtree(second.path)
            await app.store.look()
            app._follow_study()
            await settle(pilot)
            app._follow_study()  # a study's end is shown only once
            assert type(app.screen).__name__ == "CompareScreen"
            assert len(app.store.marked) == 2

"""The charts of a run: read, scaled, filtered, replayed."""

from __future__ import annotations

import re

from dashboard.conftest import dashboard, on, press, running, settle, text_of

from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.runs import RunsScreen


@on
async def test_charts_are_smoothed_scaled_zoomed_and_read() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        screen = app.screen
        assert isinstance(screen, RunScreen)
        assert "smooth 9" in text_of(app)
        assert "smooth 21" in await press(app, pilot, "s")
        assert "log" in await press(app, pilot, "l")
        await press(app, pilot, "l", "x")
        assert screen.lens.x_axis == "tokens"
        await press(app, pilot, "x")
        assert re.search(r" 2m ?\d\ds ", await press(app, pilot, "left", "left"))
        await press(app, pilot, "right", "plus")
        assert screen.lens.high - screen.lens.low < 1
        await press(app, pilot, "minus", "0")
        assert (screen.lens.low, screen.lens.high, screen.lens.cursor) == (0, 1, None)


@on
async def test_one_chart_fills_the_screen_and_others_are_paged() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (120, 40)) as pilot:
        first = text_of(app)
        assert "Held-out NLL" in first
        assert "Log-ratios" not in first
        assert "Log-ratios" in await press(app, pilot, *["right_square_bracket"] * 3)
        await press(app, pilot, *["left_square_bracket"] * 3)
        await press(app, pilot, "tab", "tab", "tab")
        text = await press(app, pilot, "enter")
        assert "Loss" in text
        assert "ln 2: no signal" in text
        assert "Reward gap" not in text
        assert "Reward gap" in await press(app, pilot, "shift+tab", "shift+tab")
        assert "Reward AUC" in await press(app, pilot, "enter")
        await press(app, pilot, "escape")
        assert isinstance(app.screen, RunsScreen)


@on
async def test_a_value_read_at_the_cursor_is_the_one_that_was_measured() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        text = await press(app, pilot, "left")
        history = app.store.current.history
        assert "step 120" in text
        last = history.metrics["reward/gap"].last()
        assert re.search(rf"gap +{last:.2f}", text)
        assert "step 119" in await press(app, pilot, "left")


@on
async def test_charts_are_filtered_by_title_and_metric() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (120, 40)) as pilot:
        text = await press(app, pilot, "slash", *"kl", "enter")
        assert "KL from start" in text
        assert "Reward gap" not in text
        assert "No chart has this text" in await press(app, pilot, "slash", *"zz")
        assert "Reward gap" in await press(app, pilot, "escape")


@on
async def test_messages_show_log_answers_and_checkpoints() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        text = await press(app, pilot, "i")
        assert "480 demonstrations" in text
        assert "checkpoint applied" in text
        assert "both log-ratios fall" in text
        assert "has printed nothing" in await press(app, pilot, "i")
        assert "Reward gap" in await press(app, pilot, "i")


@on
async def test_a_finished_run_is_replayed() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await press(app, pilot, "r", "space")
        replay = screen.replay
        assert replay is not None
        assert not replay.playing
        await press(app, pilot, "greater_than_sign", "greater_than_sign", "greater_than_sign")
        assert 0.1 < replay.position / replay.length < 0.3
        assert "120/120 steps" not in text_of(app)
        before = replay.speed
        await press(app, pilot, "f")
        assert replay.speed == 2 * before
        await press(app, pilot, "b", "less_than_sign")
        assert replay.position / replay.length < 0.2
        assert "120/120 steps" in await press(app, pilot, "r")


@on
async def test_a_replay_goes_on_from_curves_to_samples_and_back() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        assert "replay" not in await press(app, pilot, "3")
        await press(app, pilot, "r", "space", *["less_than_sign"] * 25)
        assert "‖ replay" in text_of(app)
        replay = app.store.current.replay
        assert replay is not None
        assert replay.position == 0
        earlier = len(app.screen.moment.sampled())
        await press(app, pilot, *["greater_than_sign"] * 20)
        assert len(app.screen.moment.sampled()) > earlier
        await press(app, pilot, "2")
        assert app.screen.replay is replay
        await press(app, pilot, "3", "escape")
        assert app.screen.replay is None
        assert "replay" not in text_of(app)


@on
async def test_a_tiny_terminal_shows_one_line_a_metric() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (40, 12)):
        text = text_of(app)
        assert re.search(r"Reward gap +1.51", text)
        assert re.search(r"Held-out NLL +1.61", text)
        assert re.search("[⠀-⣿]{4}", text)


@on
async def test_a_click_on_a_chart_reads_its_values() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        await pilot.click("#hero", offset=(20, 5))
        await settle(pilot)
        assert re.search(r" step \d+ ", text_of(app).splitlines()[5])

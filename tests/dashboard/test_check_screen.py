"""The Check screen: rows, their loss mask, what was set."""

from __future__ import annotations

from pathlib import Path

from dashboard.conftest import dashboard, on, press, running, text_of

from irltui.dashboard.app import Dashboard
from irltui.dashboard.screens.run import RunScreen
from irltui.runs.folder import RunFolder

Runs = dict[str, RunFolder]


@on
async def test_the_check_screen_tells_of_rows_their_mask_and_what_was_set() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        text = await press(app, pilot, "5")
        assert "531 rows: 480 train, 48 held out" in text
        assert "dropped 3: prompt over 512 tokens (rows 17, 204, 399)" in text
        assert "row 1 of 3" in text
        assert "Red, yellow and blue." in await press(app, pilot, "down", "pagedown")
        assert "teaches nothing about stopping" in text_of(app)
        assert "row 1 of 3" in await press(app, pilot, "up", "pageup")
        text = await press(app, pilot, "tab")
        assert "531 rows" not in text
        assert "model.name = HuggingFaceTB/SmolLM2-135M-Instruct  --model" in text
        assert "optimizer.clip" not in text
        assert "default" in await press(app, pilot, "a", "pagedown")
        await press(app, pilot, "escape")
        assert isinstance(app.screen, RunScreen)


@on
async def test_the_check_screen_shows_data_and_configuration_together_where_both_fit() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        text = await press(app, pilot, "5")
        assert "Loss mask" in text
        assert "Configuration" in text


@on
async def test_a_run_without_a_data_event_is_checked_by_its_log(tmp_path: Path, runs: Runs) -> None:
    lines = runs["irft"].events.read_bytes().splitlines(keepends=True)
    old = tmp_path / "old"
    old.mkdir()
    (old / "run.json").write_bytes(runs["irft"].manifest.read_bytes())
    (old / "events.jsonl").write_bytes(b"".join(line for line in lines if b'"kind":"data"' not in line))
    app = Dashboard(tmp_path, old)
    async with running(app) as pilot:
        text = await press(app, pilot, "5")
        assert "No data report" in text
        assert "480 demonstrations" in text

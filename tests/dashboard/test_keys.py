"""Every key of the table, on its screen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from dashboard.conftest import NOW, dashboard, on, press, running, settle, text_of
from dashboard.written_events import Script
from dashboard.written_run import write_run

from irltui.dashboard.app import Dashboard
from irltui.dashboard.keymap import KEYS
from irltui.dashboard.screens.dialogs import LeaveDialog
from irltui.dashboard.screens.help import HelpScreen
from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.runs import RunsScreen
from irltui.dashboard.screens.samples import SamplesScreen
from irltui.runs.folder import RunFolder

Runs = dict[str, RunFolder]


@on
async def test_digits_show_the_screens() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        for key, name in (
            ("1", "RunsScreen"),
            ("2", "RunScreen"),
            ("3", "SamplesScreen"),
            ("4", "CompareScreen"),
            ("5", "CheckScreen"),
        ):
            await press(app, pilot, key)
            assert type(app.screen).__name__ == name


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
        text = await press(app, pilot, "g")
        assert "grouped by algorithm" in text
        assert re.search(r"▾ irft +6 arms", text)


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

    app = Dashboard(tmp_path, launch=launch, clock=lambda: NOW)
    async with running(app, (120, 40)) as pilot:
        text = text_of(app)
        assert "Quickstart" in text
        assert "What you will see" in text
        await press(app, pilot, "down", "enter")
        assert type(app.screen).__name__ == "NewRunScreen"
        await press(app, pilot, "escape", "o", *str(Path("runs").absolute()), "enter")
        await app.store.look()
        assert "irft-smollm2" in await press(app, pilot)
    app = Dashboard(tmp_path, launch=launch, clock=lambda: NOW)
    async with running(app) as pilot:
        await press(app, pilot, "enter")
        assert started == ["quickstart"]
        assert isinstance(app.screen, RunScreen)


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
async def test_samples_move_by_prompt_and_iteration() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        text = await press(app, pilot, "3")
        screen = app.screen
        assert isinstance(screen, SamplesScreen)
        assert "● after 4" in text
        assert "Because air scatters short" in text
        assert "▏ Name three primary colours." in await press(app, pilot, "down")
        text = await press(app, pilot, "up", *["left"] * 4)
        assert "● start" in text
        assert "I am a language model" in text
        assert "● after 1" in await press(app, pilot, "right")
        assert "changes against the demonstration" in await press(app, pilot, "d")
        assert "takes away" in await press(app, pilot, "c")
        assert re.search(r"light [+−]\d\.\d\d\d  2 of 14", await press(app, pilot, "l"))
        assert re.search(r"Because [+−]?\d\.\d\d\d  1 of 14", await press(app, pilot, "h"))
        await press(app, pilot, "slash", *"haiku", "enter")
        assert len(screen.query_one("#prompts").rows) == 1
        await press(app, pilot, "slash", "escape")
        assert len(screen.query_one("#prompts").rows) == 4
        await press(app, pilot, "escape")
        assert isinstance(app.screen, RunScreen)


@on
async def test_a_long_history_is_scrolled_by_keys() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        await press(app, pilot, "3")
        history = app.screen.query_one("#history")
        end = history.scroll_y
        assert end > 0
        await press(app, pilot, "pageup")
        assert history.scroll_y < end
        await press(app, pilot, "pagedown")
        assert history.scroll_y == end


@on
async def test_compare_says_the_verdict_first_and_then_every_metric() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        app.store.marked = [Path("runs/irft-smollm2"), Path("runs/irft-beta")]
        text = await compare(app, pilot)
        assert "One run each: irft-beta against irft-smollm2, Quality (gold)" in text
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


@on
async def test_help_lists_every_key_and_themes_change() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 120)) as pilot:
        text = await press(app, pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert [key.help for key in KEYS if key.help not in text] == []
        await press(app, pilot, "escape", "t")
        assert app.theme == "irltui-light"


@on
async def test_the_command_palette_offers_what_the_keys_do() -> None:
    app = dashboard("irft-running")
    async with running(app):
        titles = {command.help for command in app.get_system_commands(app.screen)}
        here = {key.help for key in KEYS if key.scope in {"Run", "Charts", "Everywhere", "The run itself", "Replay"}}
        assert all(any(title.startswith(help_) for title in titles) for help_ in here)


def sent(run: RunFolder) -> list[tuple[str, str]]:
    """Commands waiting for the engine; they are taken away."""
    found = []
    for path in sorted(run.control.glob("*.json")):
        value = json.loads(path.read_text())
        found.append((value["command"], value["text"]))
        path.unlink()
    return found


@on
async def test_upper_case_keys_send_commands_and_say_so(runs: Runs) -> None:
    app = dashboard("irft-running")
    async with running(app) as pilot:
        assert "pause: sent" in await press(app, pilot, "P")
        await press(app, pilot, "R", "C")
        assert [command for command, _ in sent(runs["running"])] == ["pause", "resume", "checkpoint"]
        await press(app, pilot, "S", "H", "i", "enter")
        await press(app, pilot, "S", "enter")
        await press(app, pilot, "N", "enter", "o", "k", "enter")
        assert sent(runs["running"]) == [("sample", "Hi"), ("sample", ""), ("note", "ok")]
        await press(app, pilot, "X", "n")
        await press(app, pilot, "X", "escape")
        assert sent(runs["running"]) == []
        await press(app, pilot, "X", "y")
        assert sent(runs["running"]) == [("stop", "")]


@on
async def test_no_command_is_sent_where_no_engine_works(runs: Runs) -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        await press(app, pilot, "P", "C", "X", "y")
        assert sent(runs["irft"]) == []


@pytest.mark.parametrize(("keys", "leaves", "commands"), [
    (["q", "enter"], True, []),
    (["q", "d"], True, []),
    (["q", "s"], True, [("stop", "")]),
    (["q", "c"], False, []),
    (["q", "escape"], False, []),
    (["ctrl+c", "q"], True, []),
])  # fmt: skip
@on
async def test_leaving_a_working_engine_asks_first(
    runs: Runs, keys: list[str], leaves: bool, commands: list[tuple[str, str]]
) -> None:
    app = dashboard("irft-running")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press(keys[0])
        await pilot.pause()
        assert isinstance(app.screen, LeaveDialog)
        await pilot.press(*keys[1:])
        await pilot.pause()
        assert (app.return_value == 0) is leaves
    assert sent(runs["running"]) == commands


@on
async def test_leaving_a_finished_run_just_leaves() -> None:
    app = dashboard("irft-smollm2")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 0


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


@on
async def test_a_click_on_a_tab_or_on_a_key_of_the_footer_does_what_the_key_does() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (120, 40)) as pilot:
        tabs = text_of(app).splitlines()[0]
        await pilot.click("#tabs", offset=(tabs.index("Samples"), 0))
        await settle(pilot)
        assert isinstance(app.screen, SamplesScreen)
        keys = text_of(app).splitlines()[-1]
        await pilot.click("#keys", offset=(keys.index("token rewards"), 0))
        await settle(pilot)
        assert "takes away" in text_of(app)

"""The form of a new run offers what installed plugins provide, and a plugin that is broken spoils nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dashboard.conftest import settle, text_of

from irltui.api.registry import Registry
from irltui.cli.dashboard import look
from irltui.config.load import Loaded
from irltui.dashboard.app import Dashboard
from irltui.dashboard.form import Form, Offers
from irltui.dashboard.services import Services
from support.site import ROOT, Site

BROKEN = "[irltui]\nbroken = no_such_module\n"


@pytest.fixture
def seen(shipped: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped plugins and a broken one, found by this process and by those that it starts."""
    info = tmp_path / "other" / "irltui_broken-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: irltui-broken\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(BROKEN)
    for path in (shipped.path, info.parent):
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (info.parent, shipped.path, ROOT))))
    return tmp_path


def test_installed_kinds_are_looked_up_without_importing_them_here(seen: Path) -> None:
    offers = look()
    assert offers.kinds["reward"]["template/bounded"].startswith("r = limit tanh(")
    assert set(offers.kinds["benchmark"]) >= {"template/distinct"}
    (problem,) = offers.problems
    assert problem.startswith("plugin 'broken' (irltui-broken 0.1, irltui")
    assert "No module named 'no_such_module'" in problem


OFFERS = Offers(
    {"reward": {"acme/x": "An x."}, "benchmark": {"acme/quickstart": "Another.", "acme/y": "A y."}},
    ("plugin 'bad' does not load.",),
)


def test_kinds_of_plugins_stand_among_the_choices_with_their_help() -> None:
    form = Form("irft")
    options = {option.key: option for option in form.options(Registry(), [], OFFERS)}
    assert options["reward.kind"].choices == ("implicit", "explicit", "function", "similarity", "acme/x")
    assert options["reward.kind"].help.endswith("plugin 'bad' does not load.")
    assert options["sampler.kind"].choices == ("slots", "transformers")
    assert options["benchmarks.y.kind"].choices == ("acme/y",)
    assert options["benchmarks.quickstart.kind"].choices == ("quickstart", "acme/quickstart")


def test_a_run_with_a_plugin_is_filled_in_on_the_dashboard(seen: Path) -> None:
    asyncio.run(fill_in(seen / "runs"))


async def fill_in(runs: Path) -> None:
    started = []

    def launch(loaded: Loaded, name: str) -> Path:
        started.append(loaded.config)
        return runs / "none"

    app = Dashboard(runs, None, Services(launch, look))
    async with app.run_test(size=(110, 40)) as pilot:

        async def press(*keys: str) -> str:
            await pilot.press(*keys)
            await settle(pilot)
            return text_of(app)

        async def found(key: str) -> str:
            return await press("ctrl+f", "end", *["backspace"] * 30, *key, "enter", "down")

        async def until(there: Callable[[str], bool]) -> str:
            for _ in range(600):
                if there(text := text_of(app)):
                    return text
                await pilot.pause(0.05)
            raise AssertionError(text)

        await settle(pilot)
        await press("n", *"quickstart", "tab", *"quickstart")
        await found("reward.kind")
        text = await until(lambda text: "plugin 'broken' (irltui-broken 0.1" in text)
        assert "reward.kind" in text
        for _ in range(8):
            if app.draft.typed.get("reward.kind") != "template/bounded":
                text = await press("space")
        assert "template/bounded" in text
        assert "r = limit tanh(" in text
        text = await found("reward.limit")
        assert "No reward is larger than this." in " ".join(text.split())
        await found("benchmarks.distinct")
        assert "benchmarks.distinct.prompts" in await press("space")
        await press("ctrl+s")
    (config,) = started
    assert (config.reward.kind, config.reward.limit) == ("template/bounded", 2.0)
    assert config.benchmarks["distinct"].kind == "template/distinct"

"""Written runs, and the dashboard on them with a fixed clock."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dashboard.written_events import BEGAN
from dashboard.written_run import engine_alive, write_all
from textual.pilot import Pilot

from irltui.dashboard.app import Dashboard
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.services import Services
from irltui.runs.folder import RunFolder

NOW = BEGAN + 3_600


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunFolder]]:
    """All written runs; the one called running has its lock held, as by an engine."""
    folder = tmp_path_factory.mktemp("home") / "runs"
    written = write_all(folder)
    with engine_alive(written["running"]):
        yield written


@pytest.fixture(autouse=True)
def same_everywhere(runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Paths are relative, times are UTC, colours are on."""
    monkeypatch.chdir(runs["irft"].path.parents[1])
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()


def dashboard(run: str = "", **options: object) -> Dashboard:
    """The dashboard on the written runs, one of them open."""
    path = Path("runs") / run if run else None
    return Dashboard(Path("runs"), path, Services(**options), clock=lambda: NOW)  # type: ignore[arg-type]


async def settle(pilot: Pilot[int]) -> None:
    """Wait until everything that is on disk is on the screen."""
    app = pilot.app
    assert isinstance(app, Dashboard)
    for _ in range(400):
        await pilot.pause(0.01)
        if app.store.listed and all(run.loaded and run.status for run in app.store.open.values()):
            break
    for screen in app.screen_stack:
        if isinstance(screen, MainScreen):
            screen.redraw()
    await pilot.pause()


@asynccontextmanager
async def running(app: Dashboard, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[int]]:
    """The dashboard, settled."""
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield pilot


def text_of(app: Dashboard) -> str:
    """Everything on the screen as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def on(test):
    """An async test in an event loop of its own."""

    def wrapped(*args: object, **named: object) -> None:
        asyncio.run(test(*args, **named))

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    wrapped.__signature__ = __import__("inspect").signature(test)  # type: ignore[attr-defined]
    return wrapped


async def press(app: Dashboard, pilot, *keys: str) -> str:
    await pilot.press(*keys)
    await settle(pilot)
    return text_of(app)

"""Hooks are called through pluggy: kinds are registered by a callback or returned, and observers watch a run."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from irltui.api import RewardSpec, hookimpl
from irltui.api.registry import Registry, read_plugin_file
from irltui.config.load import recorded
from irltui.errors import ConfigError, PluginError
from irltui.runs.events import Kind
from irltui.testing import check_observer
from support.compare import assert_same
from support.runs import config, demonstrations, events, finish, prepare, work
from support.tiny import folder

pytestmark = pytest.mark.usefixtures("trust_code")

HEAD = "import json\nfrom irltui.api import *\n"
KINDS = """
class Mine(RewardSpec):
    'A reward.'
    def build(self, context): ...

class Other(RewardSpec):
    'Another.'
    def build(self, context): ...
"""


def registry_with(path: Path, text: str) -> Registry:
    path.write_text(HEAD + text)
    registry = Registry()
    registry.add_file(read_plugin_file(path))
    return registry


@pytest.mark.parametrize(
    "hook",
    [
        "def irltui_rewards(register):\n    for kind in (Mine, Other):\n        register(kind.__name__.lower(), kind)",
        "def irltui_rewards():\n    return {'mine': Mine, 'other': Other}",
        "def irltui_rewards(register):\n    register('mine', Mine)\n    return {'other': Other}",
    ],
    ids=["registered", "returned", "both"],
)
def test_kinds_are_registered_by_a_callback_or_returned(tmp_path: Path, hook: str) -> None:
    registry = registry_with(tmp_path / "acme.py", f"{KINDS}\n@hookimpl\n{hook}\n")
    assert registry.resolve("reward", "acme/mine").__name__ == "Mine"
    assert registry.resolve("reward", "acme/other").__name__ == "Other"


@pytest.mark.parametrize(
    ("calls", "problem"),
    [
        ("register('mine', Mine); register('mine', Other)", "'mine' is registered twice"),
        ("register('mine', int)", "'mine' is int, not a subclass of RewardSpec"),
        ("register('a/b', Mine)", "'a/b' cannot be a kind"),
    ],
)
def test_what_is_registered_wrongly_is_named(tmp_path: Path, calls: str, problem: str) -> None:
    text = f"{KINDS}\n@hookimpl\ndef irltui_rewards(register):\n    {calls}\n"
    with pytest.raises(PluginError, match=f"hook irltui_rewards: {problem}"):
        registry_with(tmp_path / "acme.py", text).load("acme")


def watching(path: Path, body: str, base: dict[str, Any], *, arguments: str = "event, run") -> dict[str, Any]:
    path.write_text(f"{HEAD}\n@hookimpl\ndef irltui_event({arguments}):\n    {body}\n")
    name = path.stem
    return {**base, "plugins": {"files": {name: {"path": str(path)}}, "observers": [name]}}


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Any]:
    model, data = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 10)
    return config(model, data, {"algorithm": "sft", "loop": {"outer_iterations": 1}})


def test_an_observer_is_told_of_every_event_once_it_is_written(tmp_path: Path, base: dict[str, Any]) -> None:
    body = "open(run / 'seen', 'a').write(json.dumps(event) + '\\n')"
    run = finish(tmp_path / "run", watching(tmp_path / "acme.py", body, base))
    seen = [json.loads(line) for line in (run.path / "seen").read_text().splitlines()]
    written = [json.loads(line) for line in run.events.read_text().splitlines()]
    assert seen == written[written.index(seen[0]) :]
    assert {"run_start", "data", "metrics", "checkpoint", "run_end"} <= {event["kind"] for event in seen}


def test_an_observer_that_raises_is_left_out_and_the_run_stays_the_same(tmp_path: Path, base: dict[str, Any]) -> None:
    expected = finish(tmp_path / "plain", base)
    values = watching(tmp_path / "acme.py", "raise KeyError(event['kind'])", base, arguments="event")
    run = finish(tmp_path / "run", values)
    assert_same(run, expected)
    told = [event.text for event in events(run, Kind.LOG) if event.level == "warning"]
    assert told == ["plugin 'acme': irltui_event raised KeyError('run_start'); it watches no longer"]


def test_an_observer_that_hangs_is_left_out(tmp_path: Path, base: dict[str, Any]) -> None:
    values = watching(tmp_path / "acme.py", "while True: pass", base)
    values["plugins"]["time_limit"] = 0.3
    run = prepare(tmp_path / "run", values)
    assert work(run) == 0
    assert [e.text for e in events(run, Kind.LOG) if "irltui_event hung at acme.py:6" in e.text]


def test_a_plugin_without_the_hook_cannot_be_named_as_observer(tmp_path: Path, base: dict[str, Any]) -> None:
    values = watching(tmp_path / "acme.py", "pass", base)
    (tmp_path / "acme.py").write_text(f"{HEAD}{KINDS}\n@hookimpl\ndef irltui_rewards(): return {{'mine': Mine}}\n")
    with pytest.raises(ConfigError, match=r"plugins: observers: plugin 'acme' has no hook irltui_event"):
        recorded(values)
    with pytest.raises(ConfigError, match=r"plugins: observers: no installed plugin is called 'nobody'"):
        recorded({**base, "plugins": {"observers": ["nobody"]}})


def test_the_kit_finds_an_observer_that_changes_events_or_raises() -> None:
    def good(event: Any) -> None:
        event["kind"]

    def changes(event: Any) -> None:
        event["mine"] = 1

    def reads_steps(event: Any) -> None:
        event["step"]

    def observer(hook: Any) -> ModuleType:
        module = ModuleType("observer")
        module.irltui_event = hookimpl(hook, specname="irltui_event")
        return module

    check_observer(observer(good))
    for bad, problem in ((changes, "changes the event log"), (reads_steps, "raises KeyError: 'step'")):
        with pytest.raises(AssertionError, match=problem):
            check_observer(observer(bad))


def test_two_plugins_are_told_apart_by_their_names(tmp_path: Path) -> None:
    registry = registry_with(tmp_path / "acme.py", f"{KINDS}\n@hookimpl\ndef irltui_rewards(): return {{'x': Mine}}\n")
    (tmp_path / "rival.py").write_text(f"{HEAD}{KINDS}\n@hookimpl\ndef irltui_rewards(): return {{'x': Other}}\n")
    registry.add_file(read_plugin_file(tmp_path / "rival.py"))
    assert registry.resolve("reward", "acme/x").__doc__ == "A reward."
    assert registry.resolve("reward", "rival/x").__doc__ == "Another."
    assert issubclass(registry.resolve("reward", "implicit"), RewardSpec)

"""A plugin that is broken is named, with what it did wrong, and reaches only those who name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from irltui.api import hooks
from irltui.api.registry import DISABLE_VARIABLE, Registry, read_plugin_file
from irltui.errors import ConfigError, PluginError
from irltui.runs.events import Kind
from irltui.runs.reader import read_events
from support.runs import config, demonstrations, events, finish, prepare, rft, stored, work
from support.site import Site
from support.tiny import folder

pytestmark = pytest.mark.usefixtures("trust_code")

HEAD = """
from irltui.api import *
import torch

class Mine(RewardSpec):
    '''A reward.'''
    implicit = True
    beta: float = 0.1
    def build(self, context):
        return Score(context.policy)

class Score(Reward):
    def __init__(self, policy):
        self._policy = policy
    def score(self, responses):
        return self._policy.log_probs(responses) - responses.logp_ref
    def parameters(self):
        return self._policy.parameters()
"""
HOOK = """
@hookimpl
def irltui_rewards():
    return {"mine": Mine}
"""


def plugin(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def registry_with(path: Path, text: str) -> Registry:
    registry = Registry()
    registry.add_file(read_plugin_file(plugin(path, text)))
    return registry


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import no_such_package", "does not load: ModuleNotFoundError"),
        ("raise SystemExit(3)", "does not load: SystemExit(3)"),
        ("def f(:", "does not load: SyntaxError"),
        ("x = 1", "provides nothing"),
        (HEAD + "@hookimpl\ndef irltui_reward(): return {}", "unknown hook 'irltui_reward'"),
        (HEAD + "@hookimpl\ndef irltui_rewards(run): return {}", "hook 'irltui_rewards'"),
        (HEAD + "@hookimpl\ndef irltui_rewards(): return [Mine]", "hook irltui_rewards gives a list, not a mapping"),
        (HEAD + "@hookimpl\ndef irltui_rewards(): return {'mine': Score}", "'mine' is Score, not a subclass of Rew"),
        (HEAD + "@hookimpl\ndef irltui_samplers(): return {'mine': Mine}", "'mine' is Mine, not a subclass of Samp"),
        (HEAD + "@hookimpl\ndef irltui_rewards(): return {'a/b': Mine}", "'a/b' cannot be a kind"),
        (HEAD + "@hookimpl\ndef irltui_rewards(): return {'mine': Mine('x')}", "hook irltui_rewards raised TypeError"),
        (HEAD + "@hookimpl\ndef irltui_rewards(): raise KeyError('k')", "hook irltui_rewards raised KeyError('k')"),
    ],
)
def test_a_plugin_that_does_not_load_is_named_with_the_reason(tmp_path: Path, text: str, problem: str) -> None:
    registry = registry_with(tmp_path / "broken.py", text)
    assert registry.resolve("reward", "implicit").__name__ == "Implicit"  # nobody has named it
    for _ in range(2):  # a plugin that failed leaves no trace
        with pytest.raises(PluginError) as caught:
            registry.resolve("reward", "broken/mine")
        assert problem in caught.value.message
        assert caught.value.message.startswith("plugin 'broken' (")


def test_every_hook_is_known_to_the_registry() -> None:
    from irltui.api.registry import HOOKS, OBSERVER

    assert {*HOOKS.values(), OBSERVER} == {name for name in vars(hooks) if name.startswith("irltui_")}


def test_two_distributions_with_one_name_are_both_named(
    make_site: Callable[[], Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()
    for release in ("acme-one-1.0", "acme-two-2.0"):
        info = site.path / f"{release.replace('-', '_', 1)}.dist-info"
        info.mkdir()
        name, _, version = release.rpartition("-")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[irltui]\nacme = no_such_module\n")
    monkeypatch.syspath_prepend(site.path)
    assert len(entry_points(group="irltui", name="acme")) == 2
    with pytest.raises(PluginError, match=r"provided by acme-one 1\.0 and by acme-two 2\.0"):
        Registry().load("acme")
    with pytest.raises(PluginError, match=r"an installed plugin is called 'acme' too \(acme-one 1\.0, acme-two"):
        registry_with(tmp_path / "acme.py", HEAD + HOOK)


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    registry = registry_with(tmp_path / "mine.py", HEAD + HOOK)
    (tmp_path / "b").mkdir()
    with pytest.raises(PluginError, match="Rename one of the files"):
        registry.add_file(read_plugin_file(plugin(tmp_path / "b" / "mine.py", HEAD + HOOK)))


@pytest.mark.parametrize("value", ["mine", "all", "other, mine"])
def test_a_plugin_is_disabled_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, value)
    registry = registry_with(tmp_path / "mine.py", "raise AssertionError('imported')")
    with pytest.raises(PluginError, match="plugin 'mine' is disabled"):
        registry.resolve("reward", "mine/mine")


def test_a_plugin_is_disabled_by_the_configuration(tmp_path: Path) -> None:
    from irltui.config.load import recorded

    values = config(Path("m"), Path("d"), {"reward": {"kind": "mine/mine"}})
    values["plugins"] = {"files": {"mine": {"path": str(plugin(tmp_path / "mine.py", HEAD + HOOK))}}}
    assert recorded(values).reward.kind == "mine/mine"
    values["plugins"]["disable"] = ["mine"]
    with pytest.raises(ConfigError, match=r"run.json: reward: plugin 'mine' is disabled"):
        recorded(values)


def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 12)


def with_file(tmp_path: Path, text: str, **change: object) -> dict[str, object]:
    values = config(*inputs(tmp_path), {"reward": {"kind": "mine/mine"}, **change})
    values["plugins"] = {"files": {"mine": {"path": str(plugin(tmp_path / "mine.py", text))}}}
    return values


def test_a_local_file_is_recorded_with_its_hash_and_a_changed_one_is_refused_on_resume(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", with_file(tmp_path, HEAD + HOOK))
    (recorded,) = json.loads(run.manifest.read_text())["config"]["plugins"]["files"].values()
    assert recorded == {
        "path": str(tmp_path / "mine.py"),
        "sha256": read_plugin_file(tmp_path / "mine.py").sha256,
    }
    assert work(run) == 0
    plugin(tmp_path / "mine.py", HEAD + HOOK + "# changed\n")
    assert work(run) == 2
    reason = read_events(run.events)[-1].reason
    assert "mine.py has changed since the run began. Put the file back" in reason
    plugin(tmp_path / "mine.py", HEAD + HOOK)
    assert work(run) == 0


def test_a_file_that_is_gone_is_told_on_resume(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", with_file(tmp_path, HEAD + HOOK))
    (tmp_path / "mine.py").unlink()
    assert work(run) == 2
    assert "mine.py: cannot be read" in read_events(run.events)[-1].reason


@pytest.mark.parametrize(
    ("score", "problem"),
    [
        ("raise ValueError('no idea')", "reward 'mine/mine': score raised ValueError: no idea"),
        ("return self._policy.token_log_probs(responses)", "reward 'mine/mine' broke its contract: score gives shape"),
        ("return self._policy.log_probs(responses).double()", "score gives torch.float64 on cpu where torch.float32"),
        ("return self._policy.log_probs(responses) * float('nan')", "reward 'mine/mine': score is not finite in row 0"),
        ("return [1.0]", "score gives a list, not a tensor"),
    ],
)
def test_a_reward_that_goes_wrong_ends_the_run_with_its_name(tmp_path: Path, score: str, problem: str) -> None:
    text = HEAD.replace("return self._policy.log_probs(responses) - responses.logp_ref", score) + HOOK
    run = prepare(tmp_path / "run", with_file(tmp_path, text))
    assert work(run) == 1
    end = read_events(run.events)[-1]
    assert problem in end.reason
    assert "`irltui plugins check mine` runs all checks" in end.hint


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        ("raise OSError('no such file')", "reward 'mine/mine': build raised OSError: no such file"),
        ("return None", "reward 'mine/mine' broke its contract: build gives a NoneType, not a Reward"),
        ("return Abstract()", "reward 'mine/mine': build raised TypeError"),
    ],
)
def test_a_part_that_cannot_be_built_is_named(tmp_path: Path, build: str, problem: str) -> None:
    text = HEAD.replace("return Score(context.policy)", build) + "class Abstract(Reward): pass\n" + HOOK
    run = prepare(tmp_path / "run", with_file(tmp_path, text))
    assert work(run) == 1
    assert problem in read_events(run.events)[-1].reason


SAMPLER = """
from irltui.api import *

class Mine(SamplerSpec):
    '''A sampler.'''
    def build(self, context):
        return Draws()

class Draws(Sampler):
    def sample(self, prompts, decoding, seed):
        BODY

@hookimpl
def irltui_samplers():
    return {"mine": Mine}
"""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise ValueError('dry')\n        yield", "sampler 'mine/mine': sample raised ValueError: dry"),
        ("yield from ()", "prompts are not answered"),
        ("yield 'text'", "a str is not a Generation"),
        ("yield Generation('x', (2,), (0.0,), True)", "prompt 'x' was not requested, or is answered twice"),
        (
            "yield from (Generation(p.id, (4, 2), (0.0,), True) for p in prompts)",
            "1 log-probabilities for 2 tokens",
        ),
    ],
)
def test_a_sampler_that_goes_wrong_ends_the_run_with_its_name(tmp_path: Path, body: str, problem: str) -> None:
    quiet = {"reward": {"kind": "implicit"}, "sampler": {"kind": "mine/mine"}, "evaluation": {"samples": 0}}
    values = with_file(tmp_path, SAMPLER.replace("BODY", body), **quiet)
    values["sampler"] = {"kind": "mine/mine"}
    run = prepare(tmp_path / "run", values)
    assert work(run) == 1
    reason = read_events(run.events)[-1].reason
    assert problem in reason
    assert "mine/mine" in reason


def test_a_broken_plugin_that_nobody_names_stops_no_run(tmp_path: Path) -> None:
    values = with_file(tmp_path, "raise RuntimeError('broken')")
    values["reward"] = {"kind": "implicit"}
    finish(tmp_path / "run", values)


GIVEN = """
from irltui.api import *

class Mine(RewardSpec):
    '''Short answers are good.'''
    learns = False
    beta: float = 0.1
    @property
    def window(self):
        return WINDOW
    def build(self, context):
        return Short()

class Short(Reward):
    def score(self, responses):
        return -responses.response_mask.sum(-1).float()
    def parameters(self):
        return iter(())
"""


@pytest.mark.parametrize(("held_out", "window"), [(0.2, 1), (0.2, None), (0.0, 1)])
def test_a_given_reward_draws_no_generation_that_nobody_uses(
    tmp_path: Path, held_out: float, window: int | None
) -> None:
    values = with_file(tmp_path, GIVEN.replace("WINDOW", str(window)) + HOOK, **rft({"reward": {"kind": "mine/mine"}}))
    values["reward"] = {"kind": "mine/mine"}
    values["data"]["held_out"] = held_out
    run = finish(tmp_path / "run", values)
    (data,) = events(run, Kind.DATA)
    for t in range(2):
        assert len(stored(run, f"{t:04d}")) == data.report.held_out
    named = {name for event in events(run, Kind.METRICS) for name in event.values}
    assert "policy/reward" in named
    assert ("heldout/loss" in named) == ("generation/length" in named) == bool(held_out)
    assert not named & {"pairs/dropped", "train/loss", "shortcut/length_auc"}


def test_a_reward_that_has_nothing_to_train_and_does_not_say_so_is_told_what_to_say(tmp_path: Path) -> None:
    text = GIVEN.replace("learns = False", "learns = True").replace("WINDOW", "1") + HOOK
    values = with_file(tmp_path, text, **rft({"reward": {"kind": "mine/mine"}}))
    values["reward"] = {"kind": "mine/mine"}
    run = prepare(tmp_path / "run", values)
    assert work(run) == 2
    end = read_events(run.events)[-1]
    assert "reward.kind mine/mine: parameters() is empty" in end.reason
    assert "learns = False" in end.hint


HANG = """
from irltui.api import *

class Slow(SamplerSpec):
    '''Never answers.'''
    def build(self, context):
        return Hangs()

class Hangs(Sampler):
    def sample(self, prompts, decoding, seed):
        import time
        time.sleep(1000)
        yield

@hookimpl
def irltui_samplers():
    return {"slow": Slow}
"""


def test_a_sampler_that_hangs_is_named_by_the_check(shipped: Site, tmp_path: Path) -> None:
    path = plugin(tmp_path / "late.py", HANG)
    done = shipped.irltui("plugins", "check", path, "--limit", "3", cwd=tmp_path)
    assert done.returncode == 1
    assert "sampler late/slow: Every prompt gets one complete generation" in done.stdout
    assert "not done within 3 s: it hangs, or --limit is too short" in done.stdout


def test_a_plugin_that_kills_its_process_is_named_by_the_check(shipped: Site, tmp_path: Path) -> None:
    text = HANG.replace("import time", "import os").replace("time.sleep(1000)", "os._exit(7)")
    done = shipped.irltui("plugins", "check", plugin(tmp_path / "late.py", text), cwd=tmp_path)
    assert done.returncode == 1
    assert "sampler late/slow: Every prompt gets one complete generation" in done.stdout
    assert "the process ended with exit code 7" in done.stdout


def test_a_check_answers_in_json(shipped: Site, tmp_path: Path) -> None:
    path = plugin(tmp_path / "mine.py", "x = 1")
    told = json.loads(shipped.irltui("plugins", "check", path, "--json", cwd=tmp_path).stdout)
    assert not told["good"]
    assert "provides nothing" in told["error"]


def test_an_implicit_reward_cannot_do_without_its_reference(tmp_path: Path) -> None:
    text = HEAD.replace("    implicit = True\n", "    implicit = True\n    needs_reference = False\n") + HOOK
    registry = registry_with(tmp_path / "mine.py", text)
    with pytest.raises(PluginError, match="'mine' is implicit, so needs_reference must be True"):
        registry.resolve("reward", "mine/mine")

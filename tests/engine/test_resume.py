"""A run that was interrupted continues as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from irltui.engine.safepoint import SafePoint, Stop
from irltui.engine.stepper import Stepper
from irltui.errors import EXIT_OK, EXIT_USAGE, CheckpointError
from irltui.lm import precision
from irltui.rewards import Explicit
from irltui.rewards.explicit import ExplicitReward
from irltui.runs.checkpoints import go_back, newest_first, newest_usable
from irltui.runs.doctor import diagnose
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.status import State, read_status
from support import function_reward, learning_reward
from support.compare import assert_same
from support.runs import Change, config, demonstrations, events, finish, prepare, rft, work
from support.tiny import folder

ALGORITHMS: dict[str, Change] = {
    "sft": {"algorithm": "sft"},
    "irft": {},
    "fixed reference and lora": {
        "adapter": {"kind": "lora", "rank": 2, "dropout": 0.1},
        "reference": {"kind": "fixed"},
    },
    "rft": rft({"reward": {"history": "all", "l2": 0.1, "bound": 2.0}}),
    "rft by boltzmann with lora, restarting": rft(
        {
            "reward": {"init": "restart", "lora_rank": 2},
            "update": {"kind": "boltzmann"},
            "adapter": {"kind": "lora", "rank": 2, "dropout": 0.1},
        }
    ),
    "dft with an anchor": {"algorithm": "dft", "objective": {"anchor": 0.1}},
    "few": {"algorithm": "few", "objective": {"generations": 2}, "reference": {"kind": "fixed"}},
    "distill with lora": {
        "algorithm": "distill",
        "objective": {"generations": 2},
        "adapter": {"kind": "lora", "rank": 2},
    },
    "rft with prompts, evaluated every other time": rft({"evaluation": {"every": 2, "samples": 1}}),
    "irft with three generations": {"objective": {"generations": 3}, "loss": {"gamma": 0.1}},
    "nce with two generations": {"algorithm": "nce", "objective": {"generations": 2}},
    "rft by a function": rft({"reward": {"kind": "function", "file": function_reward.__file__}}),
    "rft by a plugin with its own loss": {
        **rft({"plugins": {"files": {"learning_reward": {"path": learning_reward.__file__}}}}),
        "reward": {"kind": "learning_reward/bce"},
    },
    "rft by similarity": rft({"reward": {"kind": "similarity"}, "update": {"kind": "boltzmann"}}),
    "early stop": {"early_stop": {"max_gap": 0.03, "held_out_patience": 2, "check_every": 1}},
}


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Make the engine's `count`-th safe point of each attempt the last one."""
    asked = {"n": 0}

    def poll(self: SafePoint) -> None:
        asked["n"] += 1
        if asked["n"] == count:
            raise Stop(State.STOPPED, "interrupted by the test", EXIT_OK)

    monkeypatch.setattr(SafePoint, "poll", poll)


def count_polls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    asked = {"n": 0}

    def poll(self: SafePoint) -> None:
        asked["n"] += 1

    monkeypatch.setattr(SafePoint, "poll", poll)
    return asked


@pytest.mark.usefixtures("trust_code")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_interrupted_anywhere_a_run_continues_to_identical_weights_metrics_and_samples(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    values = config(*inputs, {**ALGORITHMS[name], "loop": {"outer_iterations": 2, "inner_epochs": 2}})
    if name == "few":
        values["loop"] = {"passes": 3, "outer_iterations": 1, "inner_steps": 3, "batch": 4, "micro_batch": 2}
    if name.startswith("distill"):
        values["objective"]["start"] = str(folder(tmp_path / "start", "qwen2"))
    if "prompts" in name:
        values["data"]["prompts"] = str(demonstrations(tmp_path / "prompts.jsonl", 5, seed=2))
    asked = count_polls(monkeypatch)
    expected = finish(tmp_path / "whole", values)
    places = range(1, asked["n"] + 1)
    for place in list(places)[:: max(1, len(places) // 9)]:
        run = prepare(tmp_path / f"stopped-{place}", values)
        interrupt_at(monkeypatch, place)
        assert work(run) == EXIT_OK
        count_polls(monkeypatch)
        assert work(run) == EXIT_OK
        assert_same(run, expected)
        assert read_status(run).values.keys() == read_status(expected).values.keys()


@pytest.mark.parametrize("given", [False, True], ids=["learned", "given"])
def test_a_reward_is_told_of_each_outer_iteration_once_wherever_the_run_is_interrupted(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(ExplicitReward, "begin", lambda self, t: begun.append(t))
    monkeypatch.setattr(Explicit, "learns", not given)
    values = config(*inputs, rft({"update": {"steps": 2}, "evaluation": {"held_out_pairs": 2, "samples": 1}}))
    asked = count_polls(monkeypatch)
    finish(tmp_path / "whole", values)
    assert begun == [0, 1]
    for place in range(2, asked["n"] + 1, max(1, asked["n"] // 12)):
        begun.clear()
        run = prepare(tmp_path / f"stopped-{place}", values)
        interrupt_at(monkeypatch, place)
        assert work(run) == EXIT_OK
        count_polls(monkeypatch)
        assert work(run) == EXIT_OK
        assert begun == [0, 1], place


def test_interrupted_between_every_two_steps_a_run_still_ends_the_same(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = config(*inputs, {"checkpoint": {"every_steps": 1}})
    count_polls(monkeypatch)
    expected = finish(tmp_path / "whole", values)
    run = prepare(tmp_path / "often", values)
    for attempt in range(60):
        interrupt_at(monkeypatch, 24 + attempt % 3)  # one phase of sampling polls so often
        work(run)
        if run.model.exists():
            break
    assert attempt > 1
    assert_same(run, expected)


def crash_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A crash takes no checkpoint along: the error is none that the engine knows."""
    asked = {"n": 0}

    def poll(self: SafePoint) -> None:
        asked["n"] += 1
        if asked["n"] == count:
            raise KeyboardInterrupt

    monkeypatch.setattr(SafePoint, "poll", poll)


@pytest.mark.parametrize("place", [5, 9, 16, 22])
def test_after_a_crash_without_a_checkpoint_of_its_own_the_run_goes_back_and_ends_the_same(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    values = config(*inputs)
    count_polls(monkeypatch)
    expected = finish(tmp_path / "whole", values)
    run = prepare(tmp_path / "crashed", values)
    crash_after(monkeypatch, place)
    with pytest.raises(KeyboardInterrupt):
        work(run)
    count_polls(monkeypatch)
    assert work(run) == EXIT_OK
    assert_same(run, expected)


def stopped_with_checkpoints(tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    run = prepare(tmp_path / "run", {**values, "checkpoint": {"every_steps": 1, "keep": 3}})
    interrupt_at(monkeypatch, 60)
    work(run)
    count_polls(monkeypatch)
    return run


@pytest.mark.parametrize("file", ["parameters.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "truncate", "delete"])
def test_a_damaged_checkpoint_is_passed_over_and_said_so(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, file: str, harm: str
) -> None:
    run = stopped_with_checkpoints(tmp_path, config(*inputs), monkeypatch)
    newest, *others = sorted(p.name for p in run.checkpoints.iterdir() if p.is_dir())[::-1]
    assert others
    victim = run.checkpoints / newest / file
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    if harm == "delete":
        victim.unlink()
    else:
        victim.write_bytes(content if harm == "flip" else content[: len(content) // 2])
    assert work(run) == EXIT_OK
    assert f"checkpoint {newest} skipped" in run.events.read_text()


def test_a_run_goes_back_to_the_checkpoint_that_is_asked_for_and_ends_the_same(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = config(*inputs)
    expected = finish(tmp_path / "whole", {**values, "checkpoint": {"every_steps": 1, "keep": 3}})
    run = stopped_with_checkpoints(tmp_path, values, monkeypatch)
    newest, older, *_ = newest_first(run)
    with pytest.raises(CheckpointError, match="no checkpoint 77"):
        go_back(run, "77")
    go_back(run, str(run.checkpoints / older))
    assert diagnose(run).resumes_from == older
    assert (run.checkpoints / f".{newest}.aside").is_dir()
    assert work(run) == EXIT_OK
    assert f"continuing from checkpoint {older}" in run.events.read_text()
    assert_same(run, expected)


def test_a_checkpoint_of_another_run_or_under_another_name_is_not_taken(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_with_checkpoints(tmp_path, config(*inputs), monkeypatch)
    other = finish(tmp_path / "other", config(*inputs, {"seed": 9}))
    newest, older, *_ = newest_first(run)
    shutil.copytree(other.checkpoints / newest_first(other)[0], run.checkpoints / "0008-000000")
    shutil.copytree(run.checkpoints / older, run.checkpoints / "0007-000000")
    name, skipped = newest_usable(run)
    assert name == newest
    assert "0008-000000 skipped: belongs to another run" in skipped[0]
    assert f"0007-000000 skipped: is checkpoint {older} under another name" in skipped[1]


def test_with_no_usable_checkpoint_the_run_refuses_rather_than_starts_over(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_with_checkpoints(tmp_path, config(*inputs), monkeypatch)
    for entry in run.checkpoints.iterdir():
        if entry.is_dir():
            (entry / "parameters.safetensors").write_bytes(b"")
    assert work(run) == 1
    assert "no usable checkpoint" in run.events.read_text()


def stop_behind(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Make the engine end at the first safe point behind so many optimizer steps."""
    true, done = Stepper.step, [0]

    def step(self: Stepper, planned: int) -> tuple[float, float]:
        done[0] += 1
        return true(self, planned)

    def poll(self: SafePoint) -> None:
        if done[0] == steps:
            raise Stop(State.STOPPED, "interrupted by the test", EXIT_OK)

    monkeypatch.setattr(Stepper, "step", step)
    monkeypatch.setattr(SafePoint, "poll", poll)


LOST: dict[str, tuple[Change, int, str, str]] = {
    "of this iteration": ({}, 3, "0001", "0001-000000"),
    "of an earlier one": (rft({"reward": {"history": "all"}}), 5, "0000", "0000-000000"),
}


@pytest.mark.parametrize("which", LOST)
@pytest.mark.parametrize("kind", ["*", "reference.jsonl*"])
def test_where_generations_are_lost_a_run_returns_to_the_checkpoint_before_them(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, which: str, kind: str
) -> None:
    change, steps, lost, place = LOST[which]
    values = config(*inputs, {**change, "checkpoint": {"keep": 9}})
    expected = finish(tmp_path / "whole", values)
    run = prepare(tmp_path / "run", values)
    stop_behind(monkeypatch, steps)
    assert work(run) == EXIT_OK
    for file in run.samples.glob(f"{lost}.{kind}"):
        file.unlink()
    count_polls(monkeypatch)
    returns = (run.checkpoints / place).exists()
    assert diagnose(run).resumes_from == (place if returns else None)
    assert work(run) == (EXIT_OK if returns else 1)
    if returns:
        assert_same(run, expected)
    assert any(f"samples/{lost}" in str(event) for event in events(run, Kind.LOG, Kind.RUN_END))


@pytest.mark.parametrize("change", [{}, {"adapter": {"kind": "lora", "rank": 2}}], ids=["all weights", "adapters"])
@pytest.mark.parametrize("what", ["model", "data"])
def test_a_run_does_not_go_on_with_another_model_or_other_rows(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, what: str, change: Change
) -> None:
    expected = finish(tmp_path / "whole", config(*inputs, change))
    run = prepare(tmp_path / "run", config(*inputs, change))
    stop_behind(monkeypatch, 2)
    assert work(run) == EXIT_OK
    count_polls(monkeypatch)
    file = inputs[0] / "model.safetensors" if what == "model" else inputs[1]
    before = file.read_bytes()
    if what == "model":
        save_file({name: tensor * 1.01 for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    else:
        demonstrations(file, 14, seed=1)
    assert work(run) == EXIT_USAGE
    assert "changed since the run began" in events(run, Kind.RUN_END)[-1].reason
    file.write_bytes(before)
    assert work(run) == EXIT_OK
    assert_same(run, expected)


def test_a_run_keeps_the_precision_that_it_began_with_where_the_machine_would_choose_another(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def machine(prefers: str) -> None:
        monkeypatch.setattr(precision, "SMALL", 0)
        monkeypatch.setattr(precision, "_native_bf16", lambda: True)
        monkeypatch.setattr(precision, "_ratio", lambda widths: 0.5 if prefers == "bfloat16" else 2.0)

    machine("bfloat16")
    expected = finish(tmp_path / "whole", config(*inputs))
    run = prepare(tmp_path / "run", config(*inputs))
    stop_behind(monkeypatch, 2)
    assert work(run) == EXIT_OK
    count_polls(monkeypatch)
    machine("float32")
    assert work(run) == EXIT_OK
    assert_same(run, expected)


def test_a_half_written_checkpoint_is_not_taken_for_one(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_with_checkpoints(tmp_path, config(*inputs), monkeypatch)
    newest = max(p.name for p in run.checkpoints.iterdir() if p.is_dir())
    shutil.move(run.checkpoints / newest, run.checkpoints / f".{newest}.tmp")
    assert work(run) == EXIT_OK


def test_the_only_checkpoint_is_taken_though_the_run_was_killed_while_it_replaced_it(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_with_checkpoints(tmp_path, config(*inputs), monkeypatch)
    newest, *others = sorted(run.checkpoints.iterdir())[::-1]
    for other in others:
        shutil.rmtree(other)
    newest.rename(newest.with_name(f".{newest.name}.old"))
    assert work(run) == EXIT_OK
    assert f"continuing from checkpoint {newest.name}" in run.events.read_text()
    assert not list(run.checkpoints.glob(".*"))


def test_only_the_newest_and_the_best_checkpoints_stay(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = finish(tmp_path / "run", config(*inputs, {"checkpoint": {"every_steps": 1, "keep": 2}}))
    assert 2 <= len([p for p in run.checkpoints.iterdir() if p.is_dir()]) <= 3

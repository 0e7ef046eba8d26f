"""A plugin that hangs ends its run with its name; one that is slow does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins.test_isolation import HEAD, HOOK, SAMPLER, with_file

from irltui.runs.reader import read_events
from support.runs import finish, prepare, work

pytestmark = pytest.mark.usefixtures("trust_code")
SLEEPS = "import time\n        time.sleep(60)"


def limited(tmp_path: Path, text: str, seconds: float, **change: object) -> dict[str, object]:
    values = with_file(tmp_path, text, **change)
    values["plugins"]["time_limit"] = seconds
    return values


def ended(values: dict[str, object], tmp_path: Path) -> tuple[str, str]:
    run = prepare(tmp_path / "run", values)
    assert work(run) == 1
    end = read_events(run.events)[-1]
    return end.reason, end.hint


def test_a_reward_that_hangs_ends_the_run_with_its_name_and_place(tmp_path: Path) -> None:
    text = HEAD.replace("return self._policy.log_probs(responses) - responses.logp_ref", SLEEPS) + HOOK
    reason, hint = ended(limited(tmp_path, text, 0.3), tmp_path)
    assert reason.startswith("reward 'mine/mine': score did not return within 0.3 s; it was at mine.py:")
    assert "plugins.time_limit" in hint


def sampler_alone(tmp_path: Path, body: str, seconds: float) -> dict[str, object]:
    values = limited(tmp_path, SAMPLER.replace("BODY", body), seconds, evaluation={"samples": 0})
    values["reward"], values["sampler"] = {"kind": "implicit"}, {"kind": "mine/mine"}
    return values


def test_a_sampler_that_hangs_in_the_midst_of_a_group_ends_the_run_with_its_name(tmp_path: Path) -> None:
    body = f"yield Generation(prompts[0].id, (4, 2), (-1.0, -1.0), True)\n        {SLEEPS}"
    reason, _ = ended(sampler_alone(tmp_path, body, 0.3), tmp_path)
    assert reason.startswith("sampler 'mine/mine': sample did not return within 0.3 s")


@pytest.mark.parametrize("step", ["yield", "poll"])
def test_a_sampler_that_is_slow_but_shows_signs_of_life_is_left_alone(tmp_path: Path, step: str) -> None:
    draw = "Generation(p.id, (4, 2), (-1.0, -1.0), True)"
    body = {
        "yield": f"import time\n        for p in prompts:\n            time.sleep(0.1)\n            yield {draw}",
        "poll": f"import time\n        for p in prompts:\n            time.sleep(0.1)\n            self.poll()\n"
        f"        yield from ({draw} for p in prompts)",
    }[step]
    values = sampler_alone(tmp_path, body, 1.0)
    path = tmp_path / "mine.py"
    path.write_text(path.read_text().replace("return Draws()", "d = Draws(); d.poll = context.poll; return d"))
    values["loop"] = {"outer_iterations": 1, "batch": 4}
    finish(tmp_path / "run", values)


def test_a_benchmark_that_hangs_is_named(tmp_path: Path) -> None:
    text = """
from irltui.api import *

class Mine(BenchmarkSpec):
    '''Never answers.'''
    def build(self, context):
        return Hangs()

class Hangs(Benchmark):
    def evaluate(self, model):
        yield Score("1", "x", 1.0)
        import time
        time.sleep(60)

@hookimpl
def irltui_benchmarks():
    return {"mine": Mine}
"""
    values = limited(tmp_path, text, 0.3, benchmarks={"b": {"kind": "mine/mine"}})
    values["reward"] = {"kind": "implicit"}
    reason, _ = ended(values, tmp_path)
    assert reason.startswith("benchmarks.b: benchmark 'mine/mine': evaluate did not return within 0.3 s")

"""The conformance kit: checks the contract of every kind of part on a tiny real model.

    def test_my_reward_keeps_the_contract():
        check_reward(Bounded(kind="acme/bounded", limit=2.0))

Works offline on a CPU in seconds. Tests of plugins call it, and so does `irltui plugins check`. The `check_` functions
take a spec with options as a configuration makes them, including `kind`, and raise an AssertionError that lists all
problems, one per line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from irltui.api import BenchmarkSpec, ObjectiveSpec, RewardSpec, SamplerSpec, Spec, UpdateSpec
from irltui.api.registry import Registry
from irltui.errors import IrltuiError
from irltui.runs.event_lines import encode
from irltui.runs.events import Alert, Log, Metrics, RunEnd
from irltui.testing.benchmarks import BENCHMARK_CHECKS
from irltui.testing.case import Broken, Case, make_case, spec_round_trip
from irltui.testing.objectives import OBJECTIVE_CHECKS
from irltui.testing.rewards import REWARD_CHECKS
from irltui.testing.samplers import SAMPLER_CHECKS
from irltui.testing.updates import UPDATE_CHECKS

__all__ = [
    "check_benchmark",
    "check_objective",
    "check_observer",
    "check_reward",
    "check_sampler",
    "check_update",
    "checks",
    "make_case",
    "observer_problem",
]

Check = Callable[[Case], None]
_EVENTS = (
    Log("info", "continuing from checkpoint 0001-000000"),
    Metrics({"reward/gap": 0.5}, 3, 0, 3, 120, 1.5),
    Alert(3, "warning", "overshoot", "Overshoot: reward gap 15.4."),
    RunEnd("finished", "", "", 0),
)


def check_objective(spec: ObjectiveSpec) -> None:
    """Check an objective: losses independent of padding and batch, whose gradient lowers them."""
    _assert("objective", spec)


def check_reward(spec: RewardSpec) -> None:
    """Check a reward: scores independent of padding, batch and order; gradients; state that is restored."""
    _assert("reward", spec)


def check_sampler(spec: SamplerSpec) -> None:
    """Check a sampler: each prompt answered once, the policy's own log-probabilities, sampling by seed."""
    _assert("sampler", spec)


def check_update(spec: UpdateSpec) -> None:
    """Check a policy step: steps in order, losses with a gradient, the same remainder after an interruption."""
    _assert("update", spec)


def check_benchmark(spec: BenchmarkSpec) -> None:
    """Check a benchmark: finite values of stable items, the same for the same model."""
    _assert("benchmark", spec)


def check_observer(plugin: object) -> None:
    """Check a module, or another object, whose hook `irltui_event` watches runs: it takes every event, changes none."""
    registry = Registry()
    registry.register("observer", plugin)
    if problem := observer_problem(registry.observers()["observer"]):
        raise AssertionError(f"the observer breaks its contract\n{problem}")


def observer_problem(observe: Callable[..., Any]) -> str:
    """What an observer does wrong with one of a few events, "" if nothing."""
    for line in map(encode, _EVENTS):
        event, given = json.loads(line), json.loads(line)
        try:
            observe(event=given, run=Path("run"))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            return f"it raises {type(error).__name__}: {error} at the event {event['kind']}"
        if given != event:
            return f"it changes the event {event['kind']}, which other observers are given, too"
    return ""


def checks(component: str, spec: Spec) -> Iterator[tuple[str, str]]:
    """Run every check of a part: its sentence, and the problem ("" if there is none)."""
    for check in (spec_round_trip, *_CHECKS[component]):
        yield _sentence(check), ""  # begun: shows which check hangs
        yield _sentence(check), _problem(check, spec)


_CHECKS: dict[str, tuple[Check, ...]] = {
    "objective": OBJECTIVE_CHECKS,
    "reward": REWARD_CHECKS,
    "sampler": SAMPLER_CHECKS,
    "update": UPDATE_CHECKS,
    "benchmark": BENCHMARK_CHECKS,
}


def _assert(component: str, spec: Spec) -> None:
    problems = [f"{says}: {problem}" for says, problem in checks(component, spec) if problem]
    if problems:
        raise AssertionError("\n".join([f"{component} {spec.kind!r} breaks its contract", *problems]))


def _sentence(check: Check) -> str:
    return (check.__doc__ or check.__name__).strip().rstrip(".")


def _problem(check: Check, spec: Spec) -> str:
    try:
        with make_case(spec) as case:
            check(case)
    except Broken as broken:
        return str(broken)
    except IrltuiError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return f"{type(error).__name__}: {error}"
    return ""

"""The hooks that a plugin may have: functions marked `@hookimpl` in the module that its entry point names.

Those for parts say which kinds the plugin provides: they return a mapping of short names and Spec classes, or call
`register(name, spec)` for each. They are called once in every process that resolves a configuration: by the command
line, by the dashboard, by the engine. So they must be quick, must not import torch, and must give the same every time.
`irltui_event` watches a run. A hook takes as many of its arguments as it names. What it raises, or a wrong type,
becomes an error that names the plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from irltui.api import BenchmarkSpec, ObjectiveSpec, RewardSpec, SamplerSpec, UpdateSpec

hookspec = pluggy.HookspecMarker("irltui")
hookimpl = pluggy.HookimplMarker("irltui")


@hookspec
def irltui_objectives(register: Callable[[str, type[ObjectiveSpec]], None]) -> Mapping[str, type[ObjectiveSpec]] | None:
    """Objectives by short name: `{"offline": Offline}` is `algorithm = "PLUGIN/offline"`, its options are [objective].

    `build` is called once in the engine, after the reward if the Spec asks for one. `losses` is then called for every
    forward pass of the inner steps. Provisional.
    """


@hookspec
def irltui_rewards(register: Callable[[str, type[RewardSpec]], None]) -> Mapping[str, type[RewardSpec]] | None:
    """Reward parameterizations by short name: `{"bounded": Bounded}` is `reward.kind = "PLUGIN/bounded"`.

    `build` is called once in the engine, after the policy is on its device and before a checkpoint is restored. The
    reward's `score` is then called with batches on that device: in inner steps with gradient, in evaluations without.
    """


@hookspec
def irltui_samplers(register: Callable[[str, type[SamplerSpec]], None]) -> Mapping[str, type[SamplerSpec]] | None:
    """Samplers by short name: `sampler.kind = "PLUGIN/name"`.

    `build` is called once in the engine for the policy, and once more for pi_ref if a policy step draws from it.
    `refresh` is called after the weights have changed, `sample` at the start of every outer iteration, for the samples
    that are shown, and by benchmarks.
    """


@hookspec
def irltui_policy_updates(register: Callable[[str, type[UpdateSpec]], None]) -> Mapping[str, type[UpdateSpec]] | None:
    """Policy steps for rewards that are not implicit, by short name: `update.kind = "PLUGIN/name"`. Provisional.

    `build` is called once in the engine, with `context.lower`; `losses` once an outer iteration, and again with a
    later `start` when a run resumes inside it. The engine takes the gradients and moves the policy.
    """


@hookspec
def irltui_benchmarks(register: Callable[[str, type[BenchmarkSpec]], None]) -> Mapping[str, type[BenchmarkSpec]] | None:
    """Benchmarks by short name: `[benchmarks.NAME]` with `kind = "PLUGIN/name"`.

    `build` is called once in the engine, or in `irltui bench`; `evaluate` before training and after every outer
    iteration. Results go to RUN/evaluations/ item by item, and with 95 % intervals into the run's events.
    """


@hookspec
def irltui_event(event: Mapping[str, Any], run: Path) -> None:
    """A run has written an event: `event` is that line of events.jsonl, `run` its folder.

    Called in the engine's first process, for the plugins of the run's parts and those that `plugins.observers` names.
    Be quick: the run waits. An observer that raises or hangs is left out from then on, with a warning in the log, and
    the run goes on. A resumed run passes on only what is new.
    """

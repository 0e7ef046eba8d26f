"""The hooks that a plugin may have: functions marked `@hookimpl` in the module that its entry point names.

Each takes no argument and returns a mapping of short names and Spec classes. It is called once in every process that
resolves a configuration: by the command line, by the dashboard, by the engine. So it must be quick, must not import
torch, and must return the same every time. What it raises, or a wrong type, becomes an error that names the plugin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from irltui.api import BenchmarkSpec, ObjectiveSpec, RewardSpec, SamplerSpec, UpdateSpec

hookspec = pluggy.HookspecMarker("irltui")
hookimpl = pluggy.HookimplMarker("irltui")


@hookspec
def irltui_objectives() -> Mapping[str, type[ObjectiveSpec]]:
    """Objectives by short name: `{"offline": Offline}` is `algorithm = "PLUGIN/offline"`, its options are [objective].

    `build` is called once in the engine, after the reward if the Spec asks for one. `losses` is then called for every
    forward pass of the inner steps. Provisional.
    """
    return {}


@hookspec
def irltui_rewards() -> Mapping[str, type[RewardSpec]]:
    """Reward parameterizations by short name: `{"bounded": Bounded}` is `reward.kind = "PLUGIN/bounded"`.

    `build` is called once in the engine, after the policy is on its device and before a checkpoint is restored. The
    reward's `score` is then called with batches on that device: in inner steps with gradient, in evaluations without.
    """
    return {}


@hookspec
def irltui_samplers() -> Mapping[str, type[SamplerSpec]]:
    """Samplers by short name: `sampler.kind = "PLUGIN/name"`.

    `build` is called once in the engine for the policy, and once more for pi_ref if a policy step draws from it.
    `refresh` is called after the weights have changed, `sample` at the start of every outer iteration, for the samples
    that are shown, and by benchmarks.
    """
    return {}


@hookspec
def irltui_policy_updates() -> Mapping[str, type[UpdateSpec]]:
    """Policy steps for rewards that are not implicit, by short name: `update.kind = "PLUGIN/name"`. Provisional.

    `build` is called once in the engine, with `context.lower`; `losses` once an outer iteration, and again with a
    later `start` when a run resumes inside it. The engine takes the gradients and moves the policy.
    """
    return {}


@hookspec
def irltui_benchmarks() -> Mapping[str, type[BenchmarkSpec]]:
    """Benchmarks by short name: `[benchmarks.NAME]` with `kind = "PLUGIN/name"`.

    `build` is called once in the engine, or in `irltui bench`; `evaluate` before training and after every outer
    iteration. Results go to RUN/evaluations/ item by item, and with 95 % intervals into the run's events.
    """
    return {}

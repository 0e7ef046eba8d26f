"""Build parts, and check what a plugin's part returns: what it does wrong ends the run with its name.

Built-in parts are not wrapped. What `poll` raises to end a run is no `Exception`, so it passes through. A part that
does not return in time is interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn

from irltui.api import (
    Batch,
    Benchmark,
    BenchmarkSpec,
    BuildContext,
    Decoding,
    Generation,
    Model,
    Objective,
    ObjectiveSpec,
    PolicyStep,
    PolicyUpdate,
    Prompt,
    Responses,
    Reward,
    RewardSpec,
    Sampler,
    SamplerSpec,
    Score,
    Spec,
    UpdateSpec,
)
from irltui.distributed import ranks
from irltui.engine.shared_sampler import SharedSampler
from irltui.engine.timelimit import Late, TimeLimit
from irltui.errors import IrltuiError, NotFiniteError, TrainingError
from irltui.rewards.per_token import PerTokenReward

_Part = TypeVar("_Part")
FOR_EVER = TimeLimit()


def build_objective(spec: ObjectiveSpec, context: BuildContext, limit: TimeLimit = FOR_EVER) -> Objective:
    return _guarded("objective", spec, Objective, GuardedObjective, context, limit)


def build_reward(
    spec: RewardSpec, context: BuildContext, limit: TimeLimit = FOR_EVER, exported: Path | None = None
) -> Reward:
    """The reward of a configuration, or the one that a run of it `exported` to a folder.

    `limit` is how long a plugin's may take for an answer.
    """
    return _guarded("reward", spec, Reward, GuardedReward, context, limit, exported)


def build_sampler(spec: SamplerSpec, context: BuildContext, limit: TimeLimit = FOR_EVER) -> Sampler:
    sampler = _guarded("sampler", spec, Sampler, GuardedSampler, context, limit)
    return SharedSampler(sampler, context.policy if spec.uses_model else None)


def build_update(spec: UpdateSpec, context: BuildContext, limit: TimeLimit = FOR_EVER) -> PolicyUpdate:
    return _guarded("update", spec, PolicyUpdate, GuardedUpdate, context, limit)


def build_benchmarks(
    specs: Mapping[str, BenchmarkSpec], context: BuildContext, limit: TimeLimit = FOR_EVER
) -> dict[str, Benchmark]:
    """The benchmarks of a configuration by name.

    Raises:
        IrltuiError: one cannot be built; the message begins with its table, or with the option that it is about.
    """
    return {name: _build_benchmark(name, spec, context, limit) for name, spec in specs.items()}


def _build_benchmark(name: str, spec: BenchmarkSpec, context: BuildContext, limit: TimeLimit) -> Benchmark:
    try:
        return _guarded("benchmark", spec, Benchmark, GuardedBenchmark, context, limit)
    except IrltuiError as error:
        message = error.message.replace("model.name: ", "judge: ")
        is_about_option = message.partition(": ")[0] in type(spec).model_fields
        raise type(error)(f"benchmarks.{name}{'.' if is_about_option else ': '}{message}", error.hint) from error


def _guarded(
    component: str,
    spec: Spec,
    expected: type[_Part],
    guard: Callable[[_Part, str, TimeLimit], _Part],
    context: BuildContext,
    limit: TimeLimit,
    exported: Path | None = None,
) -> _Part:
    part = build_part(component, spec, expected, context, limit, exported)
    return guard(part, spec.kind, limit) if _is_foreign(spec) else part


def has_own(reward: Reward | None, method: Literal["losses", "penalty"]) -> bool:
    """Whether the reward may have a loss of its own, or add something to that of a pair."""
    while isinstance(reward, GuardedReward | PerTokenReward):
        reward = reward.inner
    return reward is not None and getattr(type(reward), method) is not getattr(Reward, method)


@dataclass(frozen=True)
class _Plugin:
    """A plugin's part: its methods are called in time, and what they raise or return wrongly names it."""

    part: Any
    what: str
    limit: TimeLimit

    def ask(self, method: str, *arguments: Any) -> Any:
        with _named(self.what, self.limit, method):
            return getattr(self.part, method)(*arguments)

    def each(self, method: str, *arguments: Any) -> Iterator[Any]:
        """What an iterator gives, one at a time."""
        given = iter(self.ask(method, *arguments))
        while True:
            with _named(self.what, self.limit, method):
                one = next(given, None)
            if one is None:
                return
            yield one

    def broken(self, problem: str) -> TrainingError:
        return broken(self.what, problem)

    def check(self, method: str, given: object, shape: Sequence[int]) -> Tensor:
        """A tensor of this shape."""
        if not isinstance(given, Tensor):
            raise self.broken(f"{method} gives a {type(given).__name__}, not a tensor")
        if tuple(given.shape) != tuple(shape):
            raise self.broken(f"{method} gives shape {tuple(given.shape)} where {tuple(shape)} is due")
        return given


class GuardedObjective(Objective):
    """A plugin's objective with its results checked; the engine checks that every loss is finite."""

    def __init__(self, inner: Objective, kind: str, limit: TimeLimit = FOR_EVER) -> None:
        self._plugin = _Plugin(inner, f"algorithm {kind!r}", limit)

    def losses(self, batch: Batch) -> Tensor:
        losses = self._plugin.check("losses", self._plugin.ask("losses", batch), batch.weight.shape)
        if torch.is_grad_enabled() and not losses.requires_grad:
            raise self._plugin.broken("losses has no gradient")
        return losses

    def metrics(self, batch: Batch) -> Mapping[str, Tensor]:
        found = dict(self._plugin.ask("metrics", batch))
        return {
            name: self._plugin.check(f"metrics[{name!r}]", values, batch.weight.shape) for name, values in found.items()
        }

    def begin(self, t: int) -> None:
        self._plugin.ask("begin", t)


class GuardedReward(Reward):
    """A plugin's reward with its results checked."""

    def __init__(self, inner: Reward, kind: str, limit: TimeLimit = FOR_EVER) -> None:
        self.inner, self._plugin = inner, _Plugin(inner, f"reward {kind!r}", limit)
        self.restarts = bool(inner.restarts)

    def score(self, responses: Responses) -> Tensor:
        return self._check("score", self._plugin.ask("score", responses), responses.input_ids.shape[:1], responses)

    def losses(self, batch: Batch) -> Tensor | None:
        losses = self._plugin.ask("losses", batch)
        return None if losses is None else self._check("losses", losses, batch.weight.shape, batch.responses)

    def penalty(self, responses: Responses) -> Tensor | None:
        penalty, pairs = self._plugin.ask("penalty", responses), len(responses.input_ids) // 2
        return None if penalty is None else self._check("penalty", penalty, (pairs,), responses)

    def token_scores(self, responses: Responses) -> Tensor | None:
        scores = self._plugin.ask("token_scores", responses)
        return None if scores is None else self._check("token_scores", scores, responses.input_ids.shape, responses)

    def parameters(self) -> Iterator[nn.Parameter]:
        return self._plugin.each("parameters")

    def begin(self, t: int) -> None:
        self._plugin.ask("begin", t)

    def gathered(self) -> AbstractContextManager[None]:
        return self._plugin.ask("gathered")

    def save(self, folder: Path) -> None:
        self._plugin.ask("save", folder)

    def load(self, folder: Path) -> None:
        self._plugin.ask("load", folder)

    def export(self, folder: Path) -> None:
        self._plugin.ask("export", folder)

    def _check(self, method: str, given: object, shape: Sequence[int], responses: Responses) -> Tensor:
        found, what = self._plugin.check(method, given, shape), self._plugin.what
        if found.dtype != torch.float32 or found.device != responses.input_ids.device:
            due = f"torch.float32 on {responses.input_ids.device}"
            raise self._plugin.broken(f"{method} gives {found.dtype} on {found.device} where {due} is due")
        if not bool(found.isfinite().all()):
            row = int((~found.isfinite()).nonzero()[0, 0])
            raise NotFiniteError(f"{what}: {method} is not finite in row {row}", _hint(what))
        return found


class GuardedSampler(Sampler):
    """A plugin's sampler that must answer every prompt once; the engine checks every generation."""

    def __init__(self, inner: Sampler, kind: str, limit: TimeLimit = FOR_EVER) -> None:
        self._plugin, self.group = _Plugin(inner, f"sampler {kind!r}", limit), inner.group
        if not isinstance(self.group, int) or self.group < 1:
            raise self._plugin.broken(f"group is {self.group!r}, not a positive integer")

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        missing = {prompt.id for prompt in prompts}
        for generation in self._plugin.each("sample", prompts, decoding, seed):
            if not isinstance(generation, Generation):
                raise self._plugin.broken(f"a {type(generation).__name__} is not a Generation")
            if generation.prompt_id not in missing:
                raise self._plugin.broken(f"prompt {generation.prompt_id!r} was not requested, or is answered twice")
            missing.remove(generation.prompt_id)
            yield generation
        if missing:
            raise self._plugin.broken(f"{len(missing)} of {len(prompts)} prompts are not answered")

    def refresh(self) -> None:
        self._plugin.ask("refresh")


class GuardedUpdate(PolicyUpdate):
    """A plugin's policy step; the engine checks the order of its steps."""

    def __init__(self, inner: PolicyUpdate, kind: str, limit: TimeLimit = FOR_EVER) -> None:
        self._plugin = _Plugin(inner, f"update {kind!r}", limit)

    def steps(self, prompts: int) -> int:
        steps = self._plugin.ask("steps", prompts)
        if not isinstance(steps, int) or steps < 1:
            raise self._plugin.broken(f"steps({prompts}) is {steps!r}, not a positive integer")
        return steps

    def losses(
        self, reward: Reward, sampler: Sampler, prompts: Sequence[Prompt], t: int, start: int
    ) -> Iterator[PolicyStep]:
        for step in self._plugin.each("losses", reward, sampler, prompts, t, start):
            if not isinstance(step, PolicyStep):
                raise self._plugin.broken(f"a {type(step).__name__} is not a PolicyStep")
            if not isinstance(step.loss, Tensor) or step.loss.shape != () or not step.loss.requires_grad:
                raise self._plugin.broken(f"the loss of step {step.s} is not a scalar with a gradient")
            # It knows of no ranks: each computes all of the loss, and their gradients are added up.
            yield replace(step, loss=step.loss / ranks.count())


class GuardedBenchmark(Benchmark):
    """A plugin's benchmark; the time limit is from one score to the next."""

    def __init__(self, inner: Benchmark, kind: str, limit: TimeLimit = FOR_EVER) -> None:
        self._plugin = _Plugin(inner, f"benchmark {kind!r}", limit)

    def evaluate(self, model: Model) -> Iterator[Score]:
        return self._plugin.each("evaluate", model)


def build_part(
    component: str,
    spec: Spec,
    expected: type[_Part],
    context: BuildContext,
    limit: TimeLimit = FOR_EVER,
    exported: Path | None = None,
) -> _Part:
    """What `spec.build` makes, with torch's own random stream at the context's seed, whatever was drawn before.

    With `exported` what `spec.load` makes of that folder.

    Raises:
        TrainingError: a plugin's `build` raised, or made something else.
    """
    method = "build" if exported is None else "load"
    make: Any = getattr(spec, method)
    what = f"{component} {spec.kind!r}"
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), _named(what, limit, method) if _is_foreign(spec) else nullcontext():
        torch.manual_seed(context.seed)
        part = make(context) if exported is None else make(exported, context)
    if not isinstance(part, expected):
        raise broken(what, f"{method} gives a {type(part).__name__}, not a {expected.__name__}")
    return part


@contextmanager
def _named(what: str, limit: TimeLimit, method: str) -> Generator[None]:
    """Name the plugin in its exceptions, and in that of a call that is late; irltui's own pass through."""
    try:
        with limit:
            yield
    except Late as late:
        raise TrainingError(
            f"{what}: {method} did not return within {limit.seconds:g} s; it was at {late.place}",
            "If it is only slow, start again from RUN/run.json with a higher --set plugins.time_limit. " + _hint(what),
        ) from late
    except IrltuiError:
        raise
    except Exception as error:
        if should_reduce_batch_size(error):
            raise
        raise TrainingError(f"{what}: {method} raised {type(error).__name__}: {error}", _hint(what)) from error


def broken(what: str, problem: str) -> TrainingError:
    """What to raise for a part, such as "sampler 'acme/fast'", that does not do what it must."""
    return TrainingError(f"{what} broke its contract: {problem}", _hint(what))


def _hint(what: str) -> str:
    if "/" not in what:
        return "Look at the code that it runs."
    plugin = what.partition("'")[2].partition("/")[0]
    return f"Report it to the author of plugin {plugin!r}; `irltui plugins check {plugin}` runs all checks."


def _is_foreign(spec: Spec) -> bool:
    return "/" in spec.kind or bool(spec.code)

"""The plan of a run: which demonstrations each outer iteration sees, in which order, for how many steps.

Pure arithmetic over counts and the seed: a resumed run computes the same plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from irltui.config.schema import LoopSection, RunConfig
from irltui.data.demonstrations import DemonstrationData
from irltui.data.order import batches, chunk, mixed
from irltui.errors import ConfigError


@dataclass(frozen=True)
class Plan:
    """Outer iterations and inner steps over `count` training demonstrations.

    `per_pass` is T, `outer_iterations` that of the whole run: passes x T. `window` is how many outer
    iterations' pairs the inner steps use, None for all so far. Without `learns` there are no inner steps.
    `prompts` counts those without demonstrations, for policy steps.
    """

    loop: LoopSection
    count: int
    seed: int
    per_pass: int
    window: int | None = 1
    learns: bool = True
    prompts: int = 0

    @property
    def outer_iterations(self) -> int:
        return self.loop.passes * self.per_pass

    def demonstrations(self, t: int) -> list[int]:
        """Indices that outer iteration t trains on, in their first order; never more than its steps need."""
        indices = chunk(self.count, t, self.per_pass, self.seed, shuffle=self.loop.shuffle)
        if self.loop.inner_steps == "auto":
            return indices
        return indices[: self.loop.inner_steps * self.loop.batch]

    def more_prompts(self, t: int) -> list[int]:
        """Indices of the prompts without demonstrations that the policy steps of outer iteration t use."""
        return chunk(self.prompts, t, self.per_pass, self.seed, shuffle=self.loop.shuffle)

    @cached_property
    def used(self) -> int:
        """Training demonstrations that some outer iteration uses: a numeric inner_steps takes only so many."""
        if self.loop.inner_steps == "auto":
            return self.count
        return len({i for t in range(self.outer_iterations) for i in self.demonstrations(t)})

    @property
    def unused(self) -> int:
        return self.count - self.used

    def iterations(self, t: int) -> range:
        """The outer iterations whose pairs train in iteration t."""
        return range(0 if self.window is None else max(0, t - self.window + 1), t + 1)

    def inner_steps(self, t: int) -> int:
        """K of outer iteration t."""
        if not self.learns:
            return 0
        if self.loop.inner_steps != "auto":
            return self.loop.inner_steps
        size = sum(
            self.count // self.per_pass + (s % self.per_pass < self.count % self.per_pass) for s in self.iterations(t)
        )
        return math.ceil(size / self.loop.batch) * self.loop.inner_epochs

    def batches(self, t: int, k: int) -> Iterator[list[int]]:
        """The demonstrations of inner steps k, k + 1, ... of outer iteration t."""
        for batch in self.pair_batches(t, k):
            yield [i for _, i in batch]

    def pair_batches(self, t: int, k: int) -> Iterator[list[tuple[int, int]]]:
        """The pairs of inner steps k, k + 1, ...: the outer iteration that drew each, and its demonstration."""
        pairs = [(s, i) for s in self.iterations(t) for i in self.demonstrations(s)]
        if len(self.iterations(t)) > 1:
            pairs = mixed(pairs, self.seed, t)
        stream = batches(pairs, self.loop.batch, self.seed, t)
        for done, batch in zip(range(self.inner_steps(t)), stream, strict=False):
            if done >= k:
                yield batch

    @cached_property
    def steps_before(self) -> list[int]:
        """Planned optimizer steps before each outer iteration, and behind the last one those of the run."""
        return [0, *accumulate(self.inner_steps(t) for t in range(self.outer_iterations))]

    @property
    def total_steps(self) -> int:
        return self.steps_before[-1]


def make_plan(
    loop: LoopSection,
    count: int,
    seed: int,
    window: int | None = 1,
    *,
    learns: bool = True,
    losses: Sequence[str] = (),
) -> Plan:
    """The plan for `count` training demonstrations; `window` and `learns` as in `Plan`.

    `losses` says what became of the others, for a message.

    Raises:
        ConfigError: more outer iterations than demonstrations.
    """
    per_pass = loop.outer_iterations
    if per_pass == "auto":
        steps = loop.inner_steps if loop.inner_steps != "auto" else 1
        per_pass = max(1, round(count / (steps * loop.batch)))
    if per_pass > count:
        rows = f"only {count} training demonstration{'s' * (count != 1)}"
        few = f"loop.outer_iterations: {per_pass} outer iterations, but {rows}"
        raise ConfigError("\n  ".join([few, *losses]), "Lower loop.outer_iterations or give more data.")
    return Plan(loop, count, seed, per_pass, window, learns)


def plan_of(config: RunConfig, data: DemonstrationData) -> Plan:
    """The plan of a run with its data."""
    learns_reward = config.has_reward
    window = config.reward.window if learns_reward else 1
    plan = make_plan(
        config.loop,
        len(data.train),
        config.seed,
        None if config.objective.replays else window,
        learns=not learns_reward or config.reward.learns,
        losses=data.report.losses(),
    )
    return replace(plan, prompts=len(data.prompts))

"""One sampler for all ranks: each draws its share of the prompts, from a model that is put together for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from irltui.api import Decoding, Generation, Policy, Prompt, Sampler
from irltui.distributed import ranks
from irltui.lm.policy import LanguageModelPolicy


class SharedSampler(Sampler):
    """A sampler whose prompts the ranks share: each draws neighbours of a group, all get all generations.

    A group is one of `inner`'s for each rank, so that what is drawn together does not depend on their number.

    Args:
        inner: draws.
        policy: what it draws from, put together around a draw; None if it draws elsewhere.
    """

    def __init__(self, inner: Sampler, policy: Policy | None) -> None:
        self._inner = inner
        self.group = inner.group * ranks.count()
        self._whole = policy.whole if isinstance(policy, LanguageModelPolicy) else nullcontext

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        """One generation per prompt, in any order, a group at a time. Collective."""
        if ranks.count() == 1:
            yield from self._inner.sample(prompts, decoding, seed)
            return
        for at in range(0, len(prompts), self.group):
            mine = ranks.block(prompts[at : at + self.group])
            with self._whole(), ranks.apart():
                drawn = list(self._inner.sample(mine, decoding, seed)) if mine else []
            yield from ranks.gather(drawn)

    def refresh(self) -> None:
        self._inner.refresh()

"""A reward divided by the length of its response, as the loss `sigmoid_norm` needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from torch import Tensor, nn

from irltui.api import Batch, Responses, Reward


class PerTokenReward(Reward):
    """r(x, y) / |y| for any reward r; its state and penalty are those of r."""

    def __init__(self, inner: Reward) -> None:
        self.inner = inner
        self.restarts = inner.restarts

    def score(self, responses: Responses) -> Tensor:
        return self.inner.score(responses) / responses.response_mask.sum(-1)

    def token_scores(self, responses: Responses) -> Tensor | None:
        scores = self.inner.token_scores(responses)
        return None if scores is None else scores / responses.response_mask.sum(-1, keepdim=True)

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.inner.parameters()

    def losses(self, batch: Batch) -> Tensor | None:
        return self.inner.losses(batch)

    def penalty(self, responses: Responses) -> Tensor | None:
        return self.inner.penalty(responses)

    def begin(self, t: int) -> None:
        self.inner.begin(t)

    def gathered(self) -> AbstractContextManager[None]:
        return self.inner.gathered()

    def save(self, folder: Path) -> None:
        self.inner.save(folder)

    def load(self, folder: Path) -> None:
        self.inner.load(folder)

    def export(self, folder: Path) -> None:
        self.inner.export(folder)

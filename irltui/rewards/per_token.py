"""A reward divided by the length of its response, as the loss `sigmoid_norm` compares them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from torch import Tensor, nn

from irltui.api import Responses, Reward


class PerTokenReward(Reward):
    """r(x, y) / |y| of any reward r; its state and its penalty are those of r."""

    def __init__(self, inner: Reward) -> None:
        self.inner = inner
        self.restarts = inner.restarts

    def score(self, responses: Responses) -> Tensor:
        """(B,) float32."""
        return self.inner.score(responses) / responses.response_mask.sum(-1)

    def token_scores(self, responses: Responses) -> Tensor | None:
        """(B, L) float32, or None."""
        scores = self.inner.token_scores(responses)
        return None if scores is None else scores / responses.response_mask.sum(-1, keepdim=True)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of r."""
        return self.inner.parameters()

    def penalty(self, responses: Responses) -> Tensor | None:
        """That of r."""
        return self.inner.penalty(responses)

    def begin(self, t: int) -> None:
        """Outer iteration t starts."""
        self.inner.begin(t)

    def gathered(self) -> AbstractContextManager[None]:
        """Around `save` and `export`."""
        return self.inner.gathered()

    def save(self, folder: Path) -> None:
        """Write what `load` needs."""
        self.inner.save(folder)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self.inner.load(folder)

    def export(self, folder: Path) -> None:
        """Write r itself."""
        self.inner.export(folder)

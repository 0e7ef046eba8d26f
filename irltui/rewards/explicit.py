"""The explicit reward of RFT (Algorithm 1): a network of its own with one number for a response.

Of the policy it uses only the tokens; the policy step decides how the policy follows the reward.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from irltui.api import Responses, Reward
from irltui.distributed import ranks
from irltui.lm.policy import LanguageModelPolicy
from irltui.lm.scorer import Scorer, export_scorer

_FILE = "reward.safetensors"


class ExplicitReward(Reward):
    """r(x, y; phi): the scalar head at the last response token, bounded by R tanh(r / R) if R is given.

    Args:
        scorer: trunk and head, on the policy's device.
        policy: whose tokens are scored.
        bound: R; 0 leaves the head unbounded.
        center: weight of the squared mean of a pair's two rewards, which the gap does not determine.
        l2: weight of the mean square of a pair's rewards.
        restarts: reset the parameters when an outer iteration begins.
    """

    def __init__(
        self,
        scorer: Scorer,
        policy: LanguageModelPolicy,
        *,
        bound: float = 0.0,
        center: float = 0.0,
        l2: float = 0.0,
        restarts: bool = False,
    ) -> None:
        self.restarts = restarts
        self._scorer, self._policy, self._bound = scorer, policy, bound
        self._center, self._l2 = center, l2
        trained = scorer.trained() if restarts else {}
        self._first = {name: ranks.local(p).detach().cpu().clone() for name, p in trained.items()}
        self._latest: tuple[Responses, Tensor] | None = None

    def score(self, responses: Responses) -> Tensor:
        score = self._bounded(self._scorer.score(responses))
        self._latest = (responses, score) if torch.is_grad_enabled() else None
        return score

    def token_scores(self, responses: Responses) -> Tensor:
        """What each token adds to the score of the response so far, (B, L) float32; the first starts from 0.

        The head was trained only on last tokens: values inside a response are its scores of the text truncated there.
        """
        so_far = self._bounded(self._scorer.prefix_scores(responses)) * responses.response_mask
        before = torch.zeros_like(so_far)
        before[:, 1:] = so_far[:, :-1]
        return (so_far - before) * responses.response_mask

    def penalty(self, responses: Responses) -> Tensor | None:
        if not (self._center or self._l2):
            return None
        known, self._latest = self._latest, None
        score = known[1] if known is not None and known[0] is responses else self.score(responses)
        demonstration, generation = score.chunk(2)
        mean = (demonstration + generation) / 2
        return self._center * mean.square() + self._l2 * (demonstration.square() + generation.square()) / 2

    def trained(self) -> dict[str, nn.Parameter]:
        """What learns, by name: all that `save` writes."""
        return self._scorer.trained()

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(self.trained().values())

    def begin(self, t: int) -> None:
        if self._first and t:
            with torch.no_grad():
                for name, parameter in self._scorer.trained().items():
                    ranks.local(parameter).copy_(self._first[name])

    def gathered(self) -> AbstractContextManager[None]:
        return self._scorer.gathered()

    def save(self, folder: Path) -> None:
        tensors = {name: p.detach().cpu().contiguous() for name, p in self._scorer.trained().items()}
        save_file(tensors, folder / _FILE)

    def load(self, folder: Path) -> None:
        stored = load_file(folder / _FILE)
        for name, parameter in self._scorer.trained().items():
            ranks.put(parameter, stored[name])

    def export(self, folder: Path) -> None:
        """Write the network without its bound, which config.json keeps as `irltui_bound`."""
        self._scorer.model.config.irltui_bound = self._bound
        export_scorer(self._scorer, self._policy.tokenizer, self._policy.eos_ids, folder)

    def _bounded(self, score: Tensor) -> Tensor:
        return self._bound * torch.tanh(score / self._bound) if self._bound else score

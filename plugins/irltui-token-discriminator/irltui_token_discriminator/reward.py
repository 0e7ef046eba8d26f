"""The network, its loss, and its reward."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import softplus

from irltui.api import Batch, BuildContext, Responses, Reward

_FILE = "discriminator.safetensors"


class Discriminator(Reward):
    """d_t of each token, and its mean as the score of a response."""

    def __init__(self, context: BuildContext, width: int, bound: float) -> None:
        model = context.policy.model
        self._network = _Network(model.get_input_embeddings().weight.shape[0], width).to(model.device)
        self._bound, self._metric = bound, context.metric

    def score(self, responses: Responses) -> Tensor:
        """(B,) float32."""
        return self.token_scores(responses).sum(-1)

    def token_scores(self, responses: Responses) -> Tensor:
        """(B, L) float32: what each token adds to the mean."""
        return self._log_odds(responses) / responses.response_mask.sum(-1, keepdim=True)

    def losses(self, batch: Batch) -> Tensor:
        """(B,) float32: cross-entropy of demonstrated and generated tokens, each response's averaged."""
        responses = batch.responses
        mask, d = responses.response_mask, self._log_odds(responses)
        count = len(batch.weight)
        signs = torch.ones(len(d), 1, device=d.device)
        signs[:count] = -1.0
        means = (softplus(signs * d) * mask).sum(-1) / mask.sum(-1)
        self._metric("discriminator/accuracy", float(((signs * d < 0) & mask).sum() / mask.sum()))
        demonstration, generations = batch.split(means)
        return demonstration + generations.mean(-1)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's."""
        return self._network.parameters()

    def save(self, folder: Path) -> None:
        """All weights; `irltui export` and `irltui score` use the same file."""
        save_file({name: value.cpu() for name, value in self._network.state_dict().items()}, folder / _FILE)

    def load(self, folder: Path) -> None:
        """Those of `save`."""
        self._network.load_state_dict(load_file(folder / _FILE))

    def _log_odds(self, responses: Responses) -> Tensor:
        """Zero outside the response."""
        d = self._network(responses.input_ids)
        return self._bound * torch.tanh(d / self._bound) * responses.response_mask


class _Network(nn.Module):
    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.reader = nn.GRU(width, width, batch_first=True)  # padding is on the right, so it is read last
        self.head = nn.Linear(width, 1)

    def forward(self, ids: Tensor) -> Tensor:
        read, _ = self.reader(self.embedding(ids))
        return self.head(read)[..., 0].float()

"""A reward with parameters of its own: one number a token of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from irltui.api import Responses, Reward

FILE = "model.safetensors"


class WordReward(Reward):
    """Begins with zeros: nothing is known of any word."""

    def __init__(self, vocabulary: int, largest: float, device: torch.device) -> None:
        self._worth = nn.Parameter(torch.zeros(vocabulary, device=device))
        self._largest = largest

    def token_scores(self, responses: Responses) -> Tensor:
        return self._largest * torch.tanh(self._worth[responses.input_ids]) * responses.response_mask

    def score(self, responses: Responses) -> Tensor:
        return self.token_scores(responses).sum(-1)

    def parameters(self) -> Iterator[nn.Parameter]:
        yield self._worth

    def save(self, folder: Path) -> None:
        save_file({"worth": self._worth.detach().contiguous()}, folder / FILE)

    def load(self, folder: Path) -> None:
        with torch.no_grad():
            self._worth.copy_(load_file(folder / FILE)["worth"])

    def export(self, folder: Path) -> None:
        self.save(folder)

"""The two frozen models and their difference. Knows nothing of how they were trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from irltui.api import BuildContext, Responses, Reward, model_folder


class DenseReward(Reward):
    """scale * (log pi_SFT - log pi_half - baseline) of each response token; the score is their sum."""

    def __init__(self, sft: Any, half: Any, *, scale: float, baseline: float) -> None:
        self._sft, self._half, self._scale, self._baseline = sft, half, scale, baseline

    def score(self, responses: Responses) -> Tensor:
        """(B,) float32, without gradient: nothing here trains."""
        return self.token_scores(responses).sum(-1)

    @torch.no_grad()
    def token_scores(self, responses: Responses) -> Tensor:
        """(B, L) float32, zero outside the response."""
        ratio = _token_log_probs(self._sft, responses) - _token_log_probs(self._half, responses)
        return self._scale * (ratio - self._baseline) * responses.response_mask

    def parameters(self) -> Iterator[nn.Parameter]:
        """None."""
        return iter(())


def load(context: BuildContext, sft: str, half: str, *, scale: float, baseline: float) -> DenseReward:
    """The reward over two models on the policy's device.

    Raises:
        ValueError: a model writes other tokens than the policy.
        OSError: a model cannot be loaded.
    """
    models = [_load(context, option, name) for option, name in (("sft", sft), ("half", half))]
    return DenseReward(models[0], models[1], scale=scale, baseline=baseline)


def _load(context: BuildContext, option: str, name: str) -> Any:
    source = model_folder(name)
    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.get_vocab() != context.policy.tokenizer.get_vocab():
        raise ValueError(f"reward.{option}: {name} has another tokenizer than the policy: take models of one run")
    of_policy = next(context.policy.model.parameters())
    model = AutoModelForCausalLM.from_pretrained(source, dtype=of_policy.dtype)
    return model.to(of_policy.device).eval().requires_grad_(requires_grad=False)


def _token_log_probs(model: Any, responses: Responses) -> Tensor:
    """(B, L) float32; the first column, which nothing predicts, is zero."""
    mask = responses.attention_mask.long()
    logits = model(input_ids=responses.input_ids, attention_mask=mask).logits[:, :-1].float()
    logp = torch.zeros(responses.input_ids.shape, dtype=torch.float32, device=responses.input_ids.device)
    logp[:, 1:] = logits.log_softmax(-1).gather(-1, responses.input_ids[:, 1:, None])[..., 0]
    return logp * responses.response_mask

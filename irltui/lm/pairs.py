"""Both responses of a pair in one row behind their common prompt, so that the prompt is computed once.

A row is [x | y | y~]. y~ does not see y, and its positions go on from x; so every token sees, at the same
distances, what it sees in a row of its own, and the log-probabilities are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from irltui.api import Responses
from irltui.distributed import ranks
from irltui.lm.logprobs import Rows, token_log_probs
from irltui.lm.masks import MaskForm, UnsupportedModelError, mask_form, trial_of

PAYS = 0.9  # tokens of shared rows over tokens of separate rows, below which sharing saves time
_AGREES = 1e-3  # nats, between shared and separate rows in float32
_AGREES_ROUGHLY = 0.3


class SharedPrompts:
    """Makes shared rows for one model; if it takes no masks from outside, `notice` says so once, at the first use."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._form: MaskForm | None = None
        self._tried = False

    def _settle(self, model: Any, reason: str | None) -> None:
        self._tried = True
        if reason is None:
            self._form = mask_form(model)
        else:
            self._notice(f"{reason}: the prompt of a pair is computed twice, once for each response.")

    def try_on_first(self, model: Any) -> None:
        """Try the model now, where the first rank alone has weights, for all. Collective."""
        self._settle(model, ranks.from_first(lambda: _reason_against(model)))

    def rows(self, model: Any, responses: Responses) -> Rows | None:
        """Shared rows for pairs, first responses in the first half; None if sharing saves nothing or is impossible."""
        parts = _pairs(responses)
        if parts is None:
            return None
        if not self._tried:
            self._settle(model, _reason_against(model))
        return None if self._form is None else _shared(responses, *parts, self._form)


def _pairs(responses: Responses) -> tuple[Tensor, Tensor, Tensor] | None:
    """Lengths of prompts, first and second responses, (B,) each; None for other rows, or if sharing saves nothing."""
    mask, ids = responses.response_mask, responses.input_ids
    count, odd = divmod(len(mask), 2)
    if odd or not count:
        return None
    prompts, lengths = mask.int().argmax(-1), mask.sum(-1)
    prompt = prompts[:count]
    width = int((prompt + lengths[:count] + lengths[count:]).max())
    if count * width > PAYS * ids.numel():
        return None
    inside = torch.arange(ids.shape[1], device=ids.device) < prompt[:, None]
    same = bool((prompt == prompts[count:]).all()) and bool(((ids[:count] == ids[count:]) | ~inside).all())
    return (prompt, lengths[:count], lengths[count:]) if same else None


def _shared(responses: Responses, prompt: Tensor, first: Tensor, second: Tensor, form: MaskForm) -> Rows:
    ids, count = responses.input_ids, len(prompt)
    x, y, z = prompt[:, None], first[:, None], second[:, None]
    column = torch.arange(int((prompt + first + second).max()), device=ids.device)[None]
    branch = (column >= x).int() + (column >= x + y).int() + (column >= x + y + z).int()  # x, y, y~, padding
    places = torch.where(branch == 2, column - y, column) * (branch < 3)
    source = torch.arange(count, device=ids.device)[:, None] + count * (branch == 2)
    before = column.transpose(0, 1) >= column
    keep = before & ((branch[:, None] == 0) | (branch[:, None] == branch[:, :, None]))
    masks = form.masks(keep, places[:, :, None] - places[:, None])
    inputs = {"input_ids": ids[source, places], "position_ids": places, "attention_mask": masks}
    return Rows(inputs, _predicts(responses.response_mask, prompt, first))


def _predicts(mask: Tensor, prompt: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the token before each response token: the prompt's last is before both responses."""
    row, column = mask.nonzero(as_tuple=True)
    count = len(prompt)
    pair = row % count
    later = (row >= count) & (column > prompt[pair])
    return pair, column - 1 + first[pair] * later


def _reason_against(model: Any) -> str | None:
    """Why the model cannot have shared rows; None if a small batch has shown that it takes their masks."""
    try:
        _check(model, mask_form(model))
    except UnsupportedModelError as reason:
        return str(reason)
    return None


def _check(model: Any, form: MaskForm) -> None:
    """Compute a small batch both ways.

    Raises:
        UnsupportedModelError: the model does not take the masks, or computes something else.
    """
    embeddings = model.get_input_embeddings().weight
    ids = torch.arange(4 * 12, device=embeddings.device).view(4, 12) * 7 % embeddings.shape[0]
    ids[2:, :8] = ids[:2, :8]
    attention = torch.ones_like(ids, dtype=torch.bool)
    attention[1, 10:] = attention[3, 11:] = False
    response = attention.clone()
    response[:, :8] = False
    batch = Responses(ids, attention, response, torch.zeros(4, device=ids.device))
    head, parts = model.get_output_embeddings(), _pairs(batch)
    assert parts is not None  # noqa: S101 - for the type checker
    with trial_of(model), torch.no_grad(), torch.autocast(ids.device.type, enabled=False), _evaluated(model):
        separate = token_log_probs(model, head, batch)
        shared = token_log_probs(model, head, batch, _shared(batch, *parts, form))
    limit = _AGREES if embeddings.dtype == torch.float32 else _AGREES_ROUGHLY
    if not (separate - shared).abs().max() < limit:
        raise UnsupportedModelError(f"{type(model).__name__} computes something else with masks from outside")


@contextmanager
def _evaluated(model: nn.Module) -> Generator[None]:
    """Without dropout, which may be on: a gradient may be under way."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True

"""How like the demonstration of the same prompt a response is: given, not learned.

    rouge_l  2 P R / (P + R) of the longest common subsequence of words (ROUGE-L, Lin 2004)
    hidden   mean over depths of cos(h(x, y), h(x, y*)), h the state of a frozen model at the last token

Both are at most 1, which the demonstration itself has. Sources: EBFT (arXiv 2603.12248: states at 25, 50 and 75 % of
the depth; it whitens them over a batch, here no score depends on other responses), RLSR (2510.14200).
Defaults: rouge_l; the run's own start model; RLOO with update.generations = 4 is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from irltui.api import BuildContext, Demonstration, Policy, Responses, Reward
from irltui.errors import DataError
from irltui.lm.load import load_model, load_tokenizer
from irltui.rewards.build import check_same_tokens, model_section

if TYPE_CHECKING:
    from irltui.rewards import Similarity

_WORD = re.compile(r"\w+")


class Overlap(Reward):
    """ROUGE-L."""

    def score(self, responses: Responses) -> Tensor:
        pairs = zip(responses.rows, demonstrations(responses), strict=True)
        found = [rouge_l(row.response, demonstration.text) for row, demonstration in pairs]
        return torch.tensor(found, dtype=torch.float32, device=responses.input_ids.device)

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())


class HiddenStates(Reward):
    """Cosine of a frozen model's states at some depths, as shares of its layers."""

    def __init__(self, model: Any, policy: Policy, depths: Sequence[float]) -> None:
        self._model, self._policy, self._depths = model, policy, depths

    @torch.no_grad()
    def score(self, responses: Responses) -> Tensor:
        prompts, due = [row.source for row in responses.rows], demonstrations(responses)
        like = self._policy.collate(prompts, [each.tokens for each in due], [0.0] * len(due))
        pairs = zip(self._states(responses), self._states(like), strict=True)
        return torch.stack([cosine_similarity(ours, theirs, dim=-1) for ours, theirs in pairs]).mean(0)

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())

    def _states(self, responses: Responses) -> list[Tensor]:
        """(B, D) float32 at each depth, of the last token."""
        mask = responses.attention_mask
        states = self._model(
            input_ids=responses.input_ids, attention_mask=mask.long(), output_hidden_states=True, use_cache=False
        ).hidden_states
        row, last = torch.arange(len(mask), device=mask.device), mask.sum(-1) - 1
        return [states[max(1, round(depth * (len(states) - 1)))][row, last].float() for depth in self._depths]


def build_similarity(spec: Similarity, context: BuildContext) -> Reward:
    """The reward of a run."""
    if spec.measure == "rouge_l":
        return Overlap()
    section = model_section(spec.model, context.model)
    check_same_tokens(load_tokenizer(section), context.policy.tokenizer, f"reward.model: {spec.model}")
    model = load_model(section).requires_grad_(requires_grad=False).eval()
    return HiddenStates(model.to(context.policy.device), context.policy, spec.depths)


def demonstrations(responses: Responses) -> list[Demonstration]:
    """That of each row's prompt."""
    found = [row.demonstration for row in responses.rows]
    for row, demonstration in zip(responses.rows, found, strict=True):
        if demonstration is None:
            raise DataError(
                f'reward.kind = "similarity": {row.id} ({row.prompt[:40]!r}) has no demonstration to compare with',
                "Only responses to prompts of the demonstrations can be scored.",
            )
    return [demonstration for demonstration in found if demonstration is not None]


def rouge_l(text: str, other: str) -> float:
    """F1 of the longest common subsequence of words, lower-cased; 0 if either has none."""
    ours, theirs = _WORD.findall(text.lower()), _WORD.findall(other.lower())
    return 2 * _common(ours, theirs) / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of its table in the bits of one number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    every = row = (1 << len(a)) - 1
    for word in b:
        hits = row & places.get(word, 0)
        row = (row + hits | row - hits) & every
    return len(a) - row.bit_count()

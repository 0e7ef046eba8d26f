"""Sample y~ ~ pi in a fixed number of slots: a generation that ends makes room for the next prompt at once.

A batch of `generate` runs until its longest row ends and keeps computing the rows that have ended. Here a waiting
prompt takes the place of such a row, or, if none waits, the last row in use does, so that every row of a forward pass
is needed. Uses only transformers' cache and mask interfaces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irltui.api import Decoding, Generation, Prompt, Sampler, prompt_seed
from irltui.lm.copy import low_precision_copy
from irltui.lm.logprobs import marked_only
from irltui.lm.masks import MaskForm, UnsupportedModelError, mask_form, trial_of
from irltui.lm.policy import LanguageModelPolicy
from irltui.lm.slots import Place, SlotCache
from irltui.samplers.agreement import GREEDY, agrees, probe_prompts, without_autocast
from irltui.samplers.draw import Draw
from irltui.samplers.transformers import TransformersSampler

GROUPS = 2  # how often the slots are filled per group, which the engine stores at once
SPARE = 64  # extra columns, so that old ones are rarely dropped
PREFILL = 8_192  # tokens of new prompts in one forward pass
MOST_PADDING = 1.2  # size of that pass relative to its tokens


@dataclass(frozen=True)
class _Source:
    """The policy, the model that computes for it, and the form of its masks."""

    policy: LanguageModelPolicy
    model: Any
    form: MaskForm


class SlotSampler(Sampler):
    """Samples from `policy` in `slots` rows, or, with a notice, by transformers' `generate` if it takes no masks.

    `poll` is called between tokens.
    """

    def __init__(
        self, policy: LanguageModelPolicy, slots: int, poll: Callable[[], None], notice: Callable[[str], None]
    ) -> None:
        self.group = GROUPS * slots
        self._policy, self._slots, self._poll, self._notice = policy, slots, poll, notice
        self._way: MaskForm | TransformersSampler | None = None  # decided at the first use

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        if self._way is None:
            self._way = self._find_way()
        if isinstance(self._way, TransformersSampler):
            yield from self._way.sample(prompts, decoding, seed)
            return
        # Copying takes as long as a few tokens; kept, the copy would take memory from the updates.
        source = _Source(self._policy, self._computing(), self._way)
        for at in range(0, len(prompts), self.group):
            some = prompts[at : at + self.group]
            yield from _Decode(source, some, self._slots, decoding, seed, self._poll)

    def _computing(self) -> Any:
        lower = self._policy.cast
        return self._policy.model if lower is None else low_precision_copy(self._policy.model, lower)

    def _find_way(self) -> MaskForm | TransformersSampler:
        try:
            return _checked_form(self._policy)
        except UnsupportedModelError as reason:
            self._notice(
                f"sampler slots: {reason}. Using transformers' generate instead, which is slower "
                '(as with sampler.kind = "transformers").'
            )
            return TransformersSampler(self._policy, self._slots, self._poll, self._notice)


def _checked_form(policy: LanguageModelPolicy) -> MaskForm:
    """The form of the model's masks, after a trial of a few steps.

    Raises:
        UnsupportedModelError: the model takes no masks, or its results differ.
    """
    model = policy.model
    form = mask_form(model)
    policy = without_autocast(policy)
    prompts = probe_prompts(policy)
    with trial_of(model):
        drawn = list(_Decode(_Source(policy, model, form), prompts, 2, GREEDY, 0, lambda: None))
        is_same = agrees(policy, prompts, drawn)
    if not is_same:
        raise UnsupportedModelError(f"{type(model).__name__} gives other probabilities in slots")
    return form


@dataclass(slots=True)
class _Row:
    """A generation in progress."""

    prompt: Prompt
    stream: np.random.Generator
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class _Decode:
    """Decodes one group; iterate over it once."""

    def __init__(
        self,
        source: _Source,
        prompts: Sequence[Prompt],
        slots: int,
        decoding: Decoding,
        seed: int,
        poll: Callable[[], None],
    ) -> None:
        policy = source.policy
        self._policy, self._model, self._form, self._poll = policy, source.model, source.form, poll
        self._head = source.model.get_output_embeddings()
        self._most, self._draw, self._seed = decoding.max_new_tokens, Draw(decoding), seed
        self._waiting = deque(prompts)
        longest = max(len(prompt.tokens) for prompt in prompts)
        slots = min(slots, len(prompts))
        place = Place(slots, longest + self._most + SPARE, policy.cast, column=longest)
        self._longest, self._place = longest, place
        self._cache = SlotCache(place, policy.model.config.get_text_config().num_hidden_layers)
        self._begins = torch.zeros(slots, dtype=torch.long, device=policy.device)  # first column of each row
        self._rows: list[_Row] = []

    def __iter__(self) -> Iterator[Generation]:
        while self._waiting or self._rows:
            self._poll()
            with torch.no_grad(), self._policy.autocast():
                if self._waiting and len(self._rows) < self._place.slots:
                    self._fill()
                else:
                    self._step()
            yield from self._finished()

    # -- forward passes --------------------------------------------------------------------------

    def _fill(self) -> None:
        """Append waiting prompts to the rows in use, and sample the first token of each."""
        place, first = self._place, len(self._rows)
        prompts = self._next_prompts(place.slots - first)
        rows = [_Row(prompt, np.random.default_rng(prompt_seed(self._seed, prompt.id))) for prompt in prompts]
        self._rows += rows
        input_ids, pads = self._policy.left_padded(prompts)
        length = input_ids.shape[1]
        self._begins[first : first + len(rows)] = (place.column - length + pads).to(self._begins.device)
        places = torch.arange(length)
        distance = (places[:, None] - places)[None]
        keep = (distance >= 0) & ((places >= pads[:, None])[:, None, :] | (distance == 0))
        position_ids = (places - pads[:, None]).clamp(min=0)
        place.rows = torch.arange(first, first + len(rows), device=self._begins.device)
        last = torch.zeros(len(rows), length, dtype=torch.bool)
        last[:, -1] = True
        with marked_only(self._head, last.to(self._begins.device)):
            logits = self._forward(input_ids, position_ids, keep, distance)
        place.rows = None
        self._take(rows, logits)

    def _next_prompts(self, most: int) -> list[Prompt]:
        """Waiting prompts of similar length for one forward pass, so that little of it is padding."""
        prompts: list[Prompt] = []
        longest = total = 0
        while self._waiting and len(prompts) < most:
            length = len(self._waiting[0].tokens)
            longest, total = max(longest, length), total + length
            padded = (len(prompts) + 1) * longest
            if prompts and (padded > PREFILL or padded > MOST_PADDING * total):
                break
            prompts.append(self._waiting.popleft())
        return prompts

    def _step(self) -> None:
        """Sample one more token for every row in use."""
        place = self._place
        count = place.count = len(self._rows)
        if place.column == place.columns:
            self._drop_columns()
        begins = self._begins[:count]
        place.first = int(begins.min())
        columns = torch.arange(place.first, place.column + 1, device=begins.device)
        keep = (columns >= begins[:, None])[:, None, :]
        distance = (place.column - columns)[None, None]
        input_ids = torch.tensor([[row.tokens[-1]] for row in self._rows])
        logits = self._forward(input_ids, (place.column - begins)[:, None], keep, distance)[:, -1]
        place.column += 1
        self._take(self._rows, logits)

    def _forward(self, input_ids: Tensor, position_ids: Tensor, keep: Tensor, distance: Tensor) -> Tensor:
        device = self._begins.device
        return self._model(
            input_ids=input_ids.to(device),
            position_ids=position_ids.to(device),
            attention_mask=self._form.masks(keep.to(device), distance.to(device)),
            past_key_values=self._cache.cache,
            use_cache=True,
        ).logits

    # -- rows ------------------------------------------------------------------------------------

    def _take(self, rows: Sequence[_Row], logits: Tensor) -> None:
        tokens, logprobs = self._draw(logits, [row.stream.random() for row in rows])
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.tokens.append(token)
            row.logprobs.append(logprob)

    def _finished(self) -> Iterator[Generation]:
        """Yield rows that have ended; the last row in use takes the place of each."""
        for i in range(len(self._rows) - 1, -1, -1):
            row = self._rows[i]
            ended = row.tokens[-1] in self._policy.eos_ids
            if not ended and len(row.tokens) < self._most:
                continue
            yield Generation(row.prompt.id, tuple(row.tokens), tuple(row.logprobs), ended)
            last = self._rows.pop()
            if i < len(self._rows):
                self._rows[i] = last
                self._begins[i] = self._begins[len(self._rows)]
                self._cache.move_row(len(self._rows), i)

    def _drop_columns(self) -> None:
        """Shift everything left: columns before the first row in use are no longer needed."""
        by = min(int(self._begins[: len(self._rows)].min()), self._place.column - self._longest)
        self._cache.shift(by)
        self._begins -= by

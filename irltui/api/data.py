"""Data types that parts are handed and return: prompts, rows, demonstrations, generations, batches, scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

PromptText: TypeAlias = str | Sequence[Mapping[str, str]]
"""A prompt before it is tokenised: text, or chat messages, each with `role` and `content`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the data says beside the text of a prompt."""

    prompt: PromptText
    """As the data has it, with its system message."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Every column of its row."""
    demonstration: Demonstration | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt x, tokenised once for sampling and training alike.

    `text` is what a reader should see; `tokens` includes whatever the chat template adds.
    """

    id: str
    text: str
    tokens: tuple[int, ...]
    known: Callable[[], Known] | None = field(default=None, compare=False, repr=False)
    """Reads its row of the data; `row` asks it when a part asks."""

    @property
    def row(self) -> Row:
        """Its row, without a response."""
        return Row(self)


@dataclass(frozen=True)
class Row:
    """A response with its prompt and the row of data that the prompt came from.

    Text is decoded and data is read when a part first asks for it.
    """

    source: Prompt
    response_ids: tuple[int, ...] = ()
    """With the token that ended it."""
    decode: Callable[[Sequence[int]], str] = field(default=str, repr=False)
    """Ids as text."""

    @property
    def id(self) -> str:
        """Of the row of data; the same for all responses to its prompt."""
        return self.source.id.partition("#")[0]

    @property
    def prompt(self) -> str:
        """The prompt as text, without the chat template."""
        return self.source.text

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The prompt as chat messages; one that is text is the user's."""
        given = self._known.prompt
        return [{"role": "user", "content": given}] if isinstance(given, str) else given

    @property
    def is_chat(self) -> bool:
        """Whether the data has the prompt as messages."""
        return not isinstance(self._known.prompt, str)

    @cached_property
    def response(self) -> str:
        """The response as text, without the token that ended it."""
        return self.decode(self.response_ids) if self.response_ids else ""

    @property
    def demonstration(self) -> Demonstration | None:
        """The demonstrated response to the prompt, as text and ids; None if the data has none."""
        return self._known.demonstration

    @property
    def columns(self) -> Mapping[str, Any]:
        """Every column of the row by its name in the data; absent values are left out."""
        return self._known.columns

    @cached_property
    def _known(self) -> Known:
        return Known(self.source.text) if self.source.known is None else self.source.known()


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One demonstrated response y to a prompt; `tokens` ends with the end-of-sequence token iff `ended`."""

    id: str
    prompt: Prompt
    text: str
    tokens: tuple[int, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Generation:
    """One sampled response y~: the ids as sampled, never decoded and encoded again.

    `logprobs` are the policy's own log-probabilities of `tokens` in nats (temperature 1, no truncation),
    whatever decoding drew them. `ended`: the policy sampled an end-of-sequence token (it is the last of
    `tokens`); False means that the length cap truncated it.
    """

    prompt_id: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Decoding:
    """How generations are drawn; the default is y~ ~ pi."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Responses:
    """B responses with their prompts, right-padded to L tokens, on the policy's device."""

    input_ids: Tensor  # (B, L) int64
    attention_mask: Tensor  # (B, L) bool, False on padding
    response_mask: Tensor  # (B, L) bool, True on response tokens, end-of-sequence included
    logp_ref: Tensor  # (B,) float32, summed log-probability under the reference, nats; NaN if the reward needs none
    token_logp_ref: Tensor | None = None  # (B, L) float32, the same of each token, where it is known
    rows: Sequence[Row] = ()  # B: text, demonstration and columns of each


@dataclass(frozen=True, slots=True)
class Score:
    """One item's result on one metric of a benchmark; `item` is stable between runs and models."""

    item: str
    metric: str
    value: float


def prompt_seed(seed: int, prompt_id: str) -> int:
    """The seed of one prompt's sample, 63 bits, from the seed that `Sampler.sample` is handed.

    It is the same on every machine, and depends on no other prompt: nor may a generation.
    """
    digest = hashlib.blake2b(f"{seed}\0{prompt_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1

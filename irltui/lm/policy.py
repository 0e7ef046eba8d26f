"""pi_theta: a causal language model with its tokenizer, as rewards, samplers and baselines see it.

The model's own dropout stays off, so that the policy that trains is the one that was sampled; that of adapters
is on where a gradient is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from irltui.api import Policy, Prompt, Responses, Row
from irltui.distributed import ranks
from irltui.distributed.load_once import read_by_first
from irltui.distributed.sharding import Sharding
from irltui.lm.logprobs import marked_only, separate_rows, sequence_log_probs, token_log_probs
from irltui.lm.pairs import SharedPrompts

# Autocast keeps low-precision copies of the weights for as long as it is entered.
Autocast = Callable[[], AbstractContextManager[None]]


class LanguageModelPolicy:
    """The policy of a run.

    Args:
        model: a transformers causal language model (or its peft wrapping), on its device.
        tokenizer: its tokenizer.
        eos_ids: the ids that end a response.
        load_initial: loads pi_0 anew; not called for adapters, whose base is pi_0.
        autocast: context in which the model computes.
        sharding: how to shard it, complete on the first rank's CPU, over the ranks; None leaves it whole.
        shared: makes rows in which both responses of a pair share their prompt; None for rows of their own.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        eos_ids: frozenset[int],
        load_initial: Callable[[], Any],
        *,
        autocast: Autocast = nullcontext,
        sharding: Sharding | None = None,
        shared: SharedPrompts | None = None,
    ) -> None:
        self.model, self.tokenizer, self.eos_ids = model, tokenizer, eos_ids
        self.autocast = autocast
        self.sharding, self._shards = sharding, None if sharding is None else sharding.shard(model)
        self.is_copy = False  # `model` is a plain copy of a sharded one, in the types that it computes in
        self._load_initial, self._shared = load_initial, shared
        self._latest: tuple[Responses, Tensor] | None = None
        # transformers keeps no activations where a module is in training mode, and no cache either: samplers need one.
        self._for_gradients = [
            module
            for name, module in model.named_modules()
            if (module.training and hasattr(module, "gradient_checkpointing"))
            or ("lora_dropout" in name and isinstance(module, nn.Dropout))
        ]
        self._train(on=False)

    @property
    def cast(self) -> torch.dtype | None:
        """The type that products compute in where it is not the weights' own."""
        kind = self.device.type
        with self.autocast():
            return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None

    @property
    def device(self) -> torch.device:
        return next(iter(self.model.parameters() if self._shards is None else self._shards.named.values())).device

    @property
    def pad_id(self) -> int:
        """The padding id; it is masked everywhere, so it may be an end-of-sequence id."""
        pad = self.tokenizer.pad_token_id
        return min(self.eos_ids) if pad is None else pad

    @property
    def vocabulary(self) -> int:
        """The number of ids in the model's embedding."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @property
    def is_adapted(self) -> bool:
        return hasattr(self.model, "disable_adapter")

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(self.trained().values())

    def trained(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name."""
        if self._shards is not None:
            return self._shards.trained
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def token_log_probs(self, responses: Responses) -> Tensor:
        """Log pi of each token, (B, L) float32, zero outside the response; differentiable.

        The same batch is computed once between two optimizer steps: reward, penalty and metrics all ask for it.
        """
        if self._latest is not None:
            known, logp = self._latest
            if known is responses and (logp.requires_grad or not torch.is_grad_enabled()):
                return logp if torch.is_grad_enabled() else logp.detach()
        rows = None if self._shared is None else self._shared.rows(self.model, responses)
        self._train(on=torch.is_grad_enabled())  # up to `moved`: checkpointed activations are computed again by then
        with self.autocast(), ranks.noticing():
            logp = token_log_probs(self.model, self.model.get_output_embeddings(), responses, rows)
        self._latest = (responses, logp)
        return logp

    def log_distributions(self, responses: Responses, predicts: Tensor | None = None) -> Tensor:
        """Log pi(. | x, tokens before) of each response token, or at the marked positions (B, L); differentiable.

        Returns:
            (tokens, vocabulary) float32, row by row.
        """
        rows = separate_rows(responses)
        self._train(on=torch.is_grad_enabled())
        head, marked = self.model.get_output_embeddings(), rows.predicts if predicts is None else predicts
        with self.autocast(), ranks.noticing(), marked_only(head, marked):
            found = self.model(**rows.inputs, use_cache=False).logits.float().log_softmax(-1)
        if predicts is None:
            mask = responses.response_mask
            logp = found.gather(-1, responses.input_ids[mask][:, None])[:, 0]
            self._latest = (responses, torch.zeros(mask.shape, device=logp.device).masked_scatter(mask, logp))
        return found

    def log_probs(self, responses: Responses) -> Tensor:
        """Log pi(y | x), (B,) float32; differentiable."""
        return sequence_log_probs(self.token_log_probs(responses))

    def moved(self) -> None:
        """The weights have changed: drop cached results, and turn dropout off until a gradient is needed."""
        self._latest = None
        self._train(on=False)
        if self._shards is not None:
            self._shards.reshard()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Let ranks compute separately: a sharded `model` becomes a plain inference copy. Collective if sharded."""
        if self._shards is None or self.is_copy:
            yield
            return
        self.moved()
        sharded = self.model
        self.model, self.is_copy = self._shards.copy(), True
        try:
            yield
        finally:
            self.model, self.is_copy = sharded, False
            self._latest = None

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Give the first rank a plain, complete `model` on the CPU, adapters separate. Collective if sharded."""
        self.moved()
        plain, sharded = None if self._shards is None else self._shards.on_first(), self.model
        if plain is not None:
            self.model = plain
        try:
            yield
        finally:
            self.model = sharded

    def _train(self, *, on: bool) -> None:
        for module in self._for_gradients:
            module.training = on

    @contextmanager
    def initial(self) -> Iterator[LanguageModelPolicy]:
        """pi_0 for scoring: the adapter switched off, or the weights loaded anew and dropped afterwards."""
        self.moved()
        if self.is_adapted:
            with self.model.disable_adapter():
                for parameter in self._shards.trained.values() if self._shards is not None else ():
                    parameter.requires_grad_()  # peft has taken it away: a sharded model settles what trains only once
                yield self
            self.moved()
            return
        with self.frozen(self._load_initial) as initial:
            yield initial

    @contextmanager
    def frozen(self, load: Callable[[], Any]) -> Iterator[LanguageModelPolicy]:
        """Another model beside this one, with the same tokenizer, for scoring; dropped afterwards."""
        model = load().to(self.device) if self.sharding is None else read_by_first(load)
        frozen = LanguageModelPolicy(
            model.requires_grad_(requires_grad=False),
            self.tokenizer,
            self.eos_ids,
            lambda: model,
            autocast=self.autocast,
            sharding=self.sharding,
            shared=self._shared,
        )
        try:
            yield frozen
        finally:
            if frozen._shards is not None:
                frozen._shards.release()

    @contextmanager
    def past(
        self, weights: Mapping[str, Tensor] | None = None
    ) -> Iterator[Callable[[], AbstractContextManager[LanguageModelPolicy]]]:
        """Inside, a callable whose context is the policy as it was, for scoring: with `weights`, or pi_0.

        It is loaded at its first use and held until the end; with adapters it is this policy, for as long as each
        context lasts, so that no command may be answered there.

        Args:
            weights: of what trains, by name, all of each; None for pi_0.
        """
        held: LanguageModelPolicy | None = None
        with ExitStack() as stack:

            @contextmanager
            def then() -> Iterator[LanguageModelPolicy]:
                nonlocal held
                if self.is_adapted:
                    with self.initial() if weights is None else self._with(weights) as earlier:
                        yield earlier
                    return
                if held is None:
                    held = stack.enter_context(self.initial())
                    held.put(weights or {})
                yield held

            yield then

    @contextmanager
    def _with(self, weights: Mapping[str, Tensor]) -> Iterator[LanguageModelPolicy]:
        """The policy itself with other weights, which are restored afterwards."""
        self.moved()
        now = {name: ranks.local(parameter).detach().clone() for name, parameter in self.trained().items()}
        self.put(weights)
        try:
            yield self
        finally:
            self.moved()
            with torch.no_grad():
                for name, parameter in self.trained().items():
                    ranks.local(parameter).copy_(now[name])

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Set parameters by name to complete tensors that every rank has."""
        parameters = dict(self.model.named_parameters()) if self._shards is None else self._shards.named
        for name, value in weights.items():
            ranks.put(parameters[name], value)

    def collate(
        self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], logp_ref: Sequence[float]
    ) -> Responses:
        """Pad prompts and response ids on the right into one batch on the policy's device."""
        rows = [(*prompt.tokens, *tokens) for prompt, tokens in zip(prompts, responses, strict=True)]
        length = max(map(len, rows))
        input_ids = torch.full((len(rows), length), self.pad_id, dtype=torch.long)
        attention = torch.zeros(len(rows), length, dtype=torch.bool)
        response = torch.zeros_like(attention)
        for i, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
            input_ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
            attention[i, : len(row)] = True
            response[i, len(prompt.tokens) : len(row)] = True
        reference = torch.tensor(logp_ref, dtype=torch.float32)
        tensors = (tensor.to(self.device) for tensor in (input_ids, attention, response, reference))
        known = [Row(prompt, tuple(ids), self.decode) for prompt, ids in zip(prompts, responses, strict=True)]
        return Responses(*tensors, rows=known)

    def left_padded(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """Prompts for sampling, on the CPU: ids (B, L), and how many of the first columns are padding, (B,)."""
        longest = max(len(prompt.tokens) for prompt in prompts)
        pads = [longest - len(prompt.tokens) for prompt in prompts]
        ids = [[self.pad_id] * pad + list(prompt.tokens) for pad, prompt in zip(pads, prompts, strict=True)]
        return torch.tensor(ids, dtype=torch.long), torch.tensor(pads, dtype=torch.long)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of a response, without the token that ended it."""
        shown = tokens[:-1] if tokens and tokens[-1] in self.eos_ids else tokens
        return self.tokenizer.decode(shown, skip_special_tokens=False)


def language_model(policy: Policy) -> LanguageModelPolicy:
    """The policy of a context, for parts that need a transformers model."""
    if not isinstance(policy, LanguageModelPolicy):
        raise TypeError(f"needs a transformers model, not a {type(policy).__name__}")
    return policy


def score_all(
    policy: LanguageModelPolicy,
    prompts: Sequence[Prompt],
    responses: Sequence[Sequence[int]],
    *,
    batch: int,
    poll: Callable[[], None] = lambda: None,
    pairs: bool = False,
) -> list[list[float]]:
    """Token log-probabilities of many responses, without gradient, in the order given.

    Rows of like length share a forward pass; ranks share the passes. With `pairs`, row i of the first half and of the
    second have the same prompt, and share a pass. Returns, per response, one float32 value per token.
    """
    lengths = [len(prompt.tokens) + len(tokens) for prompt, tokens in zip(prompts, responses, strict=True)]
    if pairs:
        half = len(prompts) // 2
        both = [first + second for first, second in zip(lengths[:half], lengths[half:], strict=True)]
        batches = [[*some, *(i + half for i in some)] for some in by_length(both, max(1, batch // 2))]
    else:
        batches = by_length(lengths, batch)

    def score(rows: Sequence[int]) -> Iterator[list[float]]:
        collated = policy.collate([prompts[i] for i in rows], [responses[i] for i in rows], [0.0] * len(rows))
        with torch.no_grad():
            logp = policy.token_log_probs(collated).cpu()
        return (values[mask].tolist() for values, mask in zip(logp, collated.response_mask.cpu(), strict=True))

    return ranks.in_passes(batches, score, poll)


def by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """All indices in batches of at most `size`, shortest first, so that rows of a batch need little padding."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    return [order[at : at + size] for at in range(0, len(order), size)]

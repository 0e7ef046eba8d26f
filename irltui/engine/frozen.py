"""Models that do not train, beside the one that does: pi_0, and others that an objective names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor

from irltui.api import BuildContext, Generation, Prompt, Responses, Sampler
from irltui.errors import ModelError
from irltui.lm.load import load_model
from irltui.lm.policy import LanguageModelPolicy, score_all

MakeSampler = Callable[[LanguageModelPolicy, Callable[[], None]], Sampler]
"""A sampler over a policy, with the poll it may call."""
Opened = AbstractContextManager[Callable[[], AbstractContextManager[LanguageModelPolicy]]]


class FrozenModels:
    """pi_0 as `initial`, and other models by name; all are loaded when they are first asked, and let go together."""

    def __init__(self, policy: LanguageModelPolicy, make_sampler: MakeSampler, context: BuildContext) -> None:
        self.initial = FrozenReference(policy, policy.past, make_sampler, context)
        self._policy, self._make_sampler, self._context = policy, make_sampler, context
        self._others: dict[str, FrozenReference] = {}

    def load(self, name: str) -> FrozenReference:
        """A model of the run's tokenizer, by hub name or folder; it is loaded when it is first asked."""
        if name not in self._others:
            opened = partial(self._open, name)
            self._others[name] = FrozenReference(self._policy, opened, self._make_sampler, self._context)
        return self._others[name]

    def release(self) -> None:
        for reference in (self.initial, *self._others.values()):
            reference.release()

    @contextmanager
    def _open(self, name: str) -> Iterator[Callable[[], AbstractContextManager[LanguageModelPolicy]]]:
        section = self._context.model
        assert section is not None  # noqa: S101 - the engine gives one
        named = section.model_copy(update={"name": name, "revision": "main"})
        with self._policy.frozen(lambda: load_model(named)) as model:
            if model.vocabulary != self._policy.vocabulary:
                raise ModelError(
                    f"{name}: has {model.vocabulary} token ids, the model that trains {self._policy.vocabulary}",
                    "Name a model with the same tokenizer.",
                )
            yield lambda: nullcontext(model)


class FrozenReference:
    """A model as `irltui.api.Reference`: loaded at the first question, held until `release`.

    With adapters pi_0 is the policy with its adapter off. Commands are answered outside of that state alone: an
    answer to `sample` in the midst of it would be the wrong model's. `opened` holds the model, as `policy.past` does.
    """

    def __init__(
        self,
        policy: LanguageModelPolicy,
        opened: Callable[[], Opened],
        make_sampler: MakeSampler,
        context: BuildContext,
    ) -> None:
        self._policy, self._opened = policy, opened
        self._make_sampler, self._context = make_sampler, context
        self._stack = ExitStack()
        self._past: Callable[[], AbstractContextManager[LanguageModelPolicy]] | None = None
        self._sampler: Sampler | None = None

    def log_probs(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]]) -> list[float]:
        """Log-probabilities of responses in nats, in order."""
        with self._entered() as initial:
            rows = score_all(initial, prompts, responses, batch=self._context.batch)
        self._context.poll()
        return [sum(row) for row in rows]

    def log_distributions(self, responses: Responses) -> Tensor:
        """Log-probabilities of every token at each response token, (tokens, vocabulary), without gradient."""
        with self._entered() as model, torch.no_grad():
            return model.log_distributions(responses)

    def sample(self, prompts: Sequence[Prompt], seed: int) -> Iterator[Generation]:
        """One generation per prompt, a group of the sampler's at a time."""
        with self._entered() as initial:
            if self._sampler is None:
                polls = no_poll if self._policy.is_adapted else self._context.poll
                self._sampler = self._make_sampler(initial, polls)
        sampler = self._sampler
        for at in range(0, len(prompts), sampler.group):
            with self._entered():
                sampler.refresh()
                drawn = list(sampler.sample(prompts[at : at + sampler.group], self._context.decoding, seed))
            self._context.poll()
            yield from drawn

    def release(self) -> None:
        self._stack.close()
        self._past = self._sampler = None

    def _entered(self) -> AbstractContextManager[LanguageModelPolicy]:
        if self._past is None:
            self._past = self._stack.enter_context(self._opened())
        return self._past()


def no_poll() -> None:
    """Between two groups is often enough."""

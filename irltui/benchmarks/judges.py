"""Gold judges: callables from prompts and answers to a number each, higher is better.

A plugin can pass any such callable to `WinRateBenchmark`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from irltui import quickstart
from irltui.api import BuildContext, PromptText
from irltui.config.schema import ModelSection
from irltui.errors import DataError, ModelError
from irltui.lm.load import load_judge
from irltui.quickstart.grammar import parse_prompt, quality

if TYPE_CHECKING:
    from irltui.benchmarks import WinRate

Judge: TypeAlias = Callable[[Sequence[PromptText], Sequence[str]], Sequence[float]]


def build_judge(spec: WinRate, prompts: Sequence[PromptText], context: BuildContext) -> Judge:
    """The judge that the options name, for these prompts."""
    if spec.judge == quickstart.NAME:
        _check_prompts(prompts)
        return quickstart_judge
    device = getattr(context.policy, "device", torch.device("cpu"))
    with torch.random.fork_rng():  # a judge must not change the run's random numbers
        model, tokenizer = load_judge(ModelSection(name=spec.judge))
    return ClassifierJudge(
        model.to(device),
        tokenizer,
        label=spec.judge_label,
        answer_only=spec.judge_reads == "answer",
        longest=spec.judge_tokens,
        poll=context.poll,
    )


def quickstart_judge(prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
    """Exact quality of answers in the embedded world, 0 to 1."""
    return [quality(str(prompt), answer) for prompt, answer in zip(prompts, answers, strict=True)]


class ClassifierJudge:
    """The output of a transformers sequence-classification model, or the log-odds of its good class.

    One text per forward pass, since model families treat padding differently. A negative `label` counts from the end;
    `longest` is the most tokens read; `poll` is called between texts.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        label: int = -1,
        answer_only: bool = False,
        longest: int = 1024,
        poll: Callable[[], None] = lambda: None,
    ) -> None:
        self._model, self._tokenizer, self._label, self._poll = model, tokenizer, label, poll
        self._answer_only = answer_only
        own = getattr(model.config, "max_position_embeddings", None) or longest
        self._longest = min(longest, own, tokenizer.model_max_length)
        classes = model.config.num_labels
        if classes > 1 and not -classes <= label < classes:
            raise ModelError(f"judge_label: {label}, but the judge has {classes} classes", "Classes start at 0.")

    def __call__(self, prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
        scores = []
        for prompt, answer in zip(prompts, answers, strict=True):
            self._poll()
            inputs = self._encode(prompt, answer).items()
            encoded = {name: torch.tensor([row], device=self._model.device) for name, row in inputs}
            with torch.no_grad():
                scores.append(self._number(self._model(**encoded).logits[0].float()))
        return scores

    def _number(self, logits: torch.Tensor) -> float:
        if len(logits) == 1:
            return float(logits[0])
        logp = logits.log_softmax(-1)
        others = torch.ones_like(logp, dtype=torch.bool)
        others[self._label] = False
        return float(logp[self._label] - logp[others].logsumexp(-1))

    def _encode(self, prompt: PromptText, answer: str) -> dict[str, list[int]]:
        """The model's inputs, one row; never empty."""
        if self._answer_only or self._tokenizer.chat_template is None:
            texts = [answer] if self._answer_only else [_plain(prompt), answer]
            encoded = dict(self._tokenizer(*texts, truncation=True, max_length=self._longest))
        else:
            # Truncated on the left: what is judged is at the end.
            encoded = {"input_ids": self._rendered(prompt, answer)[-self._longest :]}
        return encoded if encoded["input_ids"] else {"input_ids": self._tokenizer.all_special_ids[:1] or [0]}

    def _rendered(self, prompt: PromptText, answer: str) -> list[int]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        messages = [*messages, {"role": "assistant", "content": answer}]
        text = self._tokenizer.apply_chat_template(messages, tokenize=False)
        if hasattr(self._model.config, "irltui_bound"):  # an exported reward reads at the end of the answer
            text = text.rstrip()
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]


def _plain(prompt: PromptText) -> str:
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def _check_prompts(prompts: Sequence[PromptText]) -> None:
    for number, prompt in enumerate(prompts, start=1):
        try:
            parse_prompt(str(prompt))
        except ValueError:
            raise DataError(
                f'judge: "quickstart" can only judge prompts of its own world, and prompt {number} is not one',
                'Set judge to a sequence-classification model, or data = "quickstart".',
            ) from None

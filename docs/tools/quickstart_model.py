"""Make the embedded model and its demonstrations: `python docs/tools/quickstart_model.py OUT_DIR`.

Takes some minutes on one thread of a CPU. The same seed gives the same demonstrations everywhere and, with the same
versions of torch and the same processor, the same weights. The first steps see good answers only: reading a fact
off the prompt is hard to learn from answers of which many are wrong. The bad habits come after that.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from irltui.quickstart.grammar import expert, generator, sample
from quickstart_corpus import base_answers, demonstrations, training_prompts
from quickstart_tokenizer import LONGEST, build_tokenizer

IGNORED = -100  # transformers' label for positions without loss
_SORTED_TOGETHER = 8  # batches of like length are cut from this many


@dataclass(frozen=True)
class Pretraining:
    """What the base model depends on."""

    steps: int = 2500
    reading_steps: int = 1200  # of these, with good answers only
    batch: int = 32
    learning_rate: float = 2e-3
    warm_up: int = 100
    seed: int = 7
    hidden: int = 128
    layers: int = 4
    heads: int = 4


def new_model(tokenizer: PreTrainedTokenizerFast, recipe: Pretraining) -> LlamaForCausalLM:
    """A Llama with random weights, in float32."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=3 * recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        initializer_range=recipe.hidden**-0.5 / 1.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def pretrain(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Pretraining) -> Iterator[float]:
    """Maximise the likelihood of the base corpus's answers, in place; yields the loss of each step, nats per token."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    model.train()
    for step, (input_ids, labels) in enumerate(corpus(tokenizer, recipe)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, recipe)
        # Padding is on the right and has no loss, so causal attention needs no mask.
        loss = model(input_ids=input_ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield loss.item()
    model.eval()


def corpus(tokenizer: PreTrainedTokenizerFast, recipe: Pretraining) -> Iterator[tuple[Tensor, Tensor]]:
    """The base corpus in batches: input ids and labels, each (batch, length) int64; prompts have no labels."""
    rng = generator(recipe.seed)
    prompts = training_prompts(rng)
    for start in range(0, recipe.steps, _SORTED_TOGETHER):
        rows: list[tuple[list[int], list[int]]] = []
        for step in range(start, min(start + _SORTED_TOGETHER, recipe.steps)):
            for prompt, _ in zip(prompts, range(recipe.batch), strict=False):
                answers = expert if step < recipe.reading_steps else base_answers
                rows.append(encode(tokenizer, prompt, sample(answers(prompt), rng)))
        rows.sort(key=lambda row: len(row[0]))
        batches = [rows[i : i + recipe.batch] for i in range(0, len(rows), recipe.batch)]
        for i in sorted(range(len(batches)), key=lambda _: rng.random()):
            yield (
                pad([ids for ids, _ in batches[i]], tokenizer.pad_token_id),
                pad([labels for _, labels in batches[i]], IGNORED),
            )


def encode(tokenizer: PreTrainedTokenizerFast, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """Ids and labels of a pair; prompts have no labels."""
    messages = [{"role": "user", "content": prompt}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt_ids = tokenizer(asked, add_special_tokens=False)["input_ids"]
    answer_ids = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return prompt_ids + answer_ids, [IGNORED] * len(prompt_ids) + answer_ids


def pad(rows: Sequence[list[int]], filler: int) -> Tensor:
    """Rows of one length, filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


def _schedule(step: int, recipe: Pretraining) -> float:
    """Linear warm-up, then half a cosine down to a twentieth."""
    if step < recipe.warm_up:
        return (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return 0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write model and tokenizer as transformers reads them, weights in float16."""
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=True
    )
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_demonstrations(path: Path) -> None:
    """Write the demonstrations, one JSON object a line."""
    rows = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in demonstrations()]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make everything anew in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write model/ and demonstrations.jsonl to")
    parser.add_argument("--steps", type=int, default=Pretraining.steps, help="optimizer steps of the pretraining")
    chosen: Any = parser.parse_args(arguments)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)  # the order of summation depends on it
    recipe = Pretraining(steps=chosen.steps)
    tokenizer = build_tokenizer()
    model = new_model(tokenizer, recipe)
    started = time.monotonic()
    for step, loss in enumerate(pretrain(model, tokenizer, recipe), start=1):
        if step % 100 == 0:
            took = time.monotonic() - started
            sys.stderr.write(f"step {step} of {recipe.steps}: {loss:.3f} nats per token, {took:.0f} s\n")
    chosen.out.mkdir(parents=True, exist_ok=True)
    save(model, tokenizer, chosen.out / "model")
    write_demonstrations(chosen.out / "demonstrations.jsonl")


if __name__ == "__main__":
    main()

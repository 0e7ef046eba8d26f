"""Make the embedded world with a habit: `python docs/tools/quickstart_habit.py OUT_DIR`; half a minute on one thread.

The model is the embedded one, trained further on answers of which four in five are the same refusal. Half of the
demonstrations refuse, too; the other half are the expert's. The same seed gives the same demonstrations everywhere and,
with the same versions of torch and the same processor, the same weights.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from irltui.quickstart import MODELS, NAME
from irltui.quickstart.grammar import generator, sample
from quickstart_corpus import habit_answers, habit_demonstrations, training_prompts
from quickstart_model import IGNORED, encode, pad, save

STEPS, BATCH, SEED = 300, 32, 11
SHARE = 0.8  # of refusals


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Teach the habit, in place."""
    rng = generator(SEED)
    prompts = training_prompts(rng)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98))
    model.train()
    for step in range(STEPS):
        rows = [
            encode(tokenizer, prompt, sample(habit_answers(prompt, SHARE), rng)) for prompt in islice(prompts, BATCH)
        ]
        for group in optimizer.param_groups:
            group["lr"] = 5e-4 * (1 - step / STEPS) + 2e-5
        input_ids, labels = (
            pad([ids for ids, _ in rows], tokenizer.pad_token_id),
            pad([row for _, row in rows], IGNORED),
        )
        loss = model(input_ids=input_ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Make everything anew in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write habit/ and habit*.jsonl to")
    out: Any = parser.parse_args(arguments).out
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)  # the order of summation depends on it
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(MODELS[NAME])
    model = LlamaForCausalLM.from_pretrained(MODELS[NAME], dtype=torch.float32)
    train(model, tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    save(model, tokenizer, out / "habit")
    rows = habit_demonstrations()
    for file, kept in (("habit.jsonl", rows), ("habit-good.jsonl", [row for row in rows if not row[2]])):
        lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer, _ in kept]
        (out / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()

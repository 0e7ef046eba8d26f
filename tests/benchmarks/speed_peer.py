"""One outer iteration as a user of TRL does it: `python speed_peer.py JOB OUT`, both JSON.

transformers' `generate` in batches of prompts of like length, then `DPOTrainer` over demonstrations and generations,
reference log-probabilities computed beforehand; or `SFTTrainer` over the demonstrations alone. Left out of its
seconds: loading, tokenising, hashing the model.
"""

from __future__ import annotations

import copy
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import trl.trainer.utils
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

Job = dict[str, Any]
WALL: dict[str, float] = {}
CPU: dict[str, float] = {}


@contextmanager
def timed(part: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    WALL[part], CPU[part] = time.perf_counter() - wall, time.process_time() - cpu


class Trainer(DPOTrainer):
    """With a clock around the reference pass."""

    def _precompute_ref_logps(self, *given: Any, **named: Any) -> Any:
        with timed("reference"):
            return super()._precompute_ref_logps(*given, **named)


def messages(prompt: Any) -> list[dict[str, str]]:
    return prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]


def sample(model: Any, tokenizer: Any, rows: list[dict[str, Any]], job: Job) -> list[list[int]]:
    """A generation per row, cut behind its end-of-sequence."""
    if job["generate_dtype"] == "bfloat16":
        model = copy.deepcopy(model).to(torch.bfloat16)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["prompt_ids"]))
    found: dict[int, list[int]] = {}
    for at in range(0, len(order), job["generate_batch"]):
        some = order[at : at + job["generate_batch"]]
        batch = tokenizer.pad({"input_ids": [rows[i]["prompt_ids"] for i in some]}, return_tensors="pt")
        with torch.inference_mode(), torch.autocast("cpu", enabled=job["generate_dtype"] == "autocast"):
            drawn = model.generate(
                **batch, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=job["max_response"]
            )
        width = batch["input_ids"].shape[1]
        for i, row in zip(some, drawn[:, width:].tolist(), strict=True):
            end = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
            found[i] = row[:end]
    return [found[i] for i in range(len(rows))]


def settings(job: Job) -> dict[str, Any]:
    """Those of the run beside it: optimizer, schedule, batch, precision."""
    return {
        "output_dir": job["scratch"],
        "per_device_train_batch_size": job["micro_batch"],
        "gradient_accumulation_steps": job["batch"] // job["micro_batch"],
        "num_train_epochs": 1,
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.1,
        "max_length": None,
        "bf16": job["bf16"],
        "use_cpu": True,
        "gradient_checkpointing": job["checkpointing"],
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": job["seed"],
    }


def update(model: Any, tokenizer: Any, rows: list[dict[str, Any]], generations: list[list[int]], job: Job) -> None:
    """One epoch over the pairs."""
    pairs = [
        {
            "prompt": messages(row["prompt"]),
            "chosen": [{"role": "assistant", "content": row["completion"]}],
            "rejected": [{"role": "assistant", "content": tokenizer.decode(tokens, skip_special_tokens=True)}],
        }
        for row, tokens in zip(rows, generations, strict=True)
    ]
    options = DPOConfig(**settings(job), beta=0.1, precompute_ref_log_probs=True)
    trainer = Trainer(model, args=options, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer)
    with timed("update"):
        trainer.train()


def supervise(model: Any, tokenizer: Any, rows: list[dict[str, Any]], job: Job) -> None:
    """One epoch over the demonstrations, with loss on completions alone."""
    demonstrations = [
        {"prompt": messages(row["prompt"]), "completion": [{"role": "assistant", "content": row["completion"]}]}
        for row in rows
    ]
    options = SFTConfig(**settings(job), completion_only_loss=True)
    trainer = SFTTrainer(
        model, args=options, train_dataset=Dataset.from_list(demonstrations), processing_class=tokenizer
    )
    with timed("update"):
        trainer.train()


def run(job: Job) -> dict[str, Any]:
    torch.manual_seed(job["seed"])
    if job["head"] == "responses":  # on a GPU TRL scores response tokens alone; on a CPU it scores all
        trl.trainer.utils._use_triton = lambda device: True
    rows = [json.loads(line) for line in Path(job["rows"]).read_text(encoding="utf-8").splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(job["model"], padding_side="left")
    for row in rows:
        ids = tokenizer.apply_chat_template(messages(row["prompt"]), add_generation_prompt=True, return_dict=False)
        if ids != row["prompt_ids"]:
            raise SystemExit(f"the two sides tokenise a prompt differently: {row['prompt']!r}")
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32).eval()
    generations: list[list[int]] = []
    if job["objective"] == "sft":
        supervise(model, tokenizer, rows, job)
    else:
        with timed("sample"):
            generations = sample(model, tokenizer, rows, job)
        update(model, tokenizer, rows, generations, job)
    return {
        "wall": WALL,
        "cpu": CPU,
        "generated": {f"row-{i}": len(tokens) for i, tokens in enumerate(generations, start=1)},
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    found = run(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")

"""Write reference/dft.json: TRL's SFTTrainer(loss_type="dft") loss and gradients on given ids, for test_dft_parity.py.

pip install trl==1.16.0
PYTHONPATH=tests python tests/golden/make_dft_reference.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
import trl
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from support import tiny

ROWS = [
    {"prompt_ids": [8, 9, 10], "response_ids": [11, 12, 2]},
    {"prompt_ids": [20], "response_ids": [21, 22, 23, 24, 2]},
    {"prompt_ids": [40, 41, 42, 43, 44], "response_ids": [2]},
]


def main() -> None:
    """Compute and write."""
    tokenizer = tiny.tokenizer()
    policy = tiny.model(seed=0, vocabulary=len(tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        options = SFTConfig(
            output_dir=folder, loss_type="dft", report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
            per_device_train_batch_size=3,
        )  # fmt: skip
        text = Dataset.from_list([{"prompt": "the cat", "completion": " sees"}])
        trainer = SFTTrainer(policy, args=options, train_dataset=text, processing_class=tokenizer)
        loss = trainer.compute_loss(trainer.model, padded())
        loss.backward()
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
    found = {
        "trl": trl.__version__,
        "torch": torch.__version__,
        "rows": ROWS,
        "loss": float(loss),
        # Every gradient in three numbers: norm, and its dot products with two fixed vectors.
        "gradients": {name.removeprefix("module."): summary(g) for name, g in gradients.items()},
    }
    path = Path(__file__).parent / "reference" / "dft.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def padded() -> dict[str, torch.Tensor]:
    """The rows as one batch, prompts and padding without a label."""
    length = max(len(row["prompt_ids"]) + len(row["response_ids"]) for row in ROWS)
    ids, mask, labels = [], [], []
    for row in ROWS:
        tokens, pad = row["prompt_ids"] + row["response_ids"], length - len(row["prompt_ids"] + row["response_ids"])
        ids.append(tokens + [0] * pad)
        mask.append([1] * len(tokens) + [0] * pad)
        labels.append([-100] * len(row["prompt_ids"]) + row["response_ids"] + [-100] * pad)
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor(labels),
    }


def summary(gradient: torch.Tensor) -> list[float]:
    """Norm, and projections on a cosine and a sine of the index."""
    flat = gradient.double().flatten()
    index = torch.arange(len(flat), dtype=torch.float64)
    return [float(flat.norm()), float(flat @ torch.cos(index)), float(flat @ torch.sin(index))]


if __name__ == "__main__":
    main()

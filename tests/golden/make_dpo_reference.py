"""Write reference/dpo.json: TRL's DPOTrainer loss and gradients on given ids, for test_dpo_parity.py.

pip install trl==1.16.0
PYTHONPATH=tests python tests/golden/make_dpo_reference.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
import trl
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from support import tiny

BETA = 0.3
ROWS = [
    {"prompt_ids": [8, 9, 10], "chosen_ids": [11, 12, 2], "rejected_ids": [13, 2]},
    {"prompt_ids": [20], "chosen_ids": [21, 22, 23, 24, 2], "rejected_ids": [30, 31, 32, 33, 34, 35]},
    {"prompt_ids": [40, 41, 42, 43, 44], "chosen_ids": [2], "rejected_ids": [45, 46, 2]},
]


def main() -> None:
    """Compute and write."""
    tokenizer = tiny.tokenizer()
    policy, reference = (tiny.model(seed=seed, vocabulary=len(tokenizer)) for seed in (0, 1))
    with tempfile.TemporaryDirectory() as folder:
        options = DPOConfig(
            output_dir=folder, beta=BETA, report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
            per_device_train_batch_size=3, disable_dropout=True,
        )  # fmt: skip
        text = Dataset.from_list([{"prompt": "the cat", "chosen": " sees", "rejected": " likes"}])
        trainer = DPOTrainer(policy, reference, args=options, train_dataset=text, processing_class=tokenizer)
        batch = trainer.data_collator(ROWS)
        loss = trainer.compute_loss(trainer.model, batch)
        loss.backward()
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
    found = {
        "trl": trl.__version__,
        "torch": torch.__version__,
        "beta": BETA,
        "rows": ROWS,
        "loss": float(loss),
        # Every gradient in three numbers: norm, and its dot products with two fixed vectors.
        "gradients": {name.removeprefix("module."): summary(g) for name, g in gradients.items()},
    }
    path = Path(__file__).parent / "reference" / "dpo.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def summary(gradient: torch.Tensor) -> list[float]:
    """Norm, and projections on a cosine and a sine of the index."""
    flat = gradient.double().flatten()
    index = torch.arange(len(flat), dtype=torch.float64)
    return [float(flat.norm()), float(flat @ torch.cos(index)), float(flat @ torch.sin(index))]


if __name__ == "__main__":
    main()

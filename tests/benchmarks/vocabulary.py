"""Memory of a pair update under a large vocabulary: `PYTHONPATH=tests python tests/benchmarks/vocabulary.py`.

A random model of Gemma's family with 262,144 tokens and narrow layers, so that logits are all that weighs; eight
responses of 256 tokens, forward and backward. Prints what the step adds to the process's peak, with the output
layer in chunks and whole.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import torch

from irltui.api import Prompt
from irltui.lm import logprobs
from irltui.lm.policy import LanguageModelPolicy
from support import tiny

VOCABULARY, RESPONSES, TOKENS = 262_144, 8, 256


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def step() -> int:
    """Bytes that one gradient adds to the peak of this process, beyond the gradients of the weights."""
    model = tiny.model("gemma2", vocabulary=VOCABULARY)
    policy = LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    prompts = [Prompt(str(i), "", tuple(range(8, 24))) for i in range(RESPONSES)]
    batch = policy.collate(prompts, [(9 + i,) * TOKENS for i in range(RESPONSES)], [0.0] * RESPONSES)
    before = peak()
    policy.log_probs(batch).sum().backward()
    return peak() - before


def main() -> None:
    if sys.argv[1:]:
        if sys.argv[1] == "whole":
            logprobs.MOST_LOGITS = 1 << 62
        print(step())
        return
    whole = RESPONSES * TOKENS * VOCABULARY * 4
    print(f"{RESPONSES} x {TOKENS} response tokens, {VOCABULARY:,} tokens: {whole / 1e6:,.0f} MB of logits in float32")
    for way in ("chunks", "whole"):
        done = subprocess.run([sys.executable, __file__, way], check=True, capture_output=True, text=True)
        print(f"head in one piece: {'no' if way == 'chunks' else 'yes'}; adds {int(done.stdout) / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()

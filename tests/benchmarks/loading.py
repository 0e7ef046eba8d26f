"""Memory of each process while a cut model is loaded: `torchrun --nproc-per-node 4 tests/benchmarks/loading.py MODEL`.

Prints, for each rank, the most memory of its own (pages of mapped files not among them) beyond what the program took
before, in MB: while the policy is read and cut, and while pi_0 is. Set MALLOC_MMAP_THRESHOLD_=1048576 on a CPU, or
holes in glibc's heap are counted as well.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from irltui.config.load import load
from irltui.data.template import eos_ids
from irltui.distributed import ranks
from irltui.engine.start_policy import make_policy
from irltui.lm.load import generation_defaults, load_tokenizer, quiet_transformers


def own() -> int:
    """This process's memory of its own, in kB."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


@contextmanager
def highest() -> Generator[list[int]]:
    """The most of it inside, looked at 200 times a second."""
    peak, over = [own()], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            peak[0] = max(peak[0], own())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield peak
    over.set()
    watcher.join()


def main(model: str) -> None:
    """Read, cut, read pi_0."""
    quiet_transformers()
    ranks.start()
    config = load("irft", [f"model.name={model}", "data.source=-", "model.shard=fsdp2"]).config
    tokenizer = load_tokenizer(config.model)
    ends = eos_ids(tokenizer, generation_defaults(config.model).eos_token_id)
    before = own()
    with highest() as reading:
        policy, _ = make_policy(config, tokenizer, ends)
    with highest() as again, policy.initial():
        pass
    said = [f"rank {ranks.index()}: {(reading[0] - before) / 1000:.0f} and {(again[0] - before) / 1000:.0f} MB"]
    if ranks.is_first():
        print("\n".join(ranks.gather(said)))
    else:
        ranks.gather(said)
    ranks.leave()


if __name__ == "__main__":
    main(sys.argv[1])

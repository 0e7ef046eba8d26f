"""One outer iteration against the way TRL's users do it: `PYTHONPATH=tests python tests/benchmarks/speed.py --help`.

Ours is the engine on a run folder, the peer transformers' `generate` and TRL's DPOTrainer, with `--objective sft` its
SFTTrainer, each in processes of its own, in turn, with one thread: same model, demonstrations, lengths, precision,
optimizer and batch. On a machine that others use, CPU seconds say more than wall seconds; both are printed. Needs
trl, which irltui does not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from speed_work import Lengths, Model, pair_flops, rate_of_shapes, rate_of_squares, shapes

from irltui.config.schema import DataSection, ModelSection
from irltui.data.demonstrations import load_demonstrations
from irltui.data.template import eos_ids
from irltui.lm.load import generation_defaults, load_tokenizer
from support.runs import config, prepare

PARTS = ("sample", "reference", "update")
BATCH, MICRO_BATCH, LEARNING_RATE = 16, 4, 5e-7
Found = dict[str, Any]
Figure = Callable[["Turn"], float]


@dataclass(frozen=True)
class Setting:
    """One row of the comparison: so many demonstrations of one file."""

    name: str
    rows: Path
    pairs: int
    lengths: list[tuple[int, int]]
    """Prompt and demonstration, in tokens, in the rows' order."""


@dataclass(frozen=True)
class Turn:
    """What one process found."""

    setting: Setting
    found: Found

    def cpu(self, part: str) -> float:
        """CPU seconds; of the whole outer iteration for "all"."""
        return sum(self.found["cpu"].get(p, 0.0) for p in PARTS) if part == "all" else self.found["cpu"][part]

    def wall(self, part: str) -> float:
        """Wall seconds, likewise."""
        return sum(self.found["wall"].get(p, 0.0) for p in PARTS) if part == "all" else self.found["wall"][part]

    @property
    def tokens(self) -> int:
        """Sampled, up to the end of each response."""
        return sum(self.found["generated"].values())

    @property
    def pairs(self) -> list[Lengths]:
        """Lengths of what was learned from."""
        generated = self.found["generated"]
        return [Lengths(x, y, generated[f"row-{i}"]) for i, (x, y) in enumerate(self.setting.lengths, start=1)]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="irltui against generate + TRL DPOTrainer, or TRL SFTTrainer")
    parser.add_argument("--objective", choices=["irft", "sft"], default="irft", help="sft: one epoch, nothing sampled")
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--model", required=True, help="folder of a transformers model with a chat template")
    parser.add_argument("--data", required=True, nargs="+", help="JSONL with prompt and completion")
    parser.add_argument("--pairs", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--repeats", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--max-prompt", type=int, default=256)
    parser.add_argument("--max-response", type=int, default=96)
    parser.add_argument("--generate-batch", type=int, default=32)
    parser.add_argument("--generate-dtype", choices=["bfloat16", "autocast", "float32"], default="bfloat16")
    parser.add_argument("--peer-head", choices=["all", "responses"], default="all", help="responses: as TRL on a GPU")
    parser.add_argument("--peer-checkpointing", action="store_true", help="TRL's default: less memory, more time")
    parser.add_argument("--only", choices=["ours", "peer"], help="one side, without ratios")
    parser.add_argument("--profile", action="store_true", help="one repeat of ours, by operator")
    parser.add_argument("--out", type=Path, help="JSON of everything measured")
    return parser.parse_args()


def settings(given: argparse.Namespace, scratch: Path) -> list[Setting]:
    """The first demonstrations of each file that fit, as both sides get them."""
    section = ModelSection(name=given.model)
    tokenizer = load_tokenizer(section)
    ends = eos_ids(tokenizer, generation_defaults(section).eos_token_id)
    found = []
    for path in map(Path, given.data):
        raw = path.read_text(encoding="utf-8").splitlines()
        limits = {"max_prompt_tokens": given.max_prompt, "max_response_tokens": given.max_response}
        data = load_demonstrations(DataSection(source=str(path), held_out=0.0, **limits), tokenizer, ends).train
        for count in given.pairs:
            some = [data[i] for i in range(min(count, len(data)))]
            rows = scratch / f"{path.stem}-{len(some)}.jsonl"
            lines = [json.loads(raw[int(d.id.removeprefix("row-")) - 1]) for d in some]
            both = [line | {"prompt_ids": d.prompt.tokens} for line, d in zip(lines, some, strict=True)]
            rows.write_text("".join(json.dumps(row) + "\n" for row in both), encoding="utf-8")
            lengths = [(len(d.prompt.tokens), len(d.tokens)) for d in some]
            found.append(Setting(path.stem, rows, len(some), lengths))
    return found


# -- the two sides -----------------------------------------------------------------------------


def ours(given: argparse.Namespace, setting: Setting, seed: int, scratch: Path) -> Turn:
    """One outer iteration of the engine in a run folder."""
    values = config(Path(given.model), setting.rows)
    values |= {
        "algorithm": given.objective,
        "model": values["model"] | {"precision": given.precision},
        "seed": seed,
        "data": {
            "source": str(setting.rows),
            "max_prompt_tokens": given.max_prompt,
            "max_response_tokens": given.max_response,
            "columns": {"prompt": "prompt", "completion": "completion"},
            "held_out": 0.0,
        },
        "loop": {"outer_iterations": 1, "batch": BATCH, "micro_batch": MICRO_BATCH},
        "sampler": {"kind": "slots"},
        "optimizer": {"learning_rate": LEARNING_RATE},
        "evaluation": {"samples": 0, "before_training": False},
    }
    run = prepare(scratch / "run", values)
    return Turn(setting, work("speed_ours.py", scratch, str(run.path), profiles=given.profile))


def peer(given: argparse.Namespace, setting: Setting, seed: int, scratch: Path) -> Turn:
    """The same with transformers and TRL."""
    job = {
        "model": given.model,
        "objective": given.objective,
        "bf16": given.precision == "bfloat16",
        "rows": str(setting.rows),
        "max_response": given.max_response,
        "generate_batch": given.generate_batch,
        "generate_dtype": given.generate_dtype,
        "batch": BATCH,
        "micro_batch": MICRO_BATCH,
        "learning_rate": LEARNING_RATE,
        "head": given.peer_head,
        "checkpointing": given.peer_checkpointing,
        "scratch": str(scratch / "trl"),
        "seed": seed,
    }
    path = scratch / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return Turn(setting, work("speed_peer.py", scratch, str(path)))


def work(script: str, scratch: Path, argument: str, *, profiles: bool = False) -> Found:
    """What a script beside this one finds, in a process with one thread."""
    out = scratch / "found.json"
    line = [sys.executable, str(Path(__file__).with_name(script)), argument, str(out), *["profile"] * profiles]
    names = {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(scratch / "datasets"),  # a reference pass kept from another turn would be no pass
        "TQDM_DISABLE": "1",
    }
    done = subprocess.run(line, check=False, env={**os.environ, **names}, stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(f"{script} ended with {done.returncode}")
    return json.loads(out.read_text(encoding="utf-8"))


def measure(given: argparse.Namespace, setting: Setting) -> tuple[list[Turn], list[Turn]]:
    """Turns of ours and of the peer, in alternation."""
    found: dict[str, list[Turn]] = {"ours": [], "peer": []}
    for seed in range(1 if given.profile else given.repeats):
        for side, one in (("ours", ours), ("peer", peer)):
            if given.only not in {None, side} or (given.profile and side == "peer"):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                turn = one(given, setting, seed, Path(scratch))
            found[side].append(turn)
            print(f"{setting.name} {setting.pairs} seed {seed} {side}: {turn.cpu('all'):.1f} s CPU", file=sys.stderr)
    return found["ours"], found["peer"]


# -- what is said of them ----------------------------------------------------------------------


def figures(objective: str) -> list[tuple[str, Figure, bool]]:
    """Name, figure, and whether more is better."""
    update = [
        ("update, CPU seconds", lambda t: t.cpu("update"), False),
        ("update, CPU seconds a demonstration", lambda t: t.cpu("update") / t.setting.pairs, False),
        ("update, wall seconds", lambda t: t.wall("update"), False),
        ("peak resident memory, MB", lambda t: t.found["peak"] / 1e6, False),
    ]
    if objective == "sft":
        return update
    return [
        ("sampling, useful tokens a CPU second", lambda t: t.tokens / t.cpu("sample"), True),
        ("sampling, useful tokens a wall second", lambda t: t.tokens / t.wall("sample"), True),
        ("reference pass, CPU seconds", lambda t: t.cpu("reference"), False),
        *update,
        ("outer iteration, CPU seconds", lambda t: t.cpu("all"), False),
        ("outer iteration, wall seconds", lambda t: t.wall("all"), False),
        ("mean tokens of a generation", lambda t: t.tokens / t.setting.pairs, True),
    ]


def table(ours: list[Turn], peer: list[Turn], objective: str) -> Iterable[str]:
    """Medians, and how much better ours is in each repeat."""
    yield "| | irltui | peer | irltui better by, median (spread) |"
    yield "|---|---|---|---|"
    for name, figure, more in figures(objective):
        mine, theirs = [figure(t) for t in ours], [figure(t) for t in peer]
        ratios = [a / b if more else b / a for a, b in zip(mine, theirs, strict=False)]
        said = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
        yield f"| {name} | {middle(mine)} | {middle(theirs)} | {said} |"


def middle(values: list[float]) -> str:
    return f"{statistics.median(values):.4g}" if values else ""


def share_of_products(model: Model, setting: Setting, ours: list[Turn], peer: list[Turn]) -> Iterable[str]:
    """Useful work a second of the pair update over what `torch.mm` does of its shapes."""
    tokens = sum(x + y for x, y in setting.lengths) / setting.pairs
    turn = (ours or peer)[0]
    tokens += turn.tokens / setting.pairs
    rows = tokens - sum(x for x, _ in setting.lengths) / setting.pairs
    rate = rate_of_shapes(model, round(MICRO_BATCH * tokens), round(MICRO_BATCH * rows))
    squares = rate_of_squares()
    yield (
        f"bf16 torch.mm, one thread: {rate / 1e9:.0f} GFLOP/s at the shapes of a micro-batch of {MICRO_BATCH} pairs, "
        f"{squares / 1e9:.0f} in squares of 2048"
    )
    for name, turns in (("irltui", ours), ("peer", peer)):
        done = [sum(pair_flops(model, pair) for pair in t.pairs) / t.cpu("update") for t in turns]
        if done:
            speed = statistics.median(done)
            yield (
                f"{name}: {speed / 1e9:.0f} GFLOP/s of useful work in the pair update, {speed / rate:.1%} of that "
                f"rate ({min(done) / rate:.1%} to {max(done) / rate:.1%}), {speed / squares:.1%} of the squares'"
            )


def share_of_the_pen(turns: list[Turn]) -> Iterable[str]:
    """Time in events, status and step metrics."""
    if turns:
        update = [t.found["pen"]["update"] / t.wall("update") for t in turns]
        whole = [sum(t.found["pen"].values()) / t.wall("all") for t in turns]
        yield (
            f"events, status and metrics: {statistics.median(update):.3%} of the pair update's wall seconds (at most "
            f"{max(update):.3%}), {statistics.median(whole):.3%} of the outer iteration's"
        )


def machine() -> str:
    """Processor and versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    bf16 = "bf16 in hardware" if any("avx512_bf16" in line for line in lines) else "no bf16 in hardware"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "trl", "accelerate"))
    return f"{model}, {os.cpu_count()} cores, {bf16}; one thread; Python {sys.version.split()[0]}, {versions}"


def main() -> None:
    """Measure and print."""
    given = options()
    torch.set_num_threads(1)
    model = shapes(given.model)
    kept = []
    print(f"{machine()}; median of {given.repeats} repeats, ratios of the repeats side by side")
    with tempfile.TemporaryDirectory() as scratch:
        for setting in settings(given, Path(scratch)):
            mine, theirs = measure(given, setting)
            kept.append({"name": setting.name, "pairs": setting.pairs, "lengths": setting.lengths,
                         "ours": [t.found for t in mine], "peer": [t.found for t in theirs]})  # fmt: skip
            print(f"\n{setting.name}, {setting.pairs} pairs\n")
            if given.profile:
                print("\n".join(f"{part}\n{text}" for part, text in mine[0].found["profiles"].items()))
                continue
            print(*table(mine, theirs, given.objective), "", sep="\n")
            products = share_of_products(model, setting, mine, theirs) if given.objective == "irft" else ()
            print(*products, *share_of_the_pen(mine), sep="\n", flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    main()

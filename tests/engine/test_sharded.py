"""A model cut over two processes learns what one process learns, and leaves folders that do not know of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from irltui.api import Responses, UpdateSpec
from irltui.config.schema import ModelSection
from irltui.distributed import ranks
from irltui.engine import guard
from irltui.engine import start_policy as parts
from irltui.engine.stepper import Stepper
from irltui.lm import logprobs
from irltui.lm.load import load_model
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.updates import groups
from support.launched import (
    LORA,
    RUNS,
    assert_same_numbers,
    assert_same_result,
    at_step,
    ranks_of_one,
    stop_after,
    weights,
    work_together,
)
from support.runs import Change, config, demonstrations, events, finish, prepare, results, rft, work
from support.tiny import folder as tiny
from support.tiny import with_code

TOLERANCE = 5e-5  # of metrics and weights: gradients are added up in pieces, and so is their norm
VARIANTS: dict[str, Change] = {
    "a fixed reference and gamma": {"reference": {"kind": "fixed"}, "loss": {"gamma": 0.1}},
    "a mixed reference": {"reference": {"kind": "mix"}},
    "adapters and a fixed reference": {**LORA, "reference": {"kind": "fixed"}},
    "gradient checkpointing": {"model": {"gradient_checkpointing": True}},
    "gradient checkpointing and adapters": {**LORA, "model": {"gradient_checkpointing": True}},
    "a frozen reward that restarts": rft({"reward": {"kind": "explicit", "freeze": 1, "init": "restart"}}),
    "adapters everywhere": rft({**LORA, "reward": {"kind": "explicit", "lora_rank": 4}}),
    "separate rows": {"loop": {"share_prefix": False}},
    "an anchor": {"algorithm": "dft", "objective": {"anchor": 0.1}},
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("material")
    return tiny(path / "model"), demonstrations(path / "data.jsonl", 25)


def sharded(change: Change) -> Change:
    return {**change, "model": {**change.get("model", {}), "shard": "fsdp2"}}


def both(material: tuple[Path, Path], path: Path, change: Change, **together: Any) -> tuple[RunFolder, RunFolder]:
    """The same run by one process, and by several that share the model."""
    alone = finish(path / "alone", config(*material, change))
    run = prepare(path / "together", config(*material, sharded(change)))
    codes = work_together(run, **together)
    assert not any(codes), (run.console.read_text()[-2_000:], (run.ranks / "1.log").read_text()[-2_000:])
    return alone, run


def weigh(rank: int, folder: Path) -> None:
    """Bytes of parameters, gradients and moments that a process holds just before its first step, and after it."""
    true = Stepper.step

    def step(self: Stepper, planned: int) -> tuple[float, float]:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        gradients = sum(ranks.local(p.grad).nbytes for p in parameters)
        moved = true(self, planned)
        moments = [v for state in self.optimizer.state.values() for v in state.values() if v.ndim]
        held = [sum(ranks.local(t).nbytes for t in parameters), gradients, sum(ranks.local(t).nbytes for t in moments)]
        (folder / f"{rank}.json").write_text(json.dumps(held))
        return moved

    Stepper.step = step


def count_reads(rank: int, folder: Path) -> None:
    """Leave a mark when a process reads a model."""
    true = PreTrainedModel.from_pretrained.__func__

    def load(cls: type, *arguments: Any, **options: Any) -> Any:
        (folder / f"{rank}.reads").touch()
        return true(cls, *arguments, **options)

    PreTrainedModel.from_pretrained = classmethod(load)


def test_two_processes_hold_half_of_it_each_and_learn_what_one_learns(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    alone, run = both(material, tmp_path, {}, before=lambda rank: weigh(rank, tmp_path))
    assert_same_result(alone, run, TOLERANCE)
    size = sum(tensor.nbytes for tensor in weights(alone).values())
    held = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert [sum(column) for column in zip(*held, strict=True)] == [size, size, 2 * size]
    assert max(held[0]) < 1.05 * size  # two moments, half of each
    loaded = AutoModelForCausalLM.from_pretrained(run.model).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights(run).items())
    assert sorted(f.name for f in run.model.iterdir()) == sorted(f.name for f in alone.model.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="irft"),
        pytest.param(rft({**LORA, "model": {"gradient_checkpointing": True}}), id="rft", marks=pytest.mark.slow),
    ],
)
def test_the_first_process_alone_reads_models(change: Change, material: tuple[Path, Path], tmp_path: Path) -> None:
    alone, run = both(material, tmp_path, change, before=lambda rank: count_reads(rank, tmp_path))
    assert_same_result(alone, run, TOLERANCE)
    assert [path.name for path in tmp_path.glob("*.reads")] == ["0.reads"]


@pytest.mark.slow
@pytest.mark.usefixtures("trust_code")
def test_so_it_is_with_a_class_that_the_models_folder_brings(
    material: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    model = with_code(tmp_path / "model", tmp_path / "mark", "own")

    change: Change = {"model": {"trust_remote_code": True}}

    def fresh(rank: int) -> None:
        for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
            del sys.modules[name]
        count_reads(rank, tmp_path)

    assert_same_result(*both((model, material[1]), tmp_path, change, before=fresh), TOLERANCE)
    assert [path.name for path in tmp_path.glob("*.reads")] == ["0.reads"]


def test_functions_put_into_a_model_are_there_in_every_process(
    material: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fused kernels are."""

    def put(section: ModelSection) -> Any:
        model = load_model(section)
        model.model.norm.forward = MethodType(type(model.model.norm).forward, model.model.norm)
        return model

    monkeypatch.setattr(parts, "load_model", put)
    assert_same_result(*both(material, tmp_path, {}, before=lambda rank: count_reads(rank, tmp_path)), TOLERANCE)
    assert (tmp_path / "1.reads").exists()


def test_an_attention_kernel_that_loading_fetches_is_there_in_every_process(
    material: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As transformers takes flash attention from a hub where the package is not installed."""

    def fetch(section: ModelSection) -> Any:
        AttentionInterface.register("fetched", sdpa_attention_forward)
        AttentionMaskInterface.register("fetched", sdpa_mask)
        model = load_model(section)
        model.set_attn_implementation("fetched")
        return model

    monkeypatch.setattr(parts, "load_model", fetch)
    run = prepare(tmp_path / "run", config(*material, sharded({"loop": {"outer_iterations": 1}})))
    assert work_together(run) == [0, 0]


@pytest.mark.slow
@pytest.mark.usefixtures("trust_code")
@pytest.mark.parametrize("name", [name for name in RUNS if name != "irft"])
def test_every_algorithm_learns_what_one_process_learns(name: str, material: tuple[Path, Path], tmp_path: Path) -> None:
    alone, run = both(material, tmp_path, RUNS[name])
    assert_same_result(alone, run, TOLERANCE)
    for folder in ("adapter", "reward"):
        assert (run.path / folder).exists() == (alone.path / folder).exists()
    if (run.path / "reward").exists():
        AutoModelForSequenceClassification.from_pretrained(run.path / "reward")


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_learn_what_one_process_learns(name: str, material: tuple[Path, Path], tmp_path: Path) -> None:
    assert_same_result(*both(material, tmp_path, VARIANTS[name]), TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{}, LORA], ids=["all weights", "adapters"])
def test_a_strength_is_folded_into_a_cut_model(material: tuple[Path, Path], tmp_path: Path, change: Change) -> None:
    start = str(tiny(tmp_path / "start", "qwen2"))
    distill = {**change, "algorithm": "distill", "objective": {"start": start, "generations": 2}}
    assert_same_result(*both(material, tmp_path, distill), TOLERANCE)


@pytest.mark.parametrize("family", ["gemma2", "gpt_neox", "opt"])
def test_models_of_other_families_can_be_cut(family: str, material: tuple[Path, Path], tmp_path: Path) -> None:
    """Biases of keys change nothing: their gradient is rounding, which AdamW makes a step of."""
    model = tiny(tmp_path / "model", family)
    assert_same_numbers(*both((model, material[1]), tmp_path, {}), TOLERANCE)


@pytest.mark.slow
def test_logits_in_chunks_of_which_one_process_has_more(material: tuple[Path, Path], tmp_path: Path) -> None:
    def chunk(rank: int) -> None:
        logprobs.MOST_LOGITS = (1 << 27, 256)[rank]

    assert_same_result(*both(material, tmp_path, {}, before=chunk), TOLERANCE)


@pytest.mark.slow
def test_bfloat16_layers_give_nearly_the_same(material: tuple[Path, Path], tmp_path: Path) -> None:
    change: Change = {"algorithm": "sft", "model": {"precision": "bfloat16"}}
    alone, run = both(material, tmp_path, change)
    nll = [
        [f["values"]["heldout/nll"] for _, f in results(r) if "heldout/nll" in f.get("values", {})]
        for r in (alone, run)
    ]
    assert nll[1] == pytest.approx(nll[0], abs=0.02)
    assert {tensor.dtype for tensor in weights(run).values()} == {torch.float32}


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_to_the_very_same_weights(material: tuple[Path, Path], tmp_path: Path) -> None:
    values = config(*material, sharded({"adapter": {"kind": "lora", "rank": 4, "dropout": 0.2}}))
    whole, cut = prepare(tmp_path / "whole", values), prepare(tmp_path / "cut", values)
    assert work_together(whole) == [0, 0]
    assert work_together(cut, before=lambda rank: stop_after(3, rank)) == [75, 75]
    assert work_together(cut) == [0, 0]
    assert results(whole) == results(cut)
    assert all(torch.equal(tensor, weights(cut)[name]) for name, tensor in weights(whole).items())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "second"), [("irft", 1), ("rft", 3), ("rft-boltzmann-lora", 1)])
def test_it_goes_on_with_more_or_fewer_processes(
    name: str, second: int, material: tuple[Path, Path], tmp_path: Path
) -> None:
    alone = finish(tmp_path / "alone", config(*material, RUNS[name]))
    run = prepare(tmp_path / "run", config(*material, sharded(RUNS[name])))
    assert work_together(run, before=lambda rank: stop_after(3, rank)) == [75, 75]
    assert work_together(run, second) == [0] * second
    assert_same_result(alone, run, TOLERANCE)


def by_accelerate(rank: int) -> None:
    os.environ.update(ACCELERATE_USE_FSDP="true", FSDP_VERSION="2")


@pytest.mark.slow
@pytest.mark.parametrize("first", ["cut", "whole"])
def test_it_goes_on_with_the_model_whole_or_cut(first: str, material: tuple[Path, Path], tmp_path: Path) -> None:
    values = config(*material)
    alone, run = finish(tmp_path / "alone", values), prepare(tmp_path / "run", values)

    def begin(rank: int) -> None:
        if first == "cut":
            by_accelerate(rank)
        stop_after(3, rank)

    assert work_together(run, before=begin) == [75, 75]
    assert work_together(run, before=by_accelerate if first == "whole" else lambda rank: None) == [0, 0]
    assert_same_result(alone, run, TOLERANCE)


@pytest.mark.slow
def test_a_killed_process_is_told_with_its_number_and_the_run_goes_on(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    change: Change = {"checkpoint": {"every_steps": 1}}
    alone = finish(tmp_path / "alone", config(*material, change))
    run = prepare(tmp_path / "run", config(*material, sharded(change)))
    kill = lambda rank: at_step(3, rank, lambda: os.kill(os.getpid(), signal.SIGKILL))  # noqa: E731
    assert work_together(run, before=kill) == [1, -signal.SIGKILL]
    (end,) = events(run, Kind.RUN_END)
    assert "another process left: rank 1 (pid" in end.reason
    assert work_together(run) == [0, 0]
    assert_same_result(alone, run, TOLERANCE)


@pytest.mark.slow
def test_memory_that_runs_out_in_one_process_ends_all_since_the_others_wait_amid_a_pass(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    def fill(rank: int) -> None:
        true = LanguageModelPolicy.token_log_probs

        def token_log_probs(self: LanguageModelPolicy, responses: Responses) -> torch.Tensor:
            if torch.is_grad_enabled():
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 byte.")
            return true(self, responses)

        if rank == 1:
            LanguageModelPolicy.token_log_probs = token_log_probs

    run = prepare(tmp_path / "run", config(*material, sharded({})))
    assert work_together(run, before=fill) == [1, 1]
    (end,) = events(run, Kind.RUN_END)
    assert "rank 1" in end.reason
    assert "out of memory in phase update, micro-batch 2" in end.reason
    assert "Lower loop.micro_batch" in end.hint


def poisoned(at: int) -> Callable[[int], None]:
    """In the second process, one loss is not a number."""

    def poison(rank: int) -> None:
        true, calls = Stepper.accumulate, iter(range(1_000))
        if rank == 1:
            Stepper.accumulate = lambda self, loss: true(self, loss * (float("nan") if next(calls) == at else 1.0))

    return poison


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["sft", "irft"])
def test_a_step_that_one_process_cannot_take_is_skipped_by_all(
    algorithm: str, material: tuple[Path, Path], tmp_path: Path
) -> None:
    change: Change = sharded({"algorithm": algorithm, "loop": {"max_nonfinite_steps": 1}})
    run = prepare(tmp_path / "run", config(*material, change))
    assert work_together(run, before=poisoned(0)) == [0, 0]
    skipped = events(run, Kind.METRICS, where=lambda event: "train/skipped" in event.values)
    assert [event.values["train/skipped"] for event in skipped] == [1.0]
    (kept,) = run.faults.iterdir()  # of both, by the first
    assert (kept / "parameters.safetensors").exists()
    assert all(tensor.isfinite().all() for tensor in weights(run).values())


@pytest.mark.slow
def test_a_plugins_policy_step_counts_once(material: tuple[Path, Path], tmp_path: Path) -> None:
    def foreign(rank: int) -> None:
        guard._is_foreign = lambda spec: isinstance(spec, UpdateSpec)
        groups.ranks = ranks_of_one()

    alone, run = both(material, tmp_path, rft({"loop": {"outer_iterations": 1}}), before=foreign)
    there = weights(run)
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(tensor, there[name], atol=TOLERANCE, rtol=1e-4)


@pytest.mark.slow
def test_accelerate_launch_may_ask_for_it(material: tuple[Path, Path], tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(*material, {"loop": {"outer_iterations": 1}}))
    launcher = [
        "accelerate.commands.launch",
        "--num_processes",
        "2",
        "--use_fsdp",
        "--fsdp_version",
        "2",
    ]
    started = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "irltui", "run", "--resume", str(run.path), "--headless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert started.returncode == 0, started.stdout
    assert [e.ranks for e in events(run, Kind.RUN_START)] == [2]


def test_one_process_has_nobody_to_share_with_and_says_so(material: tuple[Path, Path], tmp_path: Path) -> None:
    change: Change = {"algorithm": "sft", "loop": {"outer_iterations": 1}, "evaluation": {"samples": 0}}
    run = prepare(tmp_path / "run", config(*material, sharded(change)))
    assert work(run) == 0
    told = [event.text for event in events(run, Kind.LOG)]
    assert "The model is not sharded: this run has one process." in told

"""`irltui check`: report what is known about a run before it starts.

A JSON object on a line of stdout: first what the data is, then, once it is measured, what the run costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import psutil
import torch

from irltui.config.load import recorded
from irltui.config.requests import CheckRequest
from irltui.config.schema import RunConfig
from irltui.console import out_json, talk
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.data.mask import masked_rows
from irltui.data.progress import Progress
from irltui.data.template import eos_ids
from irltui.engine.model_fit import check_ids, generation_cap
from irltui.engine.plan import Plan, plan_of
from irltui.lm.limits import ModelLimits, model_limits
from irltui.lm.load import generation_defaults, load_tokenizer, quiet_transformers
from irltui.lm.precision import compute_precision
from irltui.preflight import seconds as timing
from irltui.preflight.devices import Device, devices
from irltui.preflight.findings import find
from irltui.preflight.memory import memory
from irltui.preflight.probe import Probe, probe
from irltui.preflight.rows import RowFacts, row_facts
from irltui.preflight.seconds import Work, work
from irltui.preflight.shapes import Shapes, shapes
from irltui.runs.data_report import Finding

_TEXT = 4_000  # characters of the first prompt


def main(request: CheckRequest) -> None:
    """Check the run, and print the result."""
    quiet_transformers()
    checked = recorded(request.config)
    wanted = devices(request.devices) if request.devices else None
    tokenizer = load_tokenizer(checked.model)
    talk(f"reading {checked.data.source}")
    ends = eos_ids(tokenizer, generation_defaults(checked.model).eos_token_id, checked.data.template)
    data = load_demonstrations(checked.data, tokenizer, ends, Progress(say=talk))
    limits = model_limits(checked.model)
    check_ids(tokenizer, data, limits, ends)
    capped = checked.decoding.model_copy(update={"max_new_tokens": generation_cap(checked, data, limits, talk)})
    checked = checked.model_copy(update={"decoding": capped})
    facts, plan, shape = row_facts(data), plan_of(checked, data), shapes(checked.model, checked.adapter)
    first = data.train[0]
    looked = {
        "data": data.report.as_dict(),
        "rows": asdict(facts),
        "masked": [asdict(row) for row in masked_rows(data, tokenizer.decode)],
        "prompt": {
            "id": first.id,
            "tokens": len(first.prompt.tokens),
            "text": tokenizer.decode(first.prompt.tokens)[-_TEXT:],
        },
    }
    out_json(looked, indent=None)
    tried = probe(checked, talk) if request.probe else None
    found = find(checked, data.report, facts, plan, shape.parameters, tried.seen if tried else None)
    estimate = _estimate(checked, data, plan, shape, facts, tried, wanted)
    found += tried.habits.findings() if tried else ()
    found += _of_machine(checked, data, limits, estimate)
    measured = {
        "findings": [asdict(finding) for finding in found],
        "plan": {"outer_iterations": plan.outer_iterations, "inner_steps": plan.total_steps},
        "estimate": estimate,
    }
    out_json(measured, indent=None)


def _estimate(
    config: RunConfig,
    data: DemonstrationData,
    plan: Plan,
    shape: Shapes,
    facts: RowFacts,
    tried: Probe | None,
    wanted: tuple[int, Device] | None,
) -> dict[str, Any]:
    generation = tried.generation if tried else min(float(config.max_new_tokens), data.report.responses.mean)
    job = work(config, data.report, plan, generation)
    kind = "cuda" if wanted or torch.cuda.is_available() else "cpu"
    low = compute_precision(config.model, shape.parameters, (shape.hidden, shape.inner), torch.device(kind)) == "bf16"
    if wanted:
        low = config.model.precision != "float32" and config.model.dtype == "float32"
    count = wanted[0] if wanted else 1
    is_cut = config.model.shard != "off" and count > 1
    needed = memory(config, data.report, shape, facts.pair, low_precision=low, ranks=count)
    found: dict[str, Any] = {
        "parameters": shape.parameters,
        "trained": shape.trained,
        "generation_tokens": generation,
        "memory": {"peak": needed.peak, "parts": needed.parts, "phases": needed.phases},
        "work": asdict(job),
        "assumptions": _assumptions(tried, wanted, cut=is_cut * count * needed.parts["weights"]),
    }
    if tried is not None:
        found["probe"] = asdict(tried)
    if wanted is not None:
        count, device = wanted
        rates = timing.rates_on(device, count, job, config, shape)
        found |= {"devices": count, "device": device.name, "available": device.memory}
        found["seconds"] = _seconds(job, rates, count, plan)
    elif tried is not None:
        found |= {"devices": 1, "device": tried.device, "available": _available(tried.device)}
        found["seconds"] = _seconds(job, tried.rates, 1, plan)
    return found


def _seconds(job: Work, rates: timing.Rates, ranks: int, plan: Plan) -> dict[str, float]:
    one = timing.seconds(job, rates, ranks, plan.loop.batch)
    return {**one, "run": one["all"] * plan.outer_iterations}


def _available(device: str) -> float:
    """Bytes of memory of the device, or of this machine."""
    if device.startswith("cuda"):
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(psutil.virtual_memory().total)


def _assumptions(tried: Probe | None, wanted: tuple[int, Device] | None, *, cut: float) -> list[str]:
    """What the estimate assumes; `cut` is the size in bytes of a sharded model, else 0."""
    said = ["memory: by formulas over the model's shapes, for long pairs, counting each tensor once"]
    if tried is not None:
        said.append(f"generations: as long as in the probe, where {tried.seen.ended} of {tried.seen.generations} ended")
    else:
        said.append("generations: as long as the demonstrations (no probe)")
    if wanted is not None:
        said += [
            f"time: {timing.TRAINS:.0%} of the device's bf16 rate in training, {timing.SCORES:.0%} in scoring, "
            f"{timing.READS:.0%} of its memory bandwidth in sampling, at least "
            f"{timing.LAUNCHES * 1e3:g} ms per layer and token",
            "devices: each holds a shard of model, gradients and optimizer; layers are gathered for each pass"
            if cut
            else "devices: each holds the whole model and optimizer; gradients are summed by ring all-reduce",
            *([f"host memory: {cut / 1e9:.3g} GB on the first node, to load and save the model"] if cut else []),
            "evaluation, benchmarks and checkpoints are not counted",
        ]
    elif tried is not None:
        said.append("time: by tokens, at the probe's rates; evaluation, benchmarks and checkpoints are not counted")
    return said


def _of_machine(
    config: RunConfig, data: DemonstrationData, limits: ModelLimits, estimate: dict[str, Any]
) -> Iterator[Finding]:
    available, peak = estimate.get("available"), estimate["memory"]["peak"]
    if available is not None and peak >= available:
        yield Finding(
            "warning",
            "memory",
            f"the run needs about {peak / 1e9:.1f} GB, but {estimate['device']} has {available / 1e9:.1f} GB",
            "Lower loop.micro_batch or data.max_response_tokens, set model.gradient_checkpointing = true, "
            'adapter.kind = "lora" or, on several devices, model.shard = "fsdp2".',
        )
    count, batch = estimate.get("devices", 1), config.loop.batch
    if count > batch:
        yield Finding(
            "warning",
            "loop.batch",
            f"{batch} pairs per step: {count - batch} of {count} devices would be idle",
            f"Set loop.batch to a multiple of {count}, or use fewer devices.",
        )
    longest = data.report.longest
    if limits.window is not None and longest > limits.window:
        yield Finding(
            "note",
            "data.max_prompt_tokens",
            f"the longest row has {longest} tokens, but some layers of the model attend to only {limits.window}",
            "These layers do not see the beginning of such rows.",
        )

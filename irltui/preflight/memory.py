"""Peak memory of a run in bytes, from the model's shapes: what is always held, and what each phase adds."""

from __future__ import annotations

from dataclasses import dataclass

from irltui.config.schema import OptimizerSection, RunConfig
from irltui.lm.logprobs import MOST_LOGITS
from irltui.preflight.shapes import Shapes
from irltui.rewards import Explicit
from irltui.runs.data_report import DataReport
from irltui.samplers.slots import SPARE

PROGRAM = 0.55e9  # an interpreter with torch and transformers on a CPU; a GPU context needs about as much
_NUMBER = {"float32": 4, "bfloat16": 2}
_FOUR_BITS = 0.52  # bytes per weight in NF4, including its scales
_ROOM = 1.1  # allocators reserve a little more than is used


@dataclass(frozen=True)
class Memory:
    """Bytes of one process: `parts` are always held, `phases` only in turn, so the peak has the largest of them."""

    parts: dict[str, float]
    phases: dict[str, float]

    @property
    def peak(self) -> float:
        return PROGRAM + _ROOM * (sum(self.parts.values()) + max(self.phases.values()))


def memory(
    config: RunConfig, report: DataReport, shapes: Shapes, pair: int, *, low_precision: bool, ranks: int = 1
) -> Memory:
    """Estimate the memory of a run.

    If the model is sharded, each of `ranks` processes holds its shard of parts and gradients; the current layer, the
    next one, and everything outside the layers are gathered; sampling assembles a copy. `pair` is the length of a long
    prompt with its demonstration, in tokens; with `low_precision` matrix products are bfloat16 over float32 weights.
    """
    share = ranks if config.model.shard != "off" else 1
    number, computed = _NUMBER[config.model.dtype], 2 if low_precision else _NUMBER[config.model.dtype]
    full = config.adapter.kind != "lora"
    is_rft = config.has_policy_steps
    parts: dict[str, float] = {
        "weights": _weights(config, shapes) / share,
        "optimizer": _moments(config.optimizer) * number * shapes.trained / share,
    }
    if is_rft:
        parts["reward model"] = (2 + _moments(config.reward_optimizer)) * number * _reward_trained(config, shapes)
        parts["reward model"] += number * (shapes.parameters - _reward_trained(config, shapes))
        parts["reward model"] /= share
    generation = min(config.max_new_tokens, 2 * report.responses.p95)
    count = config.objective.compared
    groups = max(1, 2 * config.micro_batch // (1 + count)) if count > 1 else config.micro_batch
    tokens = groups * (pair + count * generation + max(0, count - 1) * report.prompts.p95)
    if is_rft:  # a reward reads each response with its own prompt
        tokens = 2 * config.micro_batch * pair
    rows = groups * (report.responses.p95 + count * generation)
    update = number * shapes.trained / share + _activations(config, shapes, tokens, number, computed)
    beside = config.objective.frozen_models
    update += (1 + beside) * _logits(shapes, rows)
    gathered = _gathered(shapes, number, computed) if share > 1 else 0.0
    if share > 1:
        update += gathered + _reduced(shapes, number)
    elif low_precision:
        update += computed * (shapes.body + shapes.head)  # autocast's copies of the weights
    held = beside + is_rft if full else max(0, beside - 1)  # pi_0, which adapters have for nothing, and others
    update += number * shapes.parameters * held / share
    phases = {"update": update}
    if config.objective.draws:
        phases["sample"] = _sampling(config, report, shapes, low_precision=low_precision, is_cut=share > 1)
        keeps_initial = full and (config.reference.kind != "rolling" or is_rft)
        phases["reference"] = number * shapes.parameters / share * keeps_initial + gathered + _logits(shapes, 2 * rows)
    return Memory(parts, phases)


def _gathered(shapes: Shapes, number: int, computed: int) -> float:
    """Two layers in their compute type; embeddings, output layer and last norm in their own, and the head's cast."""
    around = shapes.parameters - shapes.body
    cast = computed * shapes.head if computed != number else 0
    return 2.0 * computed * shapes.body / shapes.layers + number * around + cast


def _reduced(shapes: Shapes, number: int) -> float:
    """Gradients being reduced: a layer's with its communication buffer, and those outside the layers."""
    trains = shapes.trained / shapes.parameters
    return trains * (8.0 * shapes.body / shapes.layers + number * (shapes.parameters - shapes.body))


def _weights(config: RunConfig, shapes: Shapes) -> float:
    number = _NUMBER[config.model.dtype]
    saved = (number - _FOUR_BITS) * shapes.body if config.model.quantization == "4bit" else 0.0
    return number * shapes.parameters - saved


def _moments(section: OptimizerSection) -> int:
    return 2 if section.kind == "adamw" else 1


def _reward_trained(config: RunConfig, shapes: Shapes) -> int:
    """Trained parameters of a reward as large as the policy."""
    options = config.reward.model_dump()
    if options.get("lora_rank"):
        return round(4 * options["lora_rank"] * shapes.hidden * shapes.layers)
    frozen = min(config.reward.frozen(shapes.layers), shapes.layers) if isinstance(config.reward, Explicit) else 0
    blocks = shapes.body * (shapes.layers - frozen) // shapes.layers
    return blocks + (0 if frozen else shapes.parameters - shapes.body)


def _activations(config: RunConfig, shapes: Shapes, tokens: int, number: int, computed: int) -> float:
    """What a forward pass keeps for the backward pass: residual stream and norms, attention, feed-forward."""
    stream = (3 * 4 + 2 * number + 4 * computed) * shapes.hidden
    attention = 3 * computed * (shapes.attended + shapes.cached)
    inner = 4 * computed * shapes.inner
    adapters = computed * shapes.widths if config.adapter.kind == "lora" else 0
    block = tokens * (stream + attention + inner + adapters)
    if config.model.gradient_checkpointing:
        return block + tokens * number * shapes.hidden * shapes.layers
    return block * shapes.layers


def _logits(shapes: Shapes, rows: int) -> float:
    """In bfloat16 and float32, each with a gradient; or in chunks of a quarter of the bound."""
    entries = rows * shapes.vocabulary
    return 12.0 * (entries if entries <= MOST_LOGITS else MOST_LOGITS // 4)


def _sampling(config: RunConfig, report: DataReport, shapes: Shapes, *, low_precision: bool, is_cut: bool) -> float:
    if not config.sampler.uses_model:
        return 0.0
    copied = 2 * (shapes.body + shapes.head) if low_precision else 0
    if is_cut:
        own = _NUMBER[config.model.dtype]
        copied += own * (shapes.parameters - (shapes.body if low_precision else 0))
    slots = int(config.sampler.model_dump().get("slots", 64))
    columns = report.prompts.longest + config.max_new_tokens + SPARE
    number = 2 if low_precision else _NUMBER[config.model.dtype]
    return copied + slots * columns * number * shapes.cached * shapes.layers

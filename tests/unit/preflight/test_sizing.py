"""Memory and time from shapes: exact where it can be, in the right direction elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import MambaConfig

from irltui.api.registry import Registry
from irltui.config.schema import AdapterSection, ModelSection, RunConfig
from irltui.engine.plan import make_plan
from irltui.errors import ConfigError, ModelError
from irltui.preflight import seconds as timing
from irltui.preflight.devices import devices
from irltui.preflight.memory import Memory, memory
from irltui.preflight.seconds import Work, work
from irltui.preflight.shapes import Shapes, shapes
from irltui.runs.data_report import DataReport, Lengths
from support import runs, tiny

SEVENTY = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8192, "intermediate_size": 28672,
    "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256,
}  # fmt: skip
REPORT = DataReport("d", "", (), 1000, 900, 100, {}, {}, Lengths(100, 90, 200, 256), Lengths(50, 40, 90, 128), "", "")


def config(change: dict[str, Any] | None = None) -> RunConfig:
    tables = {"data": {"max_response_tokens": 128}, "loop": {"batch": 16, "micro_batch": 4, "outer_iterations": 4}}
    values = runs.config(Path("m"), Path("d"), {**tables, **(change or {})})
    return RunConfig.model_validate(values, context={"registry": Registry()})


def job(change: dict[str, Any] | None = None, generation: float = 60) -> Work:
    made = config(change)
    return work(made, REPORT, make_plan(made.loop, REPORT.train, 0), generation)


def needed(shape: Shapes, change: dict[str, Any] | None = None, pair: int = 250) -> Memory:
    return memory(config(change), REPORT, shape, pair, low_precision=True)


@pytest.fixture(scope="module")
def seventy(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(SEVENTY))
    return shapes(ModelSection(name=str(folder)), AdapterSection())


@pytest.mark.parametrize("family", tiny.SIZES)
def test_shapes_of_a_folder_without_weights_are_those_of_the_model(tmp_path: Path, family: str) -> None:
    model = tiny.model(family)
    model.config.save_pretrained(tmp_path)
    found = shapes(ModelSection(name=str(tmp_path)), AdapterSection())
    assert found.parameters == found.trained == model.num_parameters()
    assert found.head == model.get_output_embeddings().weight.numel()
    assert 0 < found.body < found.parameters


def test_a_70b_model_is_measured_without_its_weights(seventy: Shapes) -> None:
    assert seventy.parameters == 70_553_706_496
    assert (seventy.cached, seventy.attended, seventy.inner) == (2048, 8192, 28672)


def test_adapters_train_few_parameters_with_few_moments(tmp_path: Path) -> None:
    tiny.model().config.save_pretrained(tmp_path)
    section = ModelSection(name=str(tmp_path))
    full, lora = shapes(section, AdapterSection()), shapes(section, AdapterSection(kind="lora", rank=2))
    assert lora.parameters == full.parameters
    assert 0 < lora.trained < full.trained / 4
    assert needed(lora, {"adapter": {"kind": "lora"}}).parts["optimizer"] < needed(full).parts["optimizer"] / 4


def test_a_folder_without_a_configuration_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"model\.name"):
        shapes(ModelSection(name=str(tmp_path)), AdapterSection())


def test_memory_counts_weights_gradients_and_moments_of_full_finetuning(seventy: Shapes) -> None:
    found = needed(seventy)
    assert found.parts["weights"] == 4 * seventy.parameters
    assert found.parts["optimizer"] == 8 * seventy.parameters
    assert found.phases["update"] > 4 * seventy.parameters
    assert needed(seventy, {"optimizer": {"kind": "rmsprop"}}).parts["optimizer"] == 4 * seventy.parameters


@pytest.mark.parametrize(
    "change",
    [
        {"loop": {"batch": 16, "micro_batch": 1, "outer_iterations": 4}},
        {"model": {"name": "m", "gradient_checkpointing": True}},
        {"data": {"source": "d", "max_response_tokens": 16}},
    ],
)
def test_what_the_hint_says_to_lower_lowers_memory(seventy: Shapes, change: dict[str, Any]) -> None:
    assert needed(seventy, change).peak < needed(seventy).peak


def test_a_base_in_4_bits_takes_about_half_a_byte_per_weight(seventy: Shapes) -> None:
    lora = {"adapter": {"kind": "lora"}, "model": {"dtype": "bfloat16"}}
    four = {**lora, "model": {"dtype": "bfloat16", "quantization": "4bit"}}
    assert needed(seventy, lora).parts["weights"] == 2 * seventy.parameters
    assert 0.5 < needed(seventy, four).parts["weights"] / seventy.parameters < 0.6


def test_a_recurrent_model_has_no_heads_and_is_measured(tmp_path: Path) -> None:
    MambaConfig(vocab_size=55, hidden_size=32, num_hidden_layers=2).save_pretrained(tmp_path)
    assert shapes(ModelSection(name=str(tmp_path)), AdapterSection()).parameters > 0


def test_a_model_that_is_cut_is_divided_by_the_devices(seventy: Shapes) -> None:
    made = config({"model": {"name": "m", "shard": "fsdp2"}})
    alone, cut = (memory(made, REPORT, seventy, 250, low_precision=True, ranks=ranks) for ranks in (1, 64))
    assert alone == needed(seventy)  # one device shares with nobody
    assert {name: 64 * part for name, part in cut.parts.items()} == pytest.approx(alone.parts)
    assert cut.phases["update"] < alone.phases["update"] / 4
    assert cut.phases["sample"] > 2 * seventy.parameters  # a whole copy, in bfloat16 as far as it multiplies


def test_work_counts_every_pair_of_an_iteration_once() -> None:
    found = job()
    drawn = REPORT.train / 4 + 64  # and the held-out pairs
    assert found.read == drawn * 100
    assert found.written == drawn * 60
    assert found.learned == pytest.approx(REPORT.train / 4 * (100 + 50 + 60))
    assert found.steps == pytest.approx(57 / 4, abs=1)


def test_sft_samples_nothing_and_rft_draws_for_its_policy_steps_too() -> None:
    sft, rft = job({"algorithm": "sft"}), job(runs.rft())
    assert sft.written == sft.read == 0
    assert rft.written > job().written


def test_generations_per_demonstration_and_frozen_models_are_counted(seventy: Shapes) -> None:
    def update(change: dict[str, Any]) -> float:
        return memory(config(change), REPORT, seventy, 200, low_precision=True, ranks=1).phases["update"]

    three = {"objective": {"generations": 3}}
    assert job(three).written > 2 * job().written
    assert job(three).learned == pytest.approx(REPORT.train / 4 * (100 + 50 + 3 * 60))
    assert update(three | {"loop": {"micro_batch": 4}}) > update({"loop": {"micro_batch": 1}})
    sft, anchored = ({"algorithm": "dft", "objective": {"anchor": weight}} for weight in (0.0, 0.1))
    assert update(anchored) - update(sft) > 4 * seventy.parameters  # pi_0 in float32
    few = {"algorithm": "few", "loop": {"passes": 4, "outer_iterations": 1, "inner_steps": 10, "batch": 24}}
    assert job(few).learned == pytest.approx(240 * (100 + 50 + 60))  # a comparison has one generation


def test_more_devices_and_faster_ones_take_less_time(seventy: Shapes) -> None:
    def on(text: str) -> dict[str, float]:
        count, device = devices(text)
        found = job()
        return timing.seconds(found, timing.rates_on(device, count, found, config(), seventy), count, 16)

    assert on("8xH100")["all"] < on("4xH100")["all"] < on("4xA100-80")["all"]
    assert on("16xH100")["sample"] < on("8xH100")["sample"]
    # Gradients cross the network, and more devices than pairs of a step learn nothing.
    assert on("64xH100")["update"] > on("8xH100")["update"]
    assert on("H200")["sample"] < on("H100")["sample"]  # bandwidth
    assert on("H200")["update"] == pytest.approx(on("H100")["update"], rel=0.2)  # the same arithmetic


def test_devices_are_a_count_and_a_name() -> None:
    assert devices("8xh100")[0] == 8
    assert devices("A100")[1].name == "A100-80"
    for wrong in ("", "8x", "0xH100", "H100x8", "eight H100", "8xTPU"):
        with pytest.raises(ConfigError, match="--devices"):
            devices(wrong)


def test_a_model_that_is_cut_travels_in_every_pass(seventy: Shapes) -> None:
    count, device = devices("16xH100")
    whole, cut = (
        config({"model": {"name": "m", "shard": shard}, "loop": {"batch": 64, "micro_batch": 4}})
        for shard in ("off", "fsdp2")
    )
    steps = [timing.rates_on(device, count, job(), made, seventy).step for made in (whole, cut)]
    sent = 8 * seventy.parameters * 15 / 16 / device.wire  # in the one pass: weights twice, gradients once
    assert steps[1] == pytest.approx(sent + 28 * seventy.parameters / 16 / device.bandwidth)
    assert steps[0] == pytest.approx(sent + 28 * seventy.parameters / device.bandwidth)

"""A plugin's reward with its own loss and optimizer table: learned, exported, loaded and scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from irltui.config.layers import Layer, value_layer
from irltui.config.load import load, load_layers, recorded
from irltui.config.requests import ExportRequest
from irltui.config.trust import file_mark, trust
from irltui.engine.assemble import build
from irltui.errors import RunFolderError
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.use import export
from irltui.use.learned import load_learned
from support import learning_reward
from support.learned import TOLERANCE, copied, scored
from support.runs import Change, config, events, finish, rft

PLUGIN: Change = {
    "plugins": {"files": {"learning_reward": {"path": learning_reward.__file__}}},
    "reward": {"kind": "learning_reward/bce"},
}


@pytest.fixture(scope="module", autouse=True)
def the_plugin_is_trusted() -> None:
    trust(file_mark(Path(learning_reward.__file__).read_bytes()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, inputs: tuple[Path, Path]) -> RunFolder:
    change = rft({**PLUGIN, "loop": {"outer_iterations": 1}, "update": {"steps": 2}})
    return finish(tmp_path_factory.mktemp("runs") / "plugin", config(*inputs, {**change, "reward": PLUGIN["reward"]}))


def test_a_reward_brings_defaults_of_its_optimizer_that_the_user_may_change(inputs: tuple[Path, Path]) -> None:
    values = {**config(*inputs), "algorithm": "rft", "reference": {"kind": "fixed"}, **PLUGIN}
    loaded = load_layers([Layer("run.toml", values)])
    assert loaded.config.reward_optimizer.learning_rate == 0.05
    assert loaded.origins["reward_optimizer.learning_rate"] == "reward.kind learning_reward/bce"
    typed = value_layer("--set", ("reward_optimizer", "learning_rate"), 0.5)
    changed = load_layers([Layer("run.toml", values), typed]).config.reward_optimizer
    assert (changed.learning_rate, changed.schedule) == (0.5, "constant")


def test_a_reward_that_declares_no_beta_has_the_documented_one_and_shows_it(inputs: tuple[Path, Path]) -> None:
    values = {**config(*inputs), "algorithm": "rft", "reference": {"kind": "fixed"}, **PLUGIN}
    assert "beta" not in vars(learning_reward.Bce).get("__annotations__", {})
    assert recorded(values).model_dump(mode="json")["reward"] == {"kind": "learning_reward/bce", "beta": 0.1}


def test_a_preset_for_another_reward_does_not_set_the_optimizer_of_this_one(inputs: tuple[Path, Path]) -> None:
    given = [f"plugins.files.learning_reward.path={learning_reward.__file__}", "reward.kind=learning_reward/bce"]
    named = [f"model.name={inputs[0]}", f"data.source={inputs[1]}"]
    assert load("rft", [*named, *given]).config.reward_optimizer.learning_rate == 0.05
    assert load("rft", named).config.reward_optimizer.learning_rate == 1e-6
    assert load("rft", [*named, *given, "reward_optimizer.learning_rate=1e-4"]).config.reward_optimizer.schedule == (
        "constant"
    )


def test_the_inner_steps_descend_on_the_rewards_own_loss(run: RunFolder, inputs: tuple[Path, Path]) -> None:
    told = [event.values for event in events(run, Kind.METRICS) if "train/loss" in event.values]
    assert told[-1]["train/loss"] < told[0]["train/loss"]
    assert told[0]["train/loss"] == pytest.approx(2 * 0.693, abs=0.5)  # of two cross-entropies, where h has one
    assert all("bce/demonstration" in values for values in told)


def test_the_scores_are_those_of_the_exported_folder_without_any_checkpoint(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    found = [line["reward"] for line in scored(run, tmp_path / "scores", inputs[1])]
    bare = copied(run, tmp_path / "bare")
    shutil.rmtree(bare.checkpoints)
    assert [line["reward"] for line in scored(bare, tmp_path / "again", inputs[1])] == found
    assert max(found) - min(found) > 0.01
    export.main(ExportRequest(run=run.path, out=tmp_path / "out"))
    (again,) = (tmp_path / "out" / "reward").glob("*.safetensors")
    assert torch.equal(load_file(again)["table"], load_file(run.reward / "model.safetensors")["table"])
    learned = load_learned(run)
    data = build(recorded(read_manifest(run).config), tmp_path, lambda: None, lambda _: None).data
    shown = data.train[0]
    loaded = learned.parts.exported_reward(tmp_path / "out" / "reward")
    score = float(loaded.score(learned.parts.policy.collate([shown.prompt], [shown.tokens], [0.0])).detach())
    assert any(score == pytest.approx(value, abs=TOLERANCE) for value in found)


def test_a_checkpoint_is_exported_with_its_reward(tmp_path: Path, run: RunFolder) -> None:
    export.main(ExportRequest(run=run.path, out=tmp_path / "last", iteration="last"))
    assert (tmp_path / "last" / "reward" / "model.safetensors").is_file()


def test_a_learned_reward_that_was_not_exported_is_named_as_missing(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    bare = copied(run, tmp_path / "bare")
    shutil.rmtree(bare.reward)
    with pytest.raises(RunFolderError, match="its reward is missing"):
        scored(bare, tmp_path / "scores", inputs[1])

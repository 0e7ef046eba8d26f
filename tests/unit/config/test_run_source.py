"""What `irltui run TARGET` may name, and the presets."""

import pytest

from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.config.paths import localise
from irltui.config.presets import preset_text, presets
from irltui.errors import ConfigError
from irltui.experiments.study import study_of
from irltui.runs.folder import create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest

GIVEN = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d")]


def make_run(path, loaded):
    run = create_run_folder(path)
    write_manifest(run, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
    return run


def refusal(target, preset="") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(str(target), flags=GIVEN, preset=preset)
    return caught.value


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_short_described_and_valid(name) -> None:
    lines = preset_text(name).splitlines()
    assert len(lines) <= 25
    assert lines[0].startswith("# ")
    assert len(presets()[name]) > 10
    study = study_of(name)
    loaded = [study.load(a, 0, None, ()) for a in study.arms] if study else [load(name, flags=GIVEN)]
    assert all(one.config for one in loaded)


def test_the_presets_are_found_by_their_files() -> None:
    assert {
        "contrast",
        "dft",
        "distill",
        "few",
        "irft",
        "nce",
        "paper-1b",
        "paper-7b",
        "quickstart",
        "quickstart-clean",
        "quickstart-rft",
        "rft",
        "sft",
        "spin",
    } == presets().keys()


def test_spin_is_irft_with_one_outer_iteration() -> None:
    assert load("spin", flags=GIVEN).config == load("irft", ["loop.outer_iterations=1"], flags=GIVEN).config


def test_a_mistyped_preset_is_answered_with_the_nearest() -> None:
    error = refusal("irtf")
    assert error.message == "irtf: no such preset, TOML file or run.json; did you mean 'irft'?"
    assert error.hint == "`irltui presets` lists the presets."


def test_a_missing_file_is_named(tmp_path) -> None:
    path = tmp_path / "no.toml"
    assert refusal(path).message == f"{path}: no such file"


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b'seed = 1\nname = "\xff"\n')
    assert refusal(path).message == f"{path}:2: not UTF-8 (invalid start byte)"


def test_a_byte_order_mark_does_no_harm(tmp_path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 5\r\n")
    loaded = load(str(path), flags=GIVEN)
    assert loaded.config.seed == 5
    assert loaded.origins["seed"] == f"{path}:1"


def test_a_file_lies_above_the_preset_it_is_run_with(tmp_path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("loop.batch = 3\n")
    loaded = load(str(path), flags=GIVEN, preset="irft")
    assert loaded.origins["loop.batch"] == f"{path}:1"
    assert loaded.config.optimizer == load("irft", flags=GIVEN).config.optimizer


def test_two_presets_are_one_too_many() -> None:
    assert refusal("irft", preset="spin").message == "irft: is a preset, and so is --preset spin"
    assert refusal("run.toml", preset="spn").message == "--preset spn: no such preset; did you mean 'spin'?"


def test_run_json_repeats_a_run_with_its_origins(tmp_path) -> None:
    loaded = load("irft", ["seed=7", "benchmarks.q.kind=quickstart"], flags=GIVEN)
    run = make_run(tmp_path / "a", loaded)
    again = load(str(run.manifest))
    assert again.config == loaded.config
    assert {key: again.origins[key] for key in loaded.origins} == dict(loaded.origins)
    assert again.origins["data.split"] == str(run.manifest)
    assert load(str(run.manifest), ["seed=8"]).config.seed == 8


def test_a_damaged_run_json_is_a_config_error(tmp_path) -> None:
    (tmp_path / "run.json").write_text("{")
    assert refusal(tmp_path / "run.json").message.startswith(f"{tmp_path}/run.json: damaged: ")


def test_the_folder_of_a_run_is_no_target_but_its_run_json_is(tmp_path) -> None:
    run = make_run(tmp_path / "a", load("irft", flags=GIVEN))
    error = refusal(run.path)
    assert error.message == f"{run.path}: is the folder of a run"
    assert error.hint == f"Continue it with --resume {run.path}, or repeat it with `irltui run {run.manifest}`."
    assert refusal(tmp_path).message == f"{tmp_path}: is a folder, not a preset or a TOML file"


def test_local_names_become_absolute_and_hub_names_stay(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demos.jsonl").touch()
    (tmp_path / "auto").touch()
    config = localise(load("irft", ["model.name=org/name", "data.source=demos.jsonl"])).config
    assert config.model.name == "org/name"
    assert config.data.source == str(tmp_path / "demos.jsonl")
    assert config.data.template == "auto"


def test_a_finished_runs_folder_stands_for_its_model(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "a", load("irft", flags=GIVEN))
    flags = [value_layer("--model", ("model", "name"), "a")]
    with pytest.raises(ConfigError) as caught:
        localise(load("irft", ["data.source=d"], flags=flags))
    assert caught.value.message == "--model: model.name: a is a run without a result (no model/ in it)"
    run.model.mkdir()
    assert localise(load("irft", ["data.source=d"], flags=flags)).config.model.name == str(run.model)

"""Code runs where the user names or allows it, and never because a file says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from irltui.config import trust
from irltui.config.layers import Layer, value_layer
from irltui.config.load import load, load_layers, recorded
from irltui.errors import ConfigError, ModelError

GIVEN = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d.jsonl")]


@pytest.fixture(autouse=True)
def nothing_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in (trust._TRUSTED, trust.TRUST_ALL):
        monkeypatch.setenv(name, "")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "nice.py"
    file.write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\n")
    return file


def naming(code: Path, sha256: str = "") -> dict[str, object]:
    return {
        "model": {"name": "m"},
        "data": {"source": "d.jsonl"},
        "reward": {"kind": "nice/x"},
        "plugins": {"files": {"nice": {"path": str(code), "sha256": sha256}}},
    }


@pytest.mark.parametrize("recorded_hash", ["", "its own"])
def test_a_plugin_file_that_a_recorded_configuration_names_is_not_run(
    tmp_path: Path, code: Path, recorded_hash: str
) -> None:
    sha256 = trust.file_mark(code.read_bytes()).removeprefix("sha256:") if recorded_hash else ""
    with pytest.raises(ConfigError, match="nobody on this machine has said to trust it") as refused:
        recorded(naming(code, sha256))
    assert f"--plugin {code}" in refused.value.message
    assert not (tmp_path / "executed").exists()


def test_so_it_is_with_a_configuration_file_until_the_user_names_the_file_once(tmp_path: Path, code: Path) -> None:
    (tmp_path / "run.toml").write_text(f"plugins.files.nice.path = {str(code)!r}\nreward.kind = 'nice/x'\n")
    with pytest.raises(ConfigError, match=r"run\.toml:1: plugins\.files\.nice: .* nobody on this machine"):
        load(str(tmp_path / "run.toml"), flags=GIVEN)
    assert not (tmp_path / "executed").exists()
    named = value_layer("--plugin", ("plugins", "files", "nice"), {"path": str(code), "sha256": ""})
    for flags in ([*GIVEN, named], GIVEN):  # asked once
        with pytest.raises(ConfigError, match="provides nothing"):
            load(str(tmp_path / "run.toml"), flags=flags)
    assert (tmp_path / "executed").exists()


def test_a_file_that_has_changed_is_another_file(code: Path) -> None:
    trust.trust(trust.file_mark(code.read_bytes()))
    code.write_text(code.read_text() + "# more\n")
    with pytest.raises(ConfigError, match="nobody on this machine has said to trust it"):
        recorded(naming(code))


def test_what_was_trusted_is_kept_where_nobody_else_writes(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = trust.file_mark(code.read_bytes())
    trust.trust(mark)
    monkeypatch.setenv(trust._TRUSTED, "")  # another process
    assert trust.is_trusted(mark)
    assert trust.record().stat().st_mode & 0o777 == 0o600
    trust.record().chmod(0o666)
    assert not trust.is_trusted(mark)


def test_a_record_that_cannot_be_written_holds_for_the_command(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    trust.trust(trust.file_mark(code.read_bytes()))
    assert trust.is_trusted(trust.file_mark(code.read_bytes()))


def test_a_file_cannot_allow_the_code_of_a_model(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "odd.py").write_text("print('here')\n")
    allowing = Layer("run.json", {"model": {"name": str(model), "trust_remote_code": True}})
    with pytest.raises(ConfigError, match=r"run\.json: model\.trust_remote_code: .*odd\.py would be run"):
        load_layers([*GIVEN, allowing])
    load_layers([*GIVEN, allowing, value_layer("--set", ("model", "trust_remote_code"), value=True)])
    load_layers([*GIVEN, allowing])
    (model / "more.py").write_text("print('more')\n")
    with pytest.raises(ConfigError, match=r"more\.py would be run"):
        load_layers([*GIVEN, allowing])


@pytest.mark.parametrize("reference", ["../evil.Model", "a/b.Model", "evil"])
def test_code_outside_of_a_models_folder_is_refused(tmp_path: Path, reference: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": [reference]}}))
    with pytest.raises(ModelError, match=r"is no MODULE\.CLASS of its folder"):
        trust.refuse_untrusted_model(str(tmp_path), "main")


def test_code_of_another_hub_model_is_trusted_by_that_models_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "other/name--modeling.Model"}}))
    with pytest.raises(ModelError, match=r"code of the hub model other/name .* would be run"):
        trust.refuse_untrusted_model(str(tmp_path), "main")
    trust.trust_model(str(tmp_path), "main")
    trust.refuse_untrusted_model(str(tmp_path), "main")


def test_trust_code_trusts_all_that_is_named_and_remembers_it(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.TRUST_ALL, "1")
    assert trust.is_trusted(trust.file_mark(code.read_bytes()))
    monkeypatch.setenv(trust.TRUST_ALL, "")
    monkeypatch.setenv(trust._TRUSTED, "")
    assert trust.is_trusted(trust.file_mark(code.read_bytes()))


def with_function(file: Path, **options: str) -> dict[str, object]:
    reward = {"kind": "function", "file": str(file), **options}
    return {"model": {"name": "m"}, "data": {"source": "d.jsonl"}, "algorithm": "rft", "reward": reward}


def test_a_reward_function_that_a_recorded_configuration_names_needs_the_users_word(code: Path) -> None:
    values = {**with_function(code), "reference": {"kind": "fixed"}}
    with pytest.raises(ConfigError, match=r"run\.json: reward\.file: .*nice\.py would be run, and nobody") as refused:
        recorded(values)
    typed = f"--set reward.file={code}"
    assert typed in refused.value.hint
    config = load_layers([Layer("run.json", values), value_layer(typed, ("reward", "file"), str(code))]).config
    assert recorded(config.model_dump(mode="json")) == config  # asked once
    assert config.reward.model_dump()["sha256"] == trust.file_mark(code.read_bytes()).removeprefix("sha256:")


def test_a_reward_function_that_has_changed_is_refused_unless_it_is_named_again(code: Path) -> None:
    values = {**with_function(code), "reference": {"kind": "fixed"}}
    typed = value_layer("--set", ("reward", "file"), str(code))
    config = load_layers([Layer("run.json", values), typed]).config.model_dump(mode="json")
    code.write_text("# other\n")
    with pytest.raises(ConfigError, match="has changed since the run began"):
        recorded(config)
    assert load_layers([Layer("run.json", config), typed]).config.reward.model_dump()["sha256"]
    code.unlink()
    with pytest.raises(ConfigError, match=r"reward\.file: .* cannot be read"):
        recorded(config)

"""`irltui export --push-to-hub`, against a small hub of our own that speaks the real one's HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from irltui.errors import HubError
from irltui.use.hub import push
from support.hub import Hub, serving


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving() as state:
        yield state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "reward").mkdir(parents=True)
    (tmp_path / "out" / "README.md").write_text("# a card\n")
    (tmp_path / "out" / "reward" / "config.json").write_text("{}")
    return tmp_path / "out"


def test_a_folder_is_uploaded_whole_into_a_private_model(hub: Hub, folder: Path) -> None:
    assert push(folder, "me/model", private=True, api=hub.api()) == f"{hub.address}/me/model"
    assert hub.private is True
    assert hub.files == {"README.md": b"# a card\n", "reward/config.json": b"{}"}
    assert hub.tokens == {"Bearer hf_test"}


def test_it_is_public_only_if_asked(hub: Hub, folder: Path) -> None:
    push(folder, "me/model", private=False, api=hub.api())
    assert hub.private is False


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "hf auth login"), (403, "no write access"), (404, "spelling of OWNER"), (400, "hf upload me/model")],
)
def test_a_refusal_is_told_with_what_to_do(hub: Hub, folder: Path, status: int, hint: str) -> None:
    hub.refusal = status
    with pytest.raises(HubError, match=rf"me/model: the hub refuses \({status}\)") as error:
        push(folder, "me/model", private=True, api=hub.api())
    assert hint in error.value.hint
    assert (folder / "README.md").exists()


def test_a_model_that_holds_files_is_not_written_over(hub: Hub, folder: Path) -> None:
    hub.refusal, hub.private, hub.files = 409, True, {".gitattributes": b"", "model.safetensors": b"mine"}
    with pytest.raises(HubError, match="already contains files"):
        push(folder, "me/model", private=True, api=hub.api())
    assert hub.files["model.safetensors"] == b"mine"


def test_an_empty_model_that_is_there_is_filled_unless_everybody_would_read_it(hub: Hub, folder: Path) -> None:
    hub.refusal, hub.private = 409, False
    with pytest.raises(HubError, match="already exists and is public"):
        push(folder, "me/model", private=True, api=hub.api())
    hub.private = True
    push(folder, "me/model", private=True, api=hub.api())
    assert "README.md" in hub.files


def test_a_hub_out_of_reach_is_told(hub: Hub, folder: Path) -> None:
    with pytest.raises(HubError, match="me/model: cannot be pushed") as error:
        push(folder, "me/model", private=True, api=HfApi(endpoint="http://127.0.0.1:9", token="hf_test"))
    assert "hf upload me/model" in error.value.hint

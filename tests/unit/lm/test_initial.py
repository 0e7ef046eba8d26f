"""pi_0 made anew from its files: the same bits, no memory left behind, and never another one without a word."""

from __future__ import annotations

import gc
import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from irltui.config.schema import ModelSection
from irltui.errors import ModelError
from irltui.lm.initial import initial_loader, weights_digest
from irltui.lm.load import load_model
from support.tiny import SIZES, folder


def section(path: Path, **options: str) -> ModelSection:
    return ModelSection.model_validate({"name": str(path), **options})


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16", "attention": "eager"}], ids=["as stored", "cast"])
@pytest.mark.parametrize("family", SIZES)
def test_it_is_the_model_as_it_was_loaded(tmp_path: Path, family: str, options: dict[str, str]) -> None:
    given = section(folder(tmp_path / "m", family), **options)
    model = load_model(given)
    again = initial_loader(given, model)()
    ours, theirs = again.state_dict(), model.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in theirs)
    ids = torch.arange(12)[None]
    assert torch.equal(again(ids).logits, model(ids).logits)
    assert not again.training


def test_weights_in_several_files_are_found(tmp_path: Path) -> None:
    path = folder(tmp_path / "m")
    whole = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    place = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(whole)}
    for part in set(place.values()):
        save_file({name: whole[name] for name in whole if place[name] == part}, path / part, {"format": "pt"})
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))
    model = load_model(section(path))
    again = initial_loader(section(path), model)()
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_a_digest_tells_weights_apart_and_not_the_files_that_they_are_in(tmp_path: Path) -> None:
    path = folder(tmp_path / "m")
    before, whole = weights_digest(section(path)), load_file(path / "model.safetensors")
    assert before
    (path / "model.safetensors").unlink()
    place = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(whole)}
    for part in set(place.values()):
        save_file({name: whole[name] for name in whole if place[name] == part}, path / part, {"format": "pt"})
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))
    assert weights_digest(section(path)) == before
    name = min(whole)
    save_file({**whole, name: whole[name] + 1}, path / "model.safetensors", {"format": "pt"})
    assert weights_digest(section(path)) != before
    (path / "model.safetensors").write_bytes(b"no weights")
    assert weights_digest(section(path)) == ""


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    given = section(folder(tmp_path / "m"))
    load = initial_loader(given, load_model(given))

    def blocks_after(loads: int) -> int:
        for _ in range(loads):
            load()
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(40)  # the interpreter's own pools fill for so long, and breathe by some 50 blocks ever after
    assert (blocks_after(60) - before) / 60 < 10  # transformers' own reading leaves 42 each time


def test_a_file_that_was_replaced_or_is_gone_is_told(tmp_path: Path) -> None:
    given = section(folder(tmp_path / "m"))
    load = initial_loader(given, load_model(given))
    file = tmp_path / "m" / "model.safetensors"
    before = file.stat()
    folder(tmp_path / "m")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(ModelError, match=r"model\.safetensors: has changed since the run began"):
        load()
    file.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read any more"):
        load()


def test_weights_that_are_not_plain_are_loaded_by_transformers(tmp_path: Path) -> None:
    given = section(folder(tmp_path / "m"))
    model = load_model(given)
    assert not isinstance(initial_loader(given, model), partial)
    model.is_quantized = True
    assert isinstance(initial_loader(given, model), partial)

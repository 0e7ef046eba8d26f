"""Two runs of one configuration: the same, bit for bit, or not."""

from __future__ import annotations

from itertools import zip_longest

import torch
from safetensors.torch import load_file

from irltui.runs.folder import RunFolder
from support.runs import results


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    """Of the policy, and of the reward if there is one."""
    found = load_file(run.model / "model.safetensors")
    if run.reward.is_dir():
        found |= {f"reward.{name}": tensor for name, tensor in load_file(run.reward / "model.safetensors").items()}
    return found


def assert_same(run: RunFolder, expected: RunFolder, *, but_for: str = "") -> None:
    """Weights, metrics without times, samples, evaluations and stored generations (but for one file) are equal.

    Raises:
        AssertionError: they are not.
    """
    ours, theirs = weights(run), weights(expected)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    told, should = results(run), results(expected)
    differing = [pair for pair in zip_longest(told, should) if pair[0] != pair[1]]
    assert not differing, f"{run.path}: {len(differing)} of {len(should)} results differ, first {differing[0]}"
    for file in sorted(expected.samples.iterdir()):
        if file.name.removesuffix(".gz") != but_for.removesuffix(".gz"):  # what was damaged may have been packed since
            assert (run.samples / file.name).read_bytes() == file.read_bytes(), file.name

"""Files of a run folder are damaged at random: the run ends the same, or says what is wrong."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from faults import damages


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> damages.Material:
    return damages.material(tmp_path_factory.mktemp("damages"), "irft")


@pytest.mark.parametrize("harm", damages.HARMS)
def test_a_run_with_a_damaged_file_ends_the_same_or_says_so(tmp_path: Path, known: damages.Material, harm: str) -> None:
    """The seed is in the message of a failure: `damages.trial(ROOT, KNOWN, SEED, HARM)` repeats it."""
    damages.trial(tmp_path, known, secrets.randbelow(10**6), harm)

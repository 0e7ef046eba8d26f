"""Seeds of the fuzz targets, and inputs that once broke something (see `explore.py`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fuzz import explore
from fuzz.targets import targets

FINDS: dict[str, tuple[bytes, ...]] = {}


@pytest.mark.parametrize("name", targets())
def test_every_seed_and_every_find_is_taken(name: str) -> None:
    target = targets()[name]
    for content in (b"", *target.seeds, *FINDS.get(name, ())):
        target.take(content)


def test_seeds_get_as_far_as_they_should() -> None:
    """A seed that is refused at the door would leave a fuzzer there, too."""
    from fuzz.targets import configuration, run_folder
    from irltui.config.load import recorded
    from irltui.runs.reader import read_events
    from irltui.runs.status import read_status
    from irltui.samplers.store import SampleStore

    run, files = run_folder(), targets()["run-files"].seeds
    run.status.write_bytes(files[2])
    assert read_status(run).step == 1
    targets()["events"].take(targets()["events"].seeds[0])
    assert len(read_events(run.events)) == 11
    targets()["generations"].take(targets()["generations"].seeds[0])
    assert recorded(configuration()).model.name == "m"
    for file in run.samples.iterdir():
        file.unlink()
    (run.samples / "0000.jsonl.gz").write_bytes(targets()["generations"].seeds[3][1:])
    assert list(SampleStore(run.samples, "0000").generations) == ["row-1"]


def test_all_targets_are_explored() -> None:
    assert set(explore.NAMES) == set(targets())
    assert re.search(r"^fuzz = \[", (Path(__file__).parents[2] / "pyproject.toml").read_text(), re.MULTILINE)

"""Which runs are one arm: those whose configurations differ in the seed alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from irltui.views.flat_config import flat
from irltui.views.loaded_runs import ComparedRun

_ANY_SEED = "seed-*"


@dataclass(frozen=True)
class Side:
    """One arm of a comparison: a run, or one run per seed."""

    name: str
    runs: tuple[ComparedRun, ...]

    @property
    def seeds(self) -> tuple[str, ...]:
        return tuple(run.seed for run in self.runs)


def sides_of(runs: Sequence[ComparedRun]) -> list[Side]:
    """Runs grouped by configuration, the seed left out, in the order of their first runs."""
    arms: dict[tuple[tuple[str, str], ...], list[ComparedRun]] = {}
    for run in runs:
        options = ((key, _seedless(value)) for key, value in flat(run.config).items() if key != "seed")
        arm = arms.setdefault(tuple(sorted(options)), [])
        if any(run.seed == other.seed for other in arm):  # a repetition is no other seed
            arm = arms.setdefault((("repeats", str(run.folder.path)),), [])
        arm.append(run)
    return [Side(_name(arm), tuple(arm)) for arm in arms.values()]


def side_differences(sides: Sequence[Side]) -> dict[str, list[str]]:
    """Options that differ: key to the value of each side ("-" without one, comma-separated if its runs differ)."""
    tables = [[flat(run.config) for run in side.runs] for side in sides]
    keys = dict.fromkeys(key for side in tables for table in side for key in table)
    rows = {
        key: [", ".join(dict.fromkeys(_seedless(t.get(key, "-")) for t in side)) for side in tables] for key in keys
    }
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _seedless(value: str) -> str:
    """Runs of a study take models and rows from runs of their own seed: not a difference."""
    return re.sub(r"(?<![^/\\])seed-\d+(?=[/\\])", _ANY_SEED, value)


def _name(runs: Sequence[ComparedRun]) -> str:
    if len(runs) == 1:
        return runs[0].name
    names = {re.sub(r"(^|/)seed-\d+/|/seed-\d+$", r"\1", run.name) for run in runs}
    return names.pop() if len(names) == 1 else f"{runs[0].name} and {len(runs) - 1} more"

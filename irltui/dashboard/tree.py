"""The list of runs as a tree: studies, arms of a study, seeds of an arm. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from irltui.dashboard.store import Line
from irltui.runs import metrics
from irltui.runs.event_lines import number
from irltui.runs.status import State
from irltui.views.run_query import values

_SEED = re.compile(r"seed-\d+")
STUDY, ALGORITHM, MODEL = "study", "algorithm", "model"
GROUPS = (STUDY, ALGORITHM, MODEL)
NAME, NEWEST, GAP, HELD_OUT = "name", "newest", "reward gap", "held-out loss"
Rank = tuple[float | str, ...]
_TELLING = (State.RUNNING, State.PAUSED, State.STARTING, State.FAILED, State.CRASHED, State.WAITING)
ORDERS: Mapping[str, Callable[[Line], Rank]] = {
    NAME: lambda line: (line.name,),
    NEWEST: lambda line: (-line.status.time,),
    GAP: lambda line: (-_value(line, metrics.GAP, float("-inf")),),
    HELD_OUT: lambda line: (_value(line, metrics.HELD_OUT_LOSS, float("inf")),),
}


@dataclass(frozen=True)
class Item:
    """One row of the list.

    Attributes:
        key: what stays the same while runs work.
        name: what it is called here.
        lines: its runs, one a seed.
        level: 0 for a study or a single run, 1 for an arm, 2 for a seed.
        is_study: whether arms stand below it.
        is_last: whether it is the last of its branch.
    """

    key: tuple[str, ...]
    name: str
    lines: tuple[Line, ...]
    level: int = 0
    is_study: bool = False
    is_last: bool = False
    arms: int = 0

    @property
    def line(self) -> Line:
        """The run that stands for the others: one whose state they have together, the last of these."""
        return next(line for line in reversed(self.lines) if line.status.state is self.state)

    @property
    def state(self) -> State:
        """What stands for all: that one works, else that one failed, else that one waits, else the last one's."""
        states = [line.status.state for line in self.lines]
        return next((state for state in _TELLING if state in states), states[-1])

    @property
    def share(self) -> float:
        """How much of all runs is done, 0 to 1."""
        parts = [min(line.status.step / line.status.total_steps, 1.0) for line in self.lines if line.status.total_steps]
        return sum(parts) / len(self.lines)

    def value(self, metric: str) -> float | None:
        """The mean over the runs that have a value."""
        found = [value for line in self.lines if (value := number(line.status.values.get(metric))) is not None]
        return sum(found) / len(found) if found else None


def place_of(name: str) -> tuple[str, str, str]:
    """Study, arm and seed of a run by its name; "" where it has none.

    `quickstart/seed-0/irft` and `grid/lr=1e-6/seed-0` are arms of a study, `first/seed-0` is a seed of `first`.
    """
    parts = name.split("/")
    seed = next((part for part in parts if _SEED.fullmatch(part)), "")
    rest = [part for part in parts if part != seed] or parts
    return ("/".join(rest[:-1]) or rest[-1], rest[-1] if len(rest) > 1 else "", seed)


def items(
    lines: Sequence[Line], order: str = NAME, group: str = STUDY, folded: frozenset[tuple[str, ...]] = frozenset()
) -> list[Item]:
    """The rows of the list.

    Args:
        lines: the runs to show.
        order: one of ORDERS; a study stands where its first run would.
        group: one of GROUPS, or a key of the configuration.
        folded: keys of studies whose arms are hidden, and of arms whose seeds are shown.
    """
    rank = ORDERS[order]
    tree: dict[str, dict[str, list[Line]]] = {}
    for line in sorted(lines, key=rank):
        study, arm, _ = place_of(line.name)
        if group != STUDY:
            study, arm = value_of(line, group), line.name
        tree.setdefault(study, {}).setdefault(arm, []).append(line)
    rows: list[Item] = []
    for study, arms in tree.items():
        rows += _study(study, arms, folded)
    return rows


def value_of(line: Line, group: str) -> str:
    """What a run is grouped by."""
    known = {ALGORITHM: line.algorithm, MODEL: line.model}
    return known[group] if group in known else f"{group} = {next(iter(values(group, line.config)), '–')}"


def _study(study: str, arms: Mapping[str, list[Line]], folded: frozenset[tuple[str, ...]]) -> list[Item]:
    if list(arms) == [""]:
        return _arm((study,), study, arms[""], 0, folded, is_last=False)
    every = tuple(line for arm in arms.values() for line in arm)
    rows = [Item((study,), study, every, 0, is_study=True, arms=len(arms))]
    if (study,) in folded:
        return rows
    for i, (arm, lines) in enumerate(arms.items()):
        rows += _arm((study, arm), arm or study, lines, 1, folded, is_last=i == len(arms) - 1)
    return rows


def _arm(
    key: tuple[str, ...], name: str, lines: list[Line], level: int, folded: frozenset[tuple[str, ...]], *, is_last: bool
) -> list[Item]:
    rows = [Item(key, name, tuple(lines), level, is_last=is_last)]
    if len(lines) > 1 and key in folded:
        seeds = sorted(lines, key=lambda line: line.name)
        rows += [
            Item(
                (*key, line.name), place_of(line.name)[2] or line.name, (line,), level + 1, is_last=i == len(seeds) - 1
            )
            for i, line in enumerate(seeds)
        ]
    return rows


def paths(item: Item) -> list[Path]:
    return [line.path for line in item.lines]


def _value(line: Line, metric: str, otherwise: float) -> float:
    found = number(line.status.values.get(metric))
    return otherwise if found is None or found != found else found

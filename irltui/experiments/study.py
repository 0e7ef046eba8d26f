"""A study: several runs that differ in one thing, over several seeds, and the comparison that they are for.

A TOML file with a [study] table. Every other table is common to all runs; [arms.NAME] holds what an arm has of
its own, and may say `start = "OTHER"` to begin from that arm's result, or `keep = "OTHER"` to train on the rows that
the triage of that arm's run keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from irltui.api.registry import Registry
from irltui.config.layers import Layer, Merged, merge, set_layers, value_layer
from irltui.config.load import Loaded, load_layers, refuse_strength
from irltui.config.messages import explain
from irltui.config.paths import localise
from irltui.config.run_source import target_layers
from irltui.config.schema import FILE_NAME, PositiveInt, Section
from irltui.errors import ConfigError
from irltui.experiments.plan import Plan, PlannedRun, kept_rows
from irltui.runs.folder import RunFolder

_OWN = ("study", "arms")
_OTHERS = ("start", "keep")  # what an arm has from another one


class StudySection(Section):
    """Seeds, arms to compare, and the metric that decides."""

    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    """Each arm runs once with every seed."""
    compare: list[str] = Field(min_length=2, max_length=2)
    """Two arms: the difference is the first minus the second."""
    metric: str = Field(pattern="^[^/]+/[^/]+$")
    """benchmark/metric that decides, as the last evaluation of each run measured it."""
    note: str = ""
    """Said beside the result."""
    jobs: PositiveInt = 1
    """Runs at a time; they share the processor's cores."""


class _StudyFile(Section):
    study: StudySection


@dataclass(frozen=True)
class Arm:
    """An arm's name, the arms it takes its start and its rows from ("" for none), and its own configuration."""

    name: str
    start: str
    keep: str
    layer: Layer


@dataclass(frozen=True)
class Study:
    """A study file; arms come after the arms they start from, `sets` override everything."""

    section: StudySection
    arms: tuple[Arm, ...]
    common: Layer
    sets: tuple[Layer, ...]

    def load(self, arm: Arm, seed: int, folder: Path | None, flags: Sequence[Layer]) -> Loaded:
        """The configuration of one run; what an arm has from another one lies in `folder`, of the seed's runs."""
        own = [value_layer(f"seed of arm {arm.name}", ("seed",), seed)]
        if arm.start and folder is not None:
            own.append(value_layer(f"start of arm {arm.name}", ("model", "name"), str(folder / arm.start / "model")))
        if arm.keep and folder is not None:
            rows = str(kept_rows(RunFolder(folder / arm.keep)))
            own.append(value_layer(f"keep of arm {arm.name}", ("data", "source"), rows))
        loaded = localise(load_layers([self.common, arm.layer, *flags, *own, *self.sets]))
        refuse_strength(loaded.config)
        return loaded


def study_plan(study: Study, flags: Sequence[Layer], folder: Path) -> tuple[Plan, dict[PlannedRun, Loaded]]:
    """The runs of a study in FOLDER/seed-S/ARM, with the configuration of each."""
    root = folder.absolute()
    loaded: dict[PlannedRun, Loaded] = {}
    for seed in study.section.seeds:
        for arm in study.arms:
            place = f"seed-{seed}"
            start, keep = (f"{place}/{other}" if other else "" for other in (arm.start, arm.keep))
            run = PlannedRun(f"{place}/{arm.name}", arm.name, seed, start, keep)
            loaded[run] = study.load(arm, seed, root / place, flags)
    section = study.section
    first, second = section.compare
    return Plan(folder, tuple(loaded), section.jobs, (first, second), section.metric, section.note), loaded


def study_of(target: str, assignments: Sequence[str] = ()) -> Study | None:
    """The study that a target describes, None if it describes a run.

    Assignments to `study.` change the study, the others every run.
    """
    layers = target_layers(target) if target else []
    if not any("study" in layer.values for layer in layers):
        return None
    (layer,) = layers  # a study is one file
    sets = set_layers(assignments)
    merged = merge([layer, *(own for own in sets if "study" in own.values)])
    section = _section(merged)
    arms = _arms(layer)
    _check(merged.sources["study", "compare"], section, arms)
    values = {key: value for key, value in layer.values.items() if key not in _OWN}
    above = tuple(own for own in sets if "study" not in own.values)
    return Study(section, arms, Layer(layer.origin, values, layer.lines), above)


def _section(merged: Merged) -> StudySection:
    try:
        return _StudyFile.model_validate({"study": merged.values["study"]}).study
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, merged, Registry()))) from None


def _arms(layer: Layer) -> tuple[Arm, ...]:
    tables = layer.values.get("arms")
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise ConfigError(f"{layer.origin}: a study needs arms: one table [arms.NAME] per arm")
    arms = []
    for name, table in tables.items():
        values = {key: value for key, value in table.items() if key not in _OTHERS}
        lines = {keys[2:]: line for keys, line in layer.lines.items() if keys[:2] == ("arms", name) and len(keys) > 2}
        start, keep = (str(table.get(key, "")) for key in _OTHERS)
        arms.append(Arm(name, start, keep, Layer(layer.origin, values, lines)))
    return tuple(arms)


def _check(layer: Layer, section: StudySection, arms: Sequence[Arm]) -> None:
    names = [arm.name for arm in arms]
    problems = [
        f"{layer.place(('study', 'compare'))}: study.compare: there is no arm {name!r} (arms: {', '.join(names)})"
        for name in section.compare
        if name not in names
    ]
    for place, arm in enumerate(arms):
        if not FILE_NAME.fullmatch(arm.name):
            where = layer.place(("arms", arm.name))
            problems.append(
                f"{where}: arms.{arm.name!r}: not a valid arm name: runs are stored in folders of that name"
            )
        for key in _OTHERS:
            other = getattr(arm, key)
            if other and other not in names[:place]:
                where = layer.place(("arms", arm.name, key))
                problems.append(f"{where}: arms.{arm.name}.{key}: no arm {other!r} above it")
    if problems:
        raise ConfigError("\n".join(problems))

"""The form of a new run, made from the configuration's schema: every option with its help, choices and value.

A preset that is a study is filled in like a run: what is typed holds for each of its runs. Values are kept as what
was typed, one `--set` each, so that the form means exactly what the command line means. Knows no widget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from irltui.api import Spec
from irltui.api.registry import Registry
from irltui.config.keys import component_at, defaults, tables, value_at
from irltui.config.layers import Layer, merge, set_layers
from irltui.config.load import Loaded, load
from irltui.config.paths import localise
from irltui.config.run_source import target_layers
from irltui.config.toml import dotted
from irltui.config.toml import value as as_toml
from irltui.errors import IrltuiError, PluginError
from irltui.experiments.study import Study, StudySection, study_of

FIRST = ("model.name", "data.source", "algorithm", "seed", "study.seeds", "study.jobs")


@dataclass(frozen=True)
class Offers:
    """What installed plugins provide, found out without importing any of them here.

    `kinds` is component -> kind -> what it is; `problems` names the plugins that do not load, with the reason.
    """

    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, component: str, registry: Registry) -> dict[str, str]:
        """Every kind of a component that can be chosen, built-in ones first, with the first line of its help."""
        known = {kind: _summary(spec) for kind, spec in registry.kinds(component).items()}
        return known | dict(self.kinds.get(component, {}))


NO_OFFERS = Offers()


@dataclass(frozen=True)
class Option:
    """One key: its value as TOML ("" if it must be given), who set it, what it means, what it may be."""

    key: str
    value: str
    origin: str
    help: str
    choices: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True)
class Form:
    """A preset and what was typed over it, dotted key -> text."""

    preset: str
    typed: Mapping[str, str] = field(default_factory=dict)

    def with_value(self, key: str, text: str) -> Form:
        rest = {name: value for name, value in self.typed.items() if name != key}
        return replace(self, typed={**rest, key: text} if text else rest)

    @property
    def assignments(self) -> list[str]:
        """What was typed as `--set` takes it."""
        return [f"{key}={text}" for key, text in self.typed.items()]

    def load(self) -> Loaded | Study:
        """The configuration, or the study if the preset is one; each of its runs has been checked.

        Raises:
            ConfigError: every problem at once.
        """
        study = study_of(self.preset, self.assignments)
        if study is None:
            return localise(load(self.preset, self.assignments))
        for arm in study.arms:
            study.load(arm, study.section.seeds[0], Path(), ())
        return study

    def problems(self) -> list[str]:
        """What is wrong, one line each; [] if a run could start."""
        try:
            self.load()
        except IrltuiError as error:
            return [line.partition("; give --")[0] for line in error.message.splitlines()]
        return []

    def options(self, registry: Registry, problems: list[str], offers: Offers = NO_OFFERS) -> list[Option]:
        """Every option, the ones that every run needs first.

        Args:
            registry: where kinds that are chosen are looked up, loading their plugins.
            problems: of the form as it is.
            offers: kinds of plugins that could be chosen.
        """
        try:
            layers = [Layer("", defaults()), *target_layers(self.preset), *set_layers(self.assignments)]
        except IrltuiError:  # a text that is no assignment: it is among the problems
            layers = [Layer("", defaults()), *target_layers(self.preset)]
        merged = merge(layers)
        found = []
        for keys, info in _fields(merged.values, registry, offers):
            key = dotted(keys)
            given = value_at(merged.values, keys)
            layer = merged.sources.get(keys)
            origin = "typed" if key in self.typed else layer.origin if layer else ""
            default = "" if info.is_required() else as_toml(_plain(info.default))
            text = default if given is None else as_toml(given)
            problem = next((line for line in problems if f"{key}:" in line), "")
            about, choices = info.description or "", _choices(info.annotation)
            component = "objective" if keys == ("algorithm",) else component_at(keys[:-1]) * (keys[-1] == "kind")
            if component:
                about, choices = _kinds(component, text.strip('"'), info, registry, offers)
            found.append(Option(key, text, origin, about, choices, problem))
        found.sort(key=lambda option: FIRST.index(option.key) if option.key in FIRST else len(FIRST))
        return found


def _kinds(
    component: str, chosen: str, info: FieldInfo, registry: Registry, offers: Offers
) -> tuple[str, tuple[str, ...]]:
    """Help and choices of a `kind`: what the chosen one is, and all that there are."""
    known = offers.of(component, registry)
    about = f"{chosen}: {known[chosen]}" if chosen in known else info.description or ""
    return " ".join([about, *offers.problems]), _choices(info.annotation) or tuple(known)


def _summary(spec: type[Spec]) -> str:
    return (spec.__doc__ or "").strip().partition("\n")[0]


def _fields(
    values: Mapping[str, Any], registry: Registry, offers: Offers
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Keys and fields of all options that are no tables."""
    for keys, model in tables():
        for name, info in model.model_fields.items():
            here = (*keys, name)
            if component := component_at(here):
                yield from _part(here, component, values, registry)
            elif not _is_table(info.annotation):
                yield here, info
    if "study" in values:
        yield from ((("study", name), info) for name, info in StudySection.model_fields.items())
    yield from _benchmarks(values, registry, offers)


def _benchmarks(
    values: Mapping[str, Any], registry: Registry, offers: Offers
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Options of the benchmarks that there are; of other kinds the one option that adds them, under their own name."""
    found = values.get("benchmarks")
    tables_ = found if isinstance(found, Mapping) else {}
    for name in tables_:
        yield from _part(("benchmarks", name), "benchmark", values, registry)
    offered = offers.of("benchmark", registry)
    by_name: dict[str, list[str]] = {}
    for kind in offered:
        by_name.setdefault(kind.rpartition("/")[2], []).append(kind)
    for name, kinds in by_name.items():
        if name not in tables_:
            annotation = cast("Any", Literal)[tuple(kinds)]
            info = FieldInfo(annotation=annotation, description=f"Adds this benchmark. {offered[kinds[0]]}")
            yield ("benchmarks", name, "kind"), info


def _part(
    keys: tuple[str, ...], component: str, values: Mapping[str, Any], registry: Registry
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    try:
        spec = registry.resolve(component, str(value_at(values, (*keys, "kind"))))
    except PluginError:
        return
    for name, info in spec.model_fields.items():
        if component != "objective" or name != "kind":  # which `algorithm` says
            yield (*keys, name), info


def _is_table(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, BaseModel)
    return get_origin(annotation) is dict


def _choices(annotation: Any) -> tuple[str, ...]:
    """Words that an option may be, [] if it may be anything."""
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return ()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

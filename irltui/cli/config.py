"""`irltui config show` and `irltui config schema`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from irltui.cli.options import Assignments, Data, Json, Model, Plugins, Preset, Seed, Target, TrustCode
from irltui.console import out, out_json
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.config.load import Loaded
    from irltui.config.sources import Sources
    from irltui.experiments.study import Study


def show(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Print the resolved configuration as TOML, each value with its origin.

    Examples:
      irltui config show irft --model M --data D
      irltui config show my.toml --set loop.batch=8
      irltui config show runs/first/run.json
    """
    from irltui.config.render import render
    from irltui.config.sources import Sources
    from irltui.experiments.study import study_of

    sources = Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ()))
    study = study_of(sources.target, sources.assignments)
    if study is not None:
        _show_study(study, sources, as_json=as_json)
        return
    loaded = sources.load()
    if as_json:
        out_json(_as_json(loaded))
    else:
        out(render(loaded).rstrip("\n"))


def _show_study(study: Study, sources: Sources, *, as_json: bool) -> None:
    from irltui.config.render import render

    seed = study.section.seeds[0]
    folder, flags = Path(f"RUN/seed-{seed}"), sources.flag_layers()
    loaded = {arm.name: study.load(arm, seed, folder, flags) for arm in study.arms}
    if as_json:
        arms = {name: _as_json(arm) for name, arm in loaded.items()}
        out_json({"study": study.section.model_dump(mode="json"), "arms": arms})
        return
    for name, arm in loaded.items():
        out(f"# arm {safe(name)}, seed {seed} of {', '.join(map(str, study.section.seeds))}")
        out(render(arm))


def _as_json(loaded: Loaded) -> dict[str, Any]:
    return {"config": loaded.config.model_dump(mode="json"), "origins": dict(loaded.origins)}


def schema() -> None:
    """Print the JSON Schema of a configuration.

    Examples:
      irltui config schema > irltui.schema.json
    """
    from irltui.api.registry import Registry
    from irltui.config.json_schema import json_schema

    out_json(json_schema(Registry()))

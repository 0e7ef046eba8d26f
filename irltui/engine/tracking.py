"""Experiment trackers beside events.jsonl: the same metrics under the same names, through accelerate's trackers.

The run folder stays the truth. A tracker that cannot begin stops the run before it has cost anything; one that fails
later is reported once and left out. A run that resumes continues the logs it began.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers

from irltui.config.schema import RunConfig, TrackingSection
from irltui.errors import ConfigError, TrainingError
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder
from irltui.text import masked

Tell = Callable[[str, str], None]
"""Writes an alert: its code and its text."""


class Tracking:
    """The trackers of one run, by name; `tell` reports one that fails."""

    def __init__(self, trackers: Mapping[str, GeneralTracker], tell: Tell) -> None:
        self._trackers, self._tell = dict(trackers), tell

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Hand metrics to every tracker; `step` counts optimizer steps."""
        for name in list(self._trackers):
            self._do(name, lambda tracker: tracker.log(dict(values), step=step))

    def finish(self) -> None:
        """Let every tracker write what it holds."""
        for name in list(self._trackers):
            self._do(name, lambda tracker: tracker.finish())

    def _do(self, name: str, work: Callable[[GeneralTracker], None]) -> None:
        try:
            work(self._trackers[name])
        except Exception as error:  # noqa: BLE001 - a network that is down must not end a run
            del self._trackers[name]
            self._tell("tracking", f"Tracker {name} failed, and the run continues without it: {error!r}")


def require_trackers(section: TrackingSection) -> None:
    """Look whether the packages are there, before anything is loaded."""
    there = {str(name) for name in get_available_trackers()}
    if missing := [name for name in section.trackers if name not in there]:
        raise ConfigError(
            f"tracking.trackers: {missing[0]!r} is not installed",
            f"pip install 'irltui[{missing[0]}]', or remove it from tracking.trackers.",
        )


def start_tracking(run: RunFolder, config: RunConfig, mark: str, step: int, tell: Tell) -> Tracking:
    """Begin the run's trackers, or continue them.

    `mark` is something that only this run has. What an earlier attempt logged behind `step` does not count.
    """
    trackers: dict[str, GeneralTracker] = {}
    for name in config.tracking.trackers:
        try:
            trackers[name] = _begin(name, run, config, mark, step)
        except Exception as error:
            hint = f"Check its own configuration (WANDB_MODE=offline, ...), or remove {name!r} from tracking.trackers."
            raise TrainingError(f"tracking.trackers: {name!r} does not start: {error!r}", hint) from error
    return Tracking(trackers, tell)


def _begin(name: str, run: RunFolder, config: RunConfig, mark: str, step: int) -> GeneralTracker:
    """One tracker; what it needs to be continued is kept as soon as its log holds the configuration."""
    kept = run.path / "tracking" / f"{name}.json"
    state: dict[str, Any] | None = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None
    make: Any = LOGGER_TYPE_TO_CLASS[name]
    tracker: GeneralTracker = make(
        **_options(name, run, config.tracking.project, mark, None if state is None else step), **(state or {})
    )
    tracker.start()
    if state is None:
        options = _flat(config.model_dump(mode="json"))
        tracker.store_init_configuration({k: masked(item) if isinstance(item, str) else item for k, item in options})
        kept.parent.mkdir(exist_ok=True)
        replace_json(kept, _state(name, tracker))
    return tracker


def _options(name: str, run: RunFolder, project: str, mark: str, step: int | None) -> dict[str, Any]:
    """Options that make each tracker begin a log of this run, or continue it after `step`."""
    title, folder = run.path.absolute().name, run.path / "tracking"
    match name:
        case "tensorboard":
            purge = {} if step is None else {"purge_step": step + 1}
            return {"run_name": name, "logging_dir": str(folder), **purge}
        case "wandb":
            folder.mkdir(exist_ok=True)
            return {"run_name": project, "name": title, "id": mark, "resume": "allow", "dir": str(folder)}
        case "trackio":
            return {"run_name": project, "name": f"{title}-{mark}", "resume": "allow"}
        case _:
            return {"experiment_name": project, "run_name": title}


def _state(name: str, tracker: Any) -> dict[str, str]:
    """What a later attempt must know to continue: MLflow alone gives its own names to runs."""
    return {"run_id": tracker.active_run.info.run_id} if name == "mlflow" else {}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys, and values as trackers take them: numbers, words, and text for the rest."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, bool | int | float | str) else json.dumps(value)

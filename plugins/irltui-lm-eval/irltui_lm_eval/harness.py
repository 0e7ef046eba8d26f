"""The harness on the policy: tasks are loaded once, and every measurement leaves the run as it was."""

from __future__ import annotations

import copy
import difflib
import random
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from irltui.api import Benchmark, BuildContext, ConfigError, Model, Policy, Score

if TYPE_CHECKING:
    from irltui_lm_eval import Tasks


class HarnessBenchmark(Benchmark):
    """Scores of every item of every task; items are called `task/number`, metrics `name/metric`."""

    def __init__(
        self, spec: Tasks, context: BuildContext, manager: TaskManager, tasks: Mapping[str, list[Any]]
    ) -> None:
        self._spec, self._context, self._manager, self._tasks = spec, context, manager, tasks

    def evaluate(self, model: Model) -> Iterator[Score]:
        """One score per item and metric that is a number.

        Raises:
            ValueError: a task has no such metric.
        """
        for name, tasks in self._tasks.items():
            yield from _scores(name, self._evaluated(tasks))

    def _evaluated(self, tasks: list[Any]) -> Mapping[str, list[dict[str, Any]]]:
        spec, policy = self._spec, self._context.policy
        with _as_it_was(policy.model) as streams:

            def poll() -> None:
                with streams.own():  # a checkpoint that is saved in there holds the run's random streams
                    self._context.poll()

            results = simple_evaluate(
                model=_PolledModel(policy, spec.batch_size, poll),
                tasks=tasks,
                task_manager=self._manager,
                num_fewshot=None if spec.num_fewshot == "auto" else spec.num_fewshot,
                limit=spec.limit or None,
                apply_chat_template=spec.chat_template,
                bootstrap_iters=0,  # irltui has intervals of its own
            )
        return results["samples"]


def load(spec: Tasks, context: BuildContext) -> HarnessBenchmark:
    """The benchmark, with the data of its tasks: what cannot be loaded is reported before anything trains.

    Raises:
        ConfigError: there is no such task, or no such folder.
        Exception: whatever the harness says of data that it cannot load.
    """
    manager = _manager(spec)
    known = manager.all_tasks
    for name in spec.tasks:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`lm_eval ls tasks` lists what there is."
            raise ConfigError(f"tasks: the harness knows no {name!r}", hint)
    tasks = {name: list(manager.load([name])["tasks"].values()) for name in spec.tasks}
    return HarnessBenchmark(spec, context, manager, tasks)


def _manager(spec: Tasks) -> TaskManager:
    """An index of tasks; that of the harness takes ten seconds, so one's own is asked first."""
    if spec.include_path == "none":
        return TaskManager()
    if not Path(spec.include_path).is_dir():
        raise ConfigError(f"include_path: {spec.include_path} is no folder", "Name the folder of your task files.")
    own = TaskManager(include_path=spec.include_path, include_defaults=False)
    return own if set(spec.tasks) <= set(own.all_tasks) else TaskManager(include_path=spec.include_path)


class _PolledModel(HFLM):
    """The policy as the harness knows models; the run can be paused or stopped between two forward passes."""

    def __init__(self, policy: Policy, batch_size: int, poll: Callable[[], None]) -> None:
        # A copy of the tokenizer: the harness gives it a pad token and a side to pad on.
        super().__init__(pretrained=policy.model, tokenizer=copy.deepcopy(policy.tokenizer), batch_size=batch_size)
        self._poll = poll

    def _model_call(self, *arguments: Any, **named: Any) -> torch.Tensor:
        self._poll()
        return super()._model_call(*arguments, **named)

    def _model_generate(self, *arguments: Any, **named: Any) -> torch.Tensor:
        self._poll()
        return super()._model_generate(*arguments, **named)


class _Streams:
    """The global random streams: the harness seeds them, a run continues its own."""

    def __init__(self) -> None:
        self._own = _states()

    @contextmanager
    def own(self) -> Generator[None]:
        """While inside, the run's streams are back."""
        theirs = _states()
        _restore(self._own)
        try:
            yield
        finally:
            self._own = _states()
            _restore(theirs)

    def put_back(self) -> None:
        """For good."""
        _restore(self._own)


@contextmanager
def _as_it_was(model: Any) -> Generator[_Streams]:
    """While inside, the harness may seed and switch what it likes."""
    training = {module: module.training for module in model.modules()}
    streams = _Streams()
    try:
        yield streams
    finally:
        streams.put_back()
        for module, was in training.items():
            module.training = was


def _states() -> tuple[Any, Any, torch.Tensor, list[torch.Tensor]]:
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), devices


def _restore(states: tuple[Any, Any, torch.Tensor, list[torch.Tensor]]) -> None:
    python, numpy, cpu, devices = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if devices:
        torch.cuda.set_rng_state_all(devices)


def _scores(name: str, samples: Mapping[str, list[dict[str, Any]]]) -> Iterator[Score]:
    found = False
    for task, rows in samples.items():
        for row in rows:
            end = "" if row["filter"] == "none" else f"/{row['filter']}"
            for metric in row["metrics"]:
                if isinstance(row[metric], bool | int | float | np.number | np.bool_):
                    found = True
                    yield Score(f"{task}/{row['doc_id']}", f"{name}/{metric}{end}", float(row[metric]))
    if not found:
        metrics = sorted({metric for rows in samples.values() for row in rows for metric in row["metrics"]})
        raise ValueError(
            f"task {name}: {', '.join(metrics) or 'nothing'} is no number of each item, so there is no mean"
        )

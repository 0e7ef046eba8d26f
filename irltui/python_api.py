"""irltui from Python: start a run or open one, follow its events, read its history, use its reward.

The engine is a process of its own, as on the command line: a notebook that is closed does not end the run. Importing
this module loads neither torch nor pandas nor matplotlib.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irltui.cli.learned import DECODING, finished_run, request_on
from irltui.cli.worker import handed_over
from irltui.config.requests import OnRows, SampleRequest, ScoreRequest
from irltui.config.sources import Sources
from irltui.config.toml import value as toml
from irltui.errors import EXIT_OK, ConfigError, IrltuiError
from irltui.experiments.plan import create_run
from irltui.experiments.process import start_engine
from irltui.experiments.study import study_of
from irltui.runs.control import Command, send
from irltui.runs.events import Damaged, Event
from irltui.runs.folder import RunFolder, new_folder, open_run_folder
from irltui.runs.lock import refuse_if_held
from irltui.runs.manifest import read_manifest
from irltui.runs.reader import EventReader, read_history
from irltui.runs.status import WORKING, State, read_status

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Prompt = str | Sequence[Mapping[str, str]]
"""Text, or chat messages."""
_POLL = 0.2  # seconds between two looks at a run


def run(  # noqa: PLR0913 - an option each, as on the command line
    target: str = "",
    *,
    model: str = "",
    data: str = "",
    out: str | Path | None = None,
    preset: str = "",
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    plugins: Sequence[str | Path] = (),
) -> Run:
    """Start a run, as `irltui run --headless` does, and return at once.

    Args:
        target: a preset, a TOML file, or the run.json of an earlier run.
        model: a hub name, a folder, or another run.
        data: a file, a folder, or the name of a data set.
        out: the folder of the new run; default runs/NAME-TIME.
        preset: values below those of `target`.
        seed: the run's seed.
        options: configuration by dotted keys, as with --set: `{"loop.batch": 8}`.
        plugins: Python files with plugins.

    Raises:
        ConfigError: every problem of the configuration at once.
        RunFolderError: the folder cannot be made.
    """
    assignments = tuple(f"{key}={toml(value)}" for key, value in (options or {}).items())
    sources = Sources(target, preset, model, data, seed, assignments, tuple(map(Path, plugins)))
    if study_of(target, assignments) is not None:
        raise ConfigError(f"{target} is a study of several runs", f"Start it in a terminal: irltui run {target}")
    loaded = sources.load()
    started = Run(create_run(Path(out) if out is not None else new_folder(sources.name), loaded))
    started.resume()
    return started


def load_run(path: str | Path) -> Run:
    """Open a run, whether it works or has ended.

    Raises:
        NoRunError: there is none.
    """
    return Run(open_run_folder(Path(path)))


class Run:
    """A run, which works in a process of its own."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._engine: subprocess.Popen[bytes] | None = None
        self.reward = Reward(folder)

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self.state}>"

    @property
    def path(self) -> Path:
        return self._folder.path

    @property
    def state(self) -> State:
        self._has_ended()  # collects the engine's process
        return read_status(self._folder).state

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration, tables nested as in a file."""
        return read_manifest(self._folder).config

    def resume(self) -> None:
        """Start the engine: from the newest checkpoint, or from the beginning if there is none.

        Raises:
            RunFolderError: an engine works on this run.
        """
        refuse_if_held(self._folder)
        self._engine = start_engine(self._folder)

    def send(self, command: str, text: str = "") -> None:
        """Steer the engine at its next safe point.

        Args:
            command: "stop", "pause", "resume", "checkpoint", "sample" (answers to the fixed prompts, or to the one in
                `text`), or "note" (`text` goes into the log).
            text: what the command needs.

        Raises:
            ValueError: no such command.
        """
        if command not in set(Command):
            raise ValueError(f"no command is called {command!r}: use one of {', '.join(Command)}")
        send(self._folder, Command(command), text)

    def stop(self, timeout: float | None = None) -> State:
        """Stop with a checkpoint, and wait for it; `resume` continues."""
        if not self._has_ended():
            self.send(Command.STOP)
        return self.wait(timeout)

    def wait(self, timeout: float | None = None) -> State:
        """Wait until no engine works; the state then.

        Raises:
            TimeoutError: it still works after `timeout` seconds.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        while not self._has_ended():
            if time.monotonic() > until:
                raise TimeoutError(f"{self.path}: still {self.state} after {timeout:g} s")
            time.sleep(_POLL)
        return self.state

    def events(self, *, follow: bool = True) -> Iterator[Event]:
        """The events from the start of the run on, live ones as they come; without `follow` those there are."""
        reader = EventReader(self._folder.events)
        while True:
            ended = self._has_ended()  # before reading: its last events are read too
            events = reader.poll()
            yield from (event for event in events if not isinstance(event, Damaged))
            if not events and (ended or not follow):
                return
            if not events:
                time.sleep(_POLL)

    def history(self) -> DataFrame:
        """Every metric so far: one row per metrics event, one column per metric, NaN where it was not measured.

        The columns step, outer_iteration (from 1), seconds (of work) and tokens come first. What a resume made void is
        left out.
        """
        import pandas as pd

        history = read_history(self._folder.events)
        rows = history.rows
        table = {
            "step": pd.Series(rows.step, dtype="int64"),
            "outer_iteration": pd.Series(rows.outer_iteration, dtype="int64") + 1,
            "seconds": pd.Series(rows.elapsed, dtype="float64"),
            "tokens": pd.Series(rows.tokens, dtype="int64"),
        }
        metrics = {name: pd.Series(series.values, list(series.rows)) for name, series in history.metrics.items()}
        return pd.DataFrame({**table, **metrics})

    def evaluations(self) -> DataFrame:
        """Benchmarks: one row per measurement of a metric, with its 95 % interval and n."""
        import pandas as pd

        columns = ["outer_iteration", "benchmark", "metric", "mean", "low", "high", "n"]
        rows = [
            (found.outer_iteration + 1, found.benchmark, metric, each.mean, each.low, each.high, each.n)
            for found in read_history(self._folder.events).evaluations
            for metric, each in found.values.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    def samples(self) -> DataFrame:
        """Answers to the fixed prompts, one row per outer iteration and prompt; outer iteration 0 is the start."""
        import pandas as pd

        sampled = read_history(self._folder.events).samples
        columns = ["outer_iteration", "prompt_id", "prompt", "demonstration", "generation", "reward"]
        rows = [
            (t + 1, name, each.prompt, each.demonstration, each.generation, each.reward)
            for t, samples in sorted(sampled.items())
            for name, each in samples.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    def plot(self, metric: str = "") -> Figure:
        """A chart of the report as a matplotlib figure: that of `metric`, by default the rewards or the loss.

        Raises:
            ConfigError: the run has not measured the metric.
        """
        from irltui.report.figures import draw_figure
        from irltui.report.specs import chart_of
        from irltui.views.arms import Side
        from irltui.views.loaded_runs import load_run

        spec = chart_of(Side(self.path.name, (load_run(self._folder, self.path.name),)), metric)
        if spec is None:
            measured = ", ".join(sorted(read_history(self._folder.events).metrics)) or "nothing yet"
            raise ConfigError(f"{self.path}: no curve of {metric or 'a reward or a loss'}", f"Measured: {measured}.")
        return draw_figure(spec)

    def generate(self, prompts: Sequence[Prompt], options: Mapping[str, Any] | None = None, seed: int = 0) -> list[str]:
        """One answer by the run's result to each prompt.

        Args:
            prompts: text, or chat messages.
            options: decoding, `{"temperature": 0.7, "strength": 3}`; by default the run's.
            seed: of the sampling.

        Raises:
            IrltuiError: the run has no result, or a prompt cannot be used.
        """
        assignments = [f"{DECODING}.{key}={toml(value)}" for key, value in (options or {}).items()]
        rows = [{"prompt": prompt} for prompt in prompts]
        lines = _apply(self._folder, SampleRequest, rows, ["prompt"], assignments, count=1, seed=seed)
        return [line["completion"] for line in lines]

    def _has_ended(self) -> bool:
        if self._engine is not None:
            return self._engine.poll() is not None
        return read_status(self._folder).state not in WORKING


class Reward:
    """The learned reward of a finished run: its reward model (rft), or the log-ratio to the model it started from."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
        """The reward of each completion; the model is loaded anew at every call, so pass many at once.

        Raises:
            ValueError: not as many completions as prompts.
            IrltuiError: the run has no result, or a row cannot be scored.
        """
        rows = [{"prompt": prompt, "completion": text} for prompt, text in zip(prompts, completions, strict=True)]
        return [line["reward"] for line in _apply(self._folder, ScoreRequest, rows, ["prompt", "completion"], [])]


def _apply(
    folder: RunFolder,
    kind: type[OnRows],
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    assignments: Sequence[str],
    **options: Any,
) -> list[dict[str, Any]]:
    """Let a worker apply what a run learned to rows; its lines, one per row."""
    if not rows:
        return []
    finished_run(folder.path)
    with tempfile.TemporaryDirectory(prefix="irltui-") as scratch:
        source, out = Path(scratch) / "rows.jsonl", Path(scratch) / "out.jsonl"
        source.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        named = [f"data.columns.{column}={column}" for column in columns]
        with handed_over(request_on(kind, folder, str(source), [*named, *assignments], out, **options)) as line:
            done = subprocess.run(line, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: S603
        if done.returncode != EXIT_OK:
            raise IrltuiError(done.stderr.strip() or f"the worker ended with exit code {done.returncode}")
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    unusable = [f"row {line['row']}: {line['reason']}" for line in lines if "reason" in line]
    if unusable:
        raise IrltuiError(f"{len(unusable)} of {len(lines)} rows cannot be used; {unusable[0]}")
    return lines

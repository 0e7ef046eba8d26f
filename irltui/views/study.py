"""The result of a study: each arm's metrics, and the difference between two arms with its interval."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import TYPE_CHECKING, Any

from irltui.console import columns
from irltui.errors import IrltuiError, RunFolderError
from irltui.experiments.plan import Plan, read_plan
from irltui.runs.history import RunHistory
from irltui.runs.metrics import FINAL, HELD_OUT_NLL, metric
from irltui.text import safe
from irltui.views.arms import Side
from irltui.views.final_figures import Estimate, final_rows
from irltui.views.final_figures import difference as between_sides
from irltui.views.loaded_runs import load_run
from irltui.views.numbers import between, figure
from irltui.views.spans import Row, S, flow

if TYPE_CHECKING:
    from irltui.benchmarks.comparison import Difference

_DIVERSITY = "distinct_2"


@dataclass(frozen=True)
class StudyResult:
    """`arms` holds means over seeds at the end of each arm's runs, `start` those before training."""

    compare: tuple[str, str]
    metric: str
    start: Mapping[str, float]
    arms: Mapping[str, Mapping[str, float]]
    difference: Difference
    intervals: Mapping[str, Mapping[str, Estimate]]
    """Of the decisive metric in every benchmark that has it, at the end of each arm's runs."""
    temperatures: Mapping[str, float] = field(default_factory=dict)
    """Decoding of the decisive benchmark and of those that differ from it in their temperature alone."""
    best: tuple[str, str] | None = None
    """The decisive metric at the temperature that is best for each of the two arms, and ..."""
    at_best: Difference | None = None
    """... the difference there."""
    note: str = ""

    def text(self) -> str:
        """A table and a sentence."""
        remark = f"{HELD_OUT_NLL} counts bad demonstrations as right.\n" if self._has_nll else ""
        sentences = f"{remark}{self.sentence()}\n{self.sweep()}"
        table = columns(list(self._rows()))
        note = fill(safe(self.note, limit=2_000), 80)
        return "\n\n".join(filter(None, [table, sentences, note]))

    @property
    def _has_nll(self) -> bool:
        return any(HELD_OUT_NLL in values for values in self.arms.values())

    def _rows(self) -> Iterator[list[str]]:
        """A row for each arm and benchmark: side by side, the benchmarks would not fit a terminal."""
        wanted = self.metric.partition("/")[2]
        measured = {name.partition("/")[2] for values in self.arms.values() for name in values}
        shown = [wanted, *((measured & {_DIVERSITY}) - {wanted})]
        yield ["arm", *([HELD_OUT_NLL] if self._has_nll else []), "benchmark", *map(safe, shown)]
        for arm, values in {"start": self.start, **self.arms}.items():
            first = [safe(arm), *([figure(values.get(HELD_OUT_NLL))] if self._has_nll else [])]
            benchmarks = dict.fromkeys(name.partition("/")[0] for name in values if name.partition("/")[2] in shown)
            for benchmark in benchmarks or [""]:
                cells = (self._cell(arm, values, f"{benchmark}/{name}") for name in shown)
                yield [*first, safe(benchmark) or "-", *cells]
                first = [""] * len(first)

    def _cell(self, arm: str, values: Mapping[str, float], name: str) -> str:
        found = None if name.endswith(_DIVERSITY) else self.intervals.get(arm, {}).get(name)
        return figure(values.get(name)) + ("" if found is None else between(found.low, found.high))

    def rows(self, width: int) -> list[Row]:
        """The same for the screen: the verdict, that at each arm's best temperature, the table, the note."""
        made = self._judged(self.difference, safe(self.metric), width)
        if self.at_best is None or self._is_same:
            made += [*flow([S(self.sweep(), "muted")], width), []]
        else:
            metric = safe(self.metric.partition("/")[2])
            made += self._judged(self.at_best, metric, width, self._temperatures())
        made += [*self._table(width), []]
        made += flow([S(f"{HELD_OUT_NLL} counts bad demonstrations as right.", "muted")], width) * self._has_nll
        return [*made, *flow([S(safe(self.note, limit=2_000), "muted")], width)]

    def _judged(self, difference: Difference, name: str, width: int, where: str = "") -> list[Row]:
        sign = difference.verdict * (metric(self.metric).direction or 1)
        ink = {1: "good", -1: "bad"}.get(sign, "muted")
        facts, verdict = self._told(difference, name)
        verdict = where + verdict.partition(":")[0] + "." if where else verdict
        rows = flow([S(f"{'≈▲▼'[difference.verdict]} ", ink, "b"), S(verdict, "gap", "b")], width)
        return [*rows, *flow([S(facts, "muted")], width), []]

    def _table(self, width: int) -> list[Row]:
        """The table, without its intervals, then without the NLL where there is no room; the best stand out."""
        head, *cells = self._rows()
        brief = [[cell.partition(" [")[0] for cell in row] for row in cells]
        forms = ([head, *cells], [head, *brief], [[row[0], *row[1 + self._has_nll :]] for row in [head, *brief]])
        tables = [columns(form).splitlines() for form in forms]
        table = next((table for table in tables if max(map(len, table)) <= width), tables[-1])
        best, arm = dict(zip(self.compare, self.best or ("", ""), strict=True)), ""
        rows: list[Row] = [[S(table[0], "muted")]]
        for line, row in zip(table[1:], cells, strict=True):
            arm = row[0] or arm
            here = f"{row[head.index('benchmark')]}/" in best.get(arm, "")
            rows.append([S(line, "gap" if here else "foreground", "b" if here else "")])
        return rows

    def sentence(self) -> str:
        return "\n".join(self._told(self.difference, safe(self.metric)))

    def sweep(self) -> str:
        """The difference where each arm is decoded at its best temperature, since that alone explains many wins."""
        if self.at_best is None:
            return (
                "Measured at one temperature alone, which explains many wins over SFT: add a benchmark like the "
                "decisive one with decoding.temperature = 0."
            )
        if self._is_same:
            return self._temperatures() + "the same."
        return self._temperatures() + "\n".join(self._told(self.at_best, safe(self.metric.partition("/")[2])))

    @property
    def _is_same(self) -> bool:
        """Whether both arms are best at the temperature of the decisive benchmark."""
        return set(self.best or ()) == {self.metric}

    def _temperatures(self) -> str:
        shown = []
        for arm, name in zip(self.compare, self.best or (), strict=True):
            temperature = self.temperatures[name]
            shown.append(f"{safe(arm)} at temperature {temperature:g}" if temperature else f"{safe(arm)} greedy")
        return f"Each at its best temperature ({', '.join(shown)}): "

    def _told(self, difference: Difference, metric: str) -> tuple[str, str]:
        """What was measured, and what it says."""
        first, second = map(safe, self.compare)
        found, shown = difference.interval, ", ".join(f"{value:+.4f}" for value in difference.by_seed)
        facts = (
            f"{first} - {second}, {metric}: {found.mean:+.4f} "
            f"[{found.low:+.4f}, {found.high:+.4f}] (95 % over {found.n} prompts); by seed: {shown}"
        )
        if not difference.verdict:
            return facts, "No effect found: the interval includes zero, or the seeds disagree."
        word = "higher" if difference.verdict > 0 else "lower"
        return facts, f"{first} is {word} than {second}: the interval excludes zero and all seeds agree."

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": "comparison",
            **asdict(self),
            "difference": asdict(self.difference.interval),
            "by_seed": self.difference.by_seed,
            "verdict": self.difference.verdict,
            "at_best": self.at_best and {**asdict(self.at_best.interval), "verdict": self.at_best.verdict},
        }


def result_in(folder: Path) -> StudyResult | None:
    """The result of the study in a folder, None if there is none, or not yet."""
    try:
        plan = read_plan(folder)
        return study_result(plan, plan.compare) if plan.compare is not None else None
    except (IrltuiError, OSError, ValueError):
        return None


def study_result(plan: Plan, compare: tuple[str, str]) -> StudyResult:
    """Compare two arms of a study whose runs have finished."""
    loaded = {run: load_run(plan.run_folder(run), run.name) for run in plan.runs}
    arms = dict.fromkeys(run.arm for run in plan.runs)
    sides = {arm: Side(arm, tuple(loaded[run] for run in plan.runs if run.arm == arm)) for arm in arms}
    ends: dict[str, dict[str, float]] = {arm: {} for arm in arms}
    intervals: dict[str, dict[str, Estimate]] = {arm: {} for arm in arms}
    for row in final_rows(list(sides.values())):
        for arm, estimate in zip(arms, row.estimates, strict=True):
            if estimate is not None and (row.name == HELD_OUT_NLL or row.name not in FINAL):
                ends[arm][row.name] = estimate.mean
                if row.name not in FINAL and estimate.over:
                    intervals[arm][row.name] = estimate
    first, second = compare
    compared = final_rows([sides[second], sides[first]])
    difference = next((row.against_first[1] for row in compared if row.name == plan.metric), None)
    if difference is None:
        raise RunFolderError(
            f"{plan.folder}: {plan.metric} cannot be compared: no item was measured on both arms",
            "Is the benchmark in every arm?",
        )
    starts = [dict(_first_values(loaded[run].history)) for run in plan.runs if not run.start]
    names = [name for name in starts[0] if all(name in start for start in starts)]
    start = {name: fmean(values[name] for values in starts) for name in names}
    temperatures = _temperatures(sides[first], plan.metric)
    shared = temperatures.items() & _temperatures(sides[second], plan.metric).items()
    temperatures = {name: temperature for name, temperature in temperatures.items() if (name, temperature) in shared}
    best = at_best = None
    if len(temperatures) > 1 and all(name in ends[arm] for arm in compare for name in temperatures):
        best = (_best(ends[first], temperatures), _best(ends[second], temperatures))
        at_best = between_sides(sides[first], best[0], sides[second], best[1])
    return StudyResult(compare, plan.metric, start, ends, difference, intervals, temperatures, best, at_best, plan.note)


def _temperatures(side: Side, metric: str) -> dict[str, float]:
    """BENCHMARK/METRIC -> temperature, of the decisive benchmark and those that differ from it in that alone."""
    config = side.runs[0].config
    decisive, _, figure_ = metric.partition("/")
    specs, usual = config.get("benchmarks", {}), config.get("decoding", {}).get("temperature", 1.0)

    def apart(spec: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        decoding = {"temperature": usual, **spec.get("decoding", {})}
        return {**spec, "decoding": {**decoding, "temperature": None}}, decoding["temperature"]

    rest = {name: apart(spec) for name, spec in specs.items()}
    alike = {name: at for name, (own, at) in rest.items() if decisive in rest and own == rest[decisive][0]}
    return {f"{name}/{figure_}": at for name, at in alike.items()}


def _best(values: Mapping[str, float], names: Collection[str]) -> str:
    choose = min if metric(next(iter(names))).direction < 0 else max
    return choose(names, key=values.__getitem__)


def _first_values(history: RunHistory) -> Iterator[tuple[str, float]]:
    for (benchmark, name), (first, _) in history.results().items():
        yield f"{benchmark}/{name}", first.mean
    if HELD_OUT_NLL in history.metrics:
        yield HELD_OUT_NLL, history.first(HELD_OUT_NLL)

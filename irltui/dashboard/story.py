"""What matters now, in one line: mark, verdict, what was seen, what to do.

An end that needs a hand comes before the newest alert, that before the newest advice, that before the phase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from irltui.dashboard.store import OpenRun
from irltui.runs.events import Advice, Alert
from irltui.runs.metrics import AUC, HELD_OUT_LOSS, HELD_OUT_NLL, metric
from irltui.runs.status import WORKING, State
from irltui.runs.thresholds import NO_SIGNAL_LOSS
from irltui.text import safe
from irltui.views.numbers import age, number
from irltui.views.replay import Moment
from irltui.views.spans import Row, S, length, shortened

_CAUSES = {  # codes of alerts: the verdict, what was seen, what to do
    "both_down": (
        "Likelihood falls",
        "in most pairs both log-ratios go down",
        "raise reward.beta or add loss.gamma = 0.1",
    ),
    "overshoot": ("Overshoot", "the reward gap is above 5", "raise reward.beta or lower loop.inner_steps"),
    "no_signal": ("No signal", "held-out loss is above chance (0.693)", "lower optimizer.learning_rate"),
    "not_finite": ("Step skipped", "", ""),
    "early_stop": ("Early stop", "", ""),
}
_CLAUSE = re.compile(r"(?<=\.) |[:;] | or ")
_VERDICTS = {"go_on": ("› ", "good"), "stop": ("■ ", "bad")}


def story(run: OpenRun, moment: Moment, width: int) -> Row:
    """One line of at most `width` columns."""
    return shortened(_story(run, moment, width), width)


def _story(run: OpenRun, moment: Moment, width: int) -> Row:
    if run.problem:
        return [S("✗ ", "bad", "b"), S(safe(run.problem, limit=300), "bad")]
    if moment.row is None and run.state not in WORKING:
        return ended(run, moment, width)
    if not run.loaded:
        return [S("· ", "muted"), S(f"Reading events: {len(run.history.rows)} so far.", "muted")]
    newest = moment.alerts()[-1] if moment.alerts() else None
    if newest is None:
        return _begun(run, moment)
    return _advice(newest, width) if isinstance(newest, Advice) else _alert(newest, moment, width)


def ended(run: OpenRun, moment: Moment, width: int) -> Row:
    """What came of a run that no engine works on."""
    end = run.history.end
    if run.state is State.CRASHED:
        silent = age(run.clock() - run.status.time) if run.status and run.status.time else "?"
        last = f": {safe(run.console[-1], limit=200)}" if run.console else ""
        row = [S("✗ ", "bad", "b"), S("Crashed: ", "bad", "b"), S(f"last heard from {silent} ago{last}")]
    elif run.state is State.FAILED:
        reason = safe(end.reason, limit=300) if end and end.reason else "the engine reported no reason"
        row = [S("✗ ", "bad", "b"), S("Failed: ", "bad", "b"), S(reason)]
        row += [S(f"  {safe(end.hint, limit=200)}", "muted")] if end and end.hint else []
    elif run.state in {State.STOPPED, State.PREEMPTED}:
        why = f": {safe(end.reason, limit=200)}" if end and end.reason else ""
        row = [S("■ ", "warn", "b"), S(f"{str(run.state).capitalize()} at step {moment.step}{why}.", "warn")]
    else:
        return outcome(moment, width)
    return row


def outcome(moment: Moment, width: int) -> Row:
    """What training came to, in figures and in a word: of a benchmark if there is one, else of the likelihood."""
    gold = _benchmark(moment)
    nll = moment.curve(HELD_OUT_NLL).y
    nll = nll[nll == nll]
    loss, auc = moment.last(HELD_OUT_LOSS), moment.last(AUC)
    row: Row = [S("✓ ", "good", "b")]
    more: Row = []
    if gold is not None:
        name, first, last, better = gold
        word, ink = ("Better", "good") if better > 0 else ("Worse", "bad") if better < 0 else ("No gain", "warn")
        row += [S(f"{word}: ", ink, "b"), S(f"{name} "), S(number(first), "muted"), S(" → ")]
        row.append(S(number(last), "gap", "b"))
        if len(nll) > 1:
            more.append(S(f"   held-out NLL {number(float(nll[0]))} → {number(float(nll[-1]))}", "muted"))
    elif len(nll) > 1:
        fell = nll[-1] < nll[0]
        row += [S("Better: " if fell else "No gain: ", "good" if fell else "warn", "b"), S("held-out NLL ")]
        row += [S(number(float(nll[0])), "muted"), S(" → "), S(number(float(nll[-1])), "gap", "b")]
    else:
        row.append(S("Finished.", "good", "b"))
    judged = [S("   reward AUC "), S(number(auc), "gap", "b"), S(" (chance 0.500)", "muted")] if auc == auc else []
    if loss == loss and loss > NO_SIGNAL_LOSS:
        judged = [S("   no signal: held-out loss ", "warn"), S(number(loss), "warn", "b")]
    rows = ([*row, *more, *judged], [*row, *more], row)
    return next((one for one in rows if length(one) <= width), row)


def _benchmark(moment: Moment) -> tuple[str, float, float, int] | None:
    """The first figure of a benchmark whose direction is known: its name, first and last mean, and 1 if better."""
    values: dict[str, list[float]] = {}
    for evaluation in moment.evaluations():
        for name, figure in evaluation.values.items():
            values.setdefault(f"{evaluation.benchmark}/{name}", []).append(figure.mean)
    for name, means in values.items():
        if (direction := metric(name).direction) and len(means) > 1:
            change = (means[-1] - means[0]) * direction
            return safe(name.replace("/", ": "), limit=40), means[0], means[-1], (change > 0) - (change < 0)
    return None


def _begun(run: OpenRun, moment: Moment) -> Row:
    if not moment.rows:
        return [S("› ", "good", "b"), S("Starting: ", "good", "b"), S("loading the model and the data.")]
    mark = [S("› ", "good", "b"), S("Training: ", "good", "b")]
    if run.state is State.PAUSED:
        mark = [S("‖ ", "warn", "b"), S("Paused: ", "warn", "b")]
        return [*mark, S("R", "gap", "b"), S(" resumes.")]
    return [*mark, S("advice comes when the first outer iteration ends.")]


def _alert(newest: Alert, moment: Moment, width: int) -> Row:
    """The newest alert; equal ones are counted. What was seen goes first where there is no room."""
    alerts = [one for one in moment.alerts() if isinstance(one, Alert)]
    times = sum((one.code, one.level) == (newest.code, newest.level) for one in alerts)
    text = safe(newest.text, limit=300)
    verdict, seen, cure = _CAUSES.get(newest.code, ("Note", "", ""))
    ink, mark = ("bad", "!! ") if newest.level == "critical" else ("warn", "! ")
    row = [S(mark, ink, "b"), S(f"{verdict}: ", ink, "b")]
    when = [S(f"  step {newest.step}" + (f" ×{times}" if times > 1 else ""), "muted")]
    whole = f"{seen}; {cure}." if cure else text
    return _fitting(row, (whole, cure or text), when, width)


def _advice(newest: Advice, width: int) -> Row:
    mark, ink = _VERDICTS.get(newest.verdict, ("! ", "warn"))
    head, colon, rest = safe(newest.text, limit=400).partition(":")
    row = [S(mark, ink, "b"), S(head + colon, ink, "b")] if colon else [S(mark, ink, "b")]
    body, when = rest if colon else head, [S(f"  step {newest.step}", "muted")]
    return _fitting(row, (body,), when, width)


def _fitting(row: Row, texts: Sequence[str], when: Row, width: int) -> Row:
    """The first text that fits, else the first clause of the last one."""
    clause = _CLAUSE.split(texts[-1])[0]
    fits = (text for text in (*texts, clause) if length([*row, S(text), *when]) <= width)
    text = next(fits, None)
    return [*row, S(clause)] if text is None else [*row, S(text), *when]

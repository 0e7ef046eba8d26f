"""How the command line shows advice, and what benchmarks gained."""

import json

from irltui.cli.event_text import Lines
from irltui.runs.events import Advice, Evaluation
from irltui.runs.history import RunHistory
from irltui.runs.writer import RunWriter

TEXT = "Go on: held-out loss 0.620\x1b[31m."


def advice(seq, t, text=TEXT):
    return Advice(0, t, "go_on", text, seq=seq, time=1.0)


def test_advice_is_a_line_of_headless_output() -> None:
    line = Lines().line(advice(1, 0))
    assert line.endswith("advice: Go on: held-out loss 0.620␛[31m.")


def test_advice_that_a_resume_repeats_counts_once() -> None:
    history = RunHistory()
    history.take([advice(1, 0, "a"), advice(2, 1, "b"), advice(3, 1, "c")])
    assert [found.text for found in history.advice] == ["a", "c"]


def test_show_tells_the_last_advice_and_the_earlier_ones(irltui, make_run) -> None:
    run = make_run()
    with RunWriter(run) as writer:
        for t, text in enumerate(("Go on: fine.", TEXT)):
            writer.write(Advice(step=t, outer_iteration=t, verdict="go_on", text=text))
    shown = irltui("show", run.path)
    assert "advice     Go on: held-out loss 0.620␛[31m." in shown.out
    assert "after outer iteration 1: Go on: fine." in shown.out
    assert [row["text"] for row in json.loads(irltui("show", run.path, "--json").out)["advice"]] == [
        "Go on: fine.",
        TEXT,
    ]


def test_show_tells_what_a_benchmark_gained_item_by_item(irltui, make_run) -> None:
    run = make_run()
    with RunWriter(run) as writer:
        for t, gain in ((-1, 0.0), (0, 0.25)):
            rows = [{"item": str(i), "metric": "quality", "value": 0.1 * i + gain} for i in range(5)]
            (run.evaluations / f"mine-{t}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            figure = {"mean": 0.2 + gain, "low": 0.1, "high": 0.9, "n": 5}
            writer.write(
                Evaluation(
                    step=1, outer_iteration=t, benchmark="mine", values={"quality": figure}, file=f"mine-{t}.jsonl"
                )
            )
    lines = irltui("show", run.path).out.splitlines()
    (line,) = [line for line in lines if line.startswith("mine: quality")]
    assert line.endswith("+0.250 [+0.250, +0.250]")
    assert next(line for line in lines if line.strip().startswith("first")).split() == ["first", "last", "change"]
    (run.evaluations / "mine-0.jsonl").write_text("{}\n")
    damaged = irltui("show", run.path)
    assert damaged.code == 0
    assert "+0.250 [" not in damaged.out

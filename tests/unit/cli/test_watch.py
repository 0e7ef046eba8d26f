"""`irltui watch` without a terminal: lines until the run has ended."""

import json


def test_a_local_run_is_followed_to_its_end(irltui, make_run) -> None:
    run = make_run("a")
    result = irltui("watch", run.path)
    assert result.code == 0
    assert "finished: 4/4 steps" in result.out


def test_events_come_as_json_lines(irltui, make_run) -> None:
    run = make_run("a")
    lines = irltui("watch", run.path, "--json").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(lines)))


def test_a_place_without_a_run_is_told(irltui, tmp_path) -> None:
    result = irltui("watch", tmp_path / "nothing")
    assert result.code == 3
    assert "no run here" in result.err

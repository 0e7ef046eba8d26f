"""`irltui watch` without a terminal: lines until the run has ended."""

import json
import stat

from irltui.runs.status import State


def test_a_local_run_is_followed_to_its_end(irltui, make_run) -> None:
    run = make_run("a")
    result = irltui("watch", run.path)
    assert result.code == 0
    assert "finished: 4/4 steps" in result.out


def test_events_come_as_json_lines(irltui, make_run) -> None:
    run = make_run("a")
    lines = irltui("watch", run.path, "--json").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(lines)))


def test_a_run_over_ssh_is_followed_to_its_end(irltui, make_run, tmp_path, monkeypatch) -> None:
    run = make_run("a", State.FAILED)
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text("#!/bin/sh\nexec sh -s\n")
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(ssh.parent), prepend=":")
    result = irltui("watch", f"ssh://box{run.path}")
    assert result.code == 0
    assert result.out.startswith("failed: 4/4 steps")


def test_a_place_without_a_run_is_told(irltui, tmp_path) -> None:
    result = irltui("watch", tmp_path / "nothing")
    assert result.code == 3
    assert "no run here" in result.err


def test_a_place_that_is_none_is_told(irltui) -> None:
    result = irltui("watch", "ssh://box")
    assert result.code == 3
    assert "Write ssh://HOST/PATH/OF/RUN" in result.err

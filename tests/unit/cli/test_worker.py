"""What a command asks of a worker process reaches it in a file that nobody else can read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from irltui.cli.worker import handed_over, work
from irltui.config.requests import COMMANDS, CheckRequest, Request, ScoreRequest
from irltui.use.__main__ import MODULES, read_request

ASKED = CheckRequest(config={"tracking": {"project": "secret-7f3a"}}, probe=False)


def test_the_list_of_processes_shows_nothing_of_it_and_the_file_is_its_owners_alone() -> None:
    with handed_over(ASKED) as line:
        file = Path(line[-1])
        assert "secret" not in " ".join(line)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert read_request(file) == ("check", ASKED)
        assert not file.exists()


def test_a_worker_that_never_read_its_file_leaves_none_behind() -> None:
    with handed_over(ASKED) as line:
        pass
    assert not Path(line[-1]).exists()


@pytest.mark.parametrize("name", ["run", "r\udcff n", "Größe"])
def test_paths_of_any_name_arrive_as_they_were(name: str) -> None:
    request = ScoreRequest(run=Path("/runs") / name, values={"data": {"source": name}}, out=Path(name))
    with handed_over(request) as line:
        assert read_request(Path(line[-1])) == ("score", request)


def test_every_command_has_a_module_that_takes_its_request() -> None:
    for name, kind in COMMANDS.items():
        assert issubclass(kind, Request)
        module = MODULES.get(name, f"irltui.use.{name}")
        assert (Path(__file__).parents[3] / f"{module.replace('.', '/')}.py").is_file()


def test_the_exit_code_of_the_worker_is_that_of_the_command(tmp_path: Path) -> None:
    without_a_model = ScoreRequest(run=tmp_path / "nowhere", values={}, out=tmp_path / "f")
    assert work(without_a_model) == 2

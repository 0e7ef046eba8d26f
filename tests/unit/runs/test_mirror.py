"""A run on another machine: here the other machine is a shell in the same one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from irltui.errors import NoRunError, RunFolderError
from irltui.runs.control import Command, send, take
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.mirror import Mirror, Place, parse_place
from irltui.runs.reader import read_events
from irltui.runs.status import State, read_status
from irltui.runs.writer import RunWriter

SHELL = ("sh", "-s")


@pytest.fixture
def there(tmp_path: Path) -> RunFolder:
    run = create_run_folder(tmp_path / "there; touch 'harm' $(x)")
    write_manifest(run, new_manifest({"algorithm": "irft"}, {}))
    return run


@pytest.fixture
def mirror(tmp_path: Path, there: RunFolder) -> Mirror:
    return Mirror(Place(str(there.path), SHELL), RunFolder(tmp_path / "here"))


def test_events_arrive_as_they_grow_each_once(there: RunFolder, mirror: Mirror) -> None:
    with RunWriter(there) as writer:
        for step in range(3):
            writer.write(Kind.METRICS, step=step, values={"train/loss": 0.5})
            assert not mirror.poll()
        writer.write(Kind.LOG, text="naïve ☃")
        mirror.poll()
    assert mirror.run.events.read_bytes() == there.events.read_bytes()
    assert [e.seq for e in read_events(mirror.run.events)] == [0, 1, 2, 3]


def test_status_manifest_and_console_are_there(there: RunFolder, mirror: Mirror) -> None:
    with RunWriter(there) as writer:
        writer.status(now=True, state=State.FINISHED, step=4)
    there.console.write_text("a word\n")
    mirror.poll()
    assert read_status(mirror.run).state is State.FINISHED
    assert read_manifest(mirror.run) == read_manifest(there)
    assert mirror.run.console.read_text() == "a word\n"


def test_commands_go_there_once(there: RunFolder, mirror: Mirror) -> None:
    mirror.poll()
    send(mirror.run, Command.SAMPLE, "it's $HOME; `ls`\n")
    mirror.poll()
    mirror.poll()
    (request,) = take(there)
    assert not isinstance(request, str)
    assert (request.command, request.text) == (Command.SAMPLE, "it's $HOME; `ls`\n")
    assert not list(mirror.run.control.iterdir())


def test_a_run_that_has_not_written_yet_is_an_empty_one(mirror: Mirror) -> None:
    mirror.poll()
    assert read_events(mirror.run.events) == []


def test_a_greeting_of_the_login_shell_is_no_event(tmp_path: Path, there: RunFolder) -> None:
    with RunWriter(there) as writer:
        writer.write(Kind.LOG, text="x")
    greeting = ("sh", "-c", "echo Welcome to the machine '!'; echo; sh -s")
    mirror = Mirror(Place(str(there.path), greeting), RunFolder(tmp_path / "here"))
    mirror.poll()
    assert mirror.run.events.read_bytes() == there.events.read_bytes()


def test_no_run_there_is_told_with_its_path(tmp_path: Path) -> None:
    mirror = Mirror(Place(str(tmp_path / "nothing"), SHELL), RunFolder(tmp_path / "here"))
    with pytest.raises(NoRunError, match=r"nothing: no run there"):
        mirror.poll()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("sh", "-c", "echo no route to host >&2; exit 255"), "no route to host"),
        (("no-such-program-here",), "no-such-program-here"),
    ],
)
def test_a_machine_that_cannot_be_asked_is_told_with_its_own_words(
    tmp_path: Path, command: tuple[str, ...], reason: str
) -> None:
    mirror = Mirror(Place("/x", command), RunFolder(tmp_path / "here"))
    with pytest.raises(RunFolderError, match=reason):
        mirror.poll()


@pytest.mark.parametrize(
    ("url", "path", "ending"),
    [
        ("ssh://box/data/run", "/data/run", ("--", "box", "sh -s")),
        ("ssh://me@box:2222/data/my%20run", "/data/my run", ("-p", "2222", "--", "me@box", "sh -s")),
        ("ssh://box/~/runs/a", "runs/a", ("--", "box", "sh -s")),
    ],
)
def test_a_place_is_a_host_and_a_path(url: str, path: str, ending: tuple[str, ...]) -> None:
    place = parse_place(url)
    assert place.path == path
    assert place.command[0] == "ssh"
    assert place.command[-len(ending) :] == ending


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh:///run", "ssh://box", "ssh://box/", "ssh://box:x/run", "ssh://-oProxy/run"]
)
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(NoRunError, match="ssh:"):
        parse_place(url)


def test_what_is_written_there_is_json(there: RunFolder, mirror: Mirror) -> None:
    mirror.poll()
    assert json.loads(mirror.run.manifest.read_text())["config"] == {"algorithm": "irft"}

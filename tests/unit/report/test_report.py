"""The page and the figures, from run folders written by a script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dashboard.written_events import Script
from dashboard.written_run import HOSTILE, write_run
from typer.testing import CliRunner

from irltui.cli.main import app
from irltui.report.page import page
from irltui.report.specs import boundaries, charts, reward_game
from irltui.report.svg import chart
from irltui.runs.manifest import read_manifest
from irltui.views.arms import sides_of
from irltui.views.loaded_runs import load_runs

SHORT = Script(outer_iterations=2, inner_steps=4, nan_at=(3,))
EVIL = f"<script>alert(1)</script>\"'><img src=x onerror=alert(1)> &lt; {HOSTILE}"
VOID = {"meta", "input", "img"}


class Page(HTMLParser):
    """Collects elements, attributes and text; fails where tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(content: str) -> Page:
    found = Page()
    found.feed(content)
    found.close()
    assert found.open == []
    return found


def written(*places: Path) -> str:
    sides = sides_of(load_runs(places))
    return page(sides, [read_manifest(side.runs[0].folder) for side in sides], 4)


def test_a_page_tells_everything_of_a_run(tmp_path: Path) -> None:
    found = parsed(written(write_run(tmp_path / "first", SHORT).path))
    ids = {attributes["id"] for tag, attributes in found.tags if tag == "section"}
    assert ids == {"overview", "figures", "game", "curves", "samples", "health", "configuration", "reproduce"}
    for words in (
        "after outer iteration 2", "both log-ratios fall", "irltui run", "[reward]", "beta = 0.1", "torch==2.8",
        "2 not finite" if len(SHORT.nan_at) > 1 else "1 not finite", "dropped 3: prompt over 512 tokens",
    ):  # fmt: skip
        assert words in found.text, words


def test_the_page_needs_no_network_and_runs_nothing(tmp_path: Path) -> None:
    content = written(write_run(tmp_path / "first", SHORT).path)
    found = parsed(content)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object", "form", "base"}
    for tag, attributes in found.tags:
        assert not {name for name in attributes if name.startswith("on") or name in {"src", "style", "srcset"}}, tag
        assert attributes.get("href", "#").startswith("#")
    style = content.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(a["content"] for tag, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_hostile_text_of_a_run_is_shown_and_does_nothing(tmp_path: Path) -> None:
    prompts = {EVIL: (EVIL, EVIL)}
    config = {"data.system": EVIL.replace("\ud800", ""), "model.name": "<script>x</script>"}
    script = replace(SHORT, prompts=prompts, answer=EVIL, config=config, console=EVIL)
    run = write_run(tmp_path / "<b onclick=x>\x1b[31m", script)
    events = run.events.read_text(encoding="utf-8")
    evil_metric = json.dumps('"><script>m</script>\u202e')[1:-1]
    run.events.write_text(events.replace('"train/loss"', f'"{evil_metric}"'), encoding="utf-8")
    other = write_run(tmp_path / "plain", SHORT)
    for places in ([run.path], [run.path, other.path]):
        content = written(*places)
        found = parsed(content)
        assert not {tag for tag, _ in found.tags} & {"script", "img", "b onclick=x"}
        assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
        assert "<script>alert(1)</script>" in found.text
        assert not set(content) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2028", "\x00", "\ud800"}


def test_curves_break_where_numbers_are_not_finite_and_a_lone_point_is_seen(tmp_path: Path) -> None:
    [side] = sides_of(load_runs([write_run(tmp_path / "x", replace(SHORT, nan_at=(2, 4))).path]))
    loss = next(spec for spec in charts([side]) if spec.id == "loss")
    drawn = chart(loss)
    assert "nan" not in drawn
    assert "2 not finite" in drawn
    assert "h.1" in drawn


def test_the_reward_game_knows_where_outer_iterations_begin(tmp_path: Path) -> None:
    [side] = sides_of(load_runs([write_run(tmp_path / "x", SHORT).path]))
    assert boundaries(side.runs[0]) == (4.0,)
    game = reward_game(side)
    assert game is not None
    assert [line.label for line in game.lines] == ["demonstration reward", "generation reward", "reward gap"]


def test_a_run_that_only_began_has_a_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "x", SHORT)
    run.events.write_text(run.events.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    assert "Configuration" in parsed(written(run.path)).text


# -- the command ------------------------------------------------------------------------------


def test_report_writes_the_page_into_the_run_and_figures_beside(tmp_path: Path) -> None:
    run = write_run(tmp_path / "costs $5 & <b>", SHORT)
    figures = tmp_path / "figures"
    arguments = ["report", str(run.path), "--figures", str(figures), "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    told = json.loads(done.output)
    assert told["report"] == str(run.path / "report.html")
    assert (figures / "reward-game-1.png").read_bytes().startswith(b"\x89PNG")
    drawn = (figures / "loss.svg").read_text(encoding="utf-8")
    assert not re.search(r"(href|src)=\"http", drawn)
    assert len(told["figures"]) == len(list(figures.iterdir()))
    again = CliRunner().invoke(app, ["report", str(run.path)], catch_exceptions=False)
    assert again.exit_code == 0


def test_report_overwrites_nothing_that_is_no_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "x", SHORT)
    mine = tmp_path / "thesis.html"
    mine.write_text("<p>mine</p>", encoding="utf-8")
    done = CliRunner().invoke(app, ["report", str(run.path), "--out", str(mine)])
    assert "is not a report" in str(done.exception)
    assert mine.read_text(encoding="utf-8") == "<p>mine</p>"


def test_several_runs_come_with_differences_and_answers_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = [str(write_run(tmp_path / name, replace(SHORT, beta=b)).path) for name, b in (("x", 0.1), ("y", 0.5))]
    done = CliRunner().invoke(app, ["report", *places], catch_exceptions=False)
    assert "report.html" in done.output
    found = parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    for words in ("differs in", "reward.beta", "Newest, side by side", "x over outer iterations", "more metrics"):
        assert words in found.text, words

"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from irltui.runs.events import Kind
from irltui.runs.metrics import METRICS
from support.runs import Change, config, demonstrations, events, finish, rft
from support.tiny import folder
from write_pages import PAGES as GENERATED

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_says_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == GENERATED[name](), "run: python docs/tools/write_pages.py"


def test_the_engine_writes_no_metric_that_is_not_explained_and_explains_none_that_is_never_written(
    tmp_path: Path,
) -> None:
    written = set()
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)
    every: dict[str, Change] = {
        "sft": {"algorithm": "sft"},
        "irft": {},
        "rloo": rft(),
        "boltzmann": rft({"update": {"kind": "boltzmann"}}),
    }
    for name, change in every.items():
        run = finish(tmp_path / name, config(*inputs, change))
        written |= {name for event in events(run, Kind.METRICS) for name in event.values}
    assert written | {"train/skipped"} == set(METRICS)  # that one needs a fault: tests/faults/test_steps.py


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_guide_to_the_charts_speaks_of_every_metric() -> None:
    guide = (ROOT / "docs" / "guides" / "reading-the-charts.md").read_text(encoding="utf-8")
    assert [name for name in METRICS if f"`{name}`" not in guide] == []


def test_the_site_lists_every_page() -> None:
    site = (ROOT / "docs" / "site" / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"[\w/-]+\.md", site))
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert listed == there


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_to_headings_lead_somewhere(path: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text(encoding="utf-8")):
        page_ = (path.parent / target) if target else path
        headings = re.findall(r"^#+ (.+)$", page_.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for words in headings}
        assert heading in slugs, f"{target}#{heading}"

"""The tutorial leads where it says: every command and file of it, in a fresh environment outside the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from irltui.config.load import load
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from support.fresh import Fresh
from support.page import blocks, follow
from support.site import ROOT

pytestmark = pytest.mark.usefixtures("trust_code")

GIVEN = ROOT / "docs" / "guides" / "given-rewards.md"
GUIDE = ROOT / "docs" / "guides" / "writing-a-plugin.md"


@pytest.mark.slow
def test_the_tutorial_leads_from_nothing_to_a_published_reward(tmp_path: Path) -> None:
    assert follow(GUIDE, Fresh(tmp_path / "fresh"), tmp_path) >= 9
    made = tmp_path / "irltui-concise"
    assert (made / "dist" / "irltui_concise-0.1.0-py3-none-any.whl").is_file()
    reward = read_manifest(RunFolder(made / "run")).config["reward"]
    assert reward == {"kind": "concise/priced", "beta": 0.1, "price": 0.05}


@pytest.mark.slow
def test_the_page_on_given_rewards_leads_to_a_run_and_its_scores(tmp_path: Path) -> None:
    assert follow(GIVEN, Fresh(tmp_path / "fresh"), tmp_path) == 2
    assert read_manifest(RunFolder(tmp_path / "run")).config["reward"]["sha256"]
    scores = [json.loads(line)["reward"] for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert len(scores) == 20
    assert all(0.5 < score < 1 for score in scores)  # a demonstration has all of its own words
    (others,) = [block for block in blocks(GIVEN) if block.kind == "toml"]
    (tmp_path / "run.toml").write_text(others.text)
    assert load(str(tmp_path / "run.toml"), ["model.name=m", "data.source=d"]).config.reward.beta == 0.05


def test_what_the_tutorial_shows_beside_commands_and_files_is_right(tmp_path: Path) -> None:
    others = [block for block in blocks(GUIDE) if not block.file and block.kind not in {"sh", "output"}]
    assert [block.kind for block in others] == ["", "toml", ""]
    template = (ROOT / "plugins" / "template" / "pyproject.toml").read_text().replace("template", "concise")
    assert others[0].text in template
    (reward,) = [block.text for block in blocks(GUIDE) if block.file == "irltui_concise/reward.py"]
    (tmp_path / "concise.py").write_text(reward)
    (tmp_path / "run.toml").write_text(f'plugins.files.concise.path = "{tmp_path}/concise.py"\n{others[1].text}')
    given = ["model.name=quickstart", "data.source=quickstart"]
    assert load(str(tmp_path / "run.toml"), given).config.reward.price == 0.05

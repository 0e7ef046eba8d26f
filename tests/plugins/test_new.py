"""`irltui plugins new`: a whole distribution that keeps its contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.site import Site

SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("objective", "sampler", "benchmark")]


@pytest.mark.parametrize("kind", ["reward", *SLOW])
def test_a_new_plugin_passes_its_own_tests_unchanged(make_site: Callable[[], Site], tmp_path: Path, kind: str) -> None:
    site = make_site()
    done = site.irltui("plugins", "new", "my-acme", "--kind", kind, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = tmp_path / "irltui-my-acme"
    assert {path.name for path in made.iterdir()} == {"pyproject.toml", "README.md", "irltui_my_acme", "tests"}
    assert [path.name for path in (made / "tests").iterdir()] == [f"test_{kind}.py"]
    assert "template" not in "".join(p.read_text() for p in made.rglob("*") if p.is_file()).replace("emplate as", "")
    site.install(made)
    tested = site.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=made)
    assert tested.returncode == 0, tested.stdout
    found = json.loads(site.irltui("plugins", "list", "--json", cwd=tmp_path).stdout)
    (listed,) = [row for row in found if row["plugin"] == "my-acme"]
    assert (listed["origin"], listed["state"]) == ("irltui-my-acme", "installed")


@pytest.mark.parametrize("arguments", [["Bad_Name"], ["irltui"], ["acme", "--kind", "updates"]])
def test_a_new_plugin_with_a_wrong_name_or_kind_is_refused(
    make_site: Callable[[], Site], tmp_path: Path, arguments: list[str]
) -> None:
    assert make_site().irltui("plugins", "new", *arguments, cwd=tmp_path).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["site"]

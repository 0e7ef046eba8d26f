"""Where plugins are installed for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.site import ROOT, Site

collect_ignore = ["outside"]  # tests of a distribution that has to be installed first


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The distributions of plugins/."""
    site = Site(tmp_path_factory.mktemp("shipped"))
    site.install(*(path.parent for path in sorted((ROOT / "plugins").glob("*/pyproject.toml"))))
    return site


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[[], Site]:
    """An empty one."""

    def make() -> Site:
        (tmp_path / "site").mkdir()
        return Site(tmp_path / "site")

    return make

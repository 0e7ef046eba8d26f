"""Plugins stand on irltui.api alone, those in this repository too; their tests on irltui.testing besides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from irltui import api
from support.site import ROOT

PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
DRIVES_THE_ENGINE = "irltui-vllm"
"""Its tests run whole engines against a server that stands in for vLLM."""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_shipped_plugin_imports_the_api_alone(plugin: Path) -> None:
    package = [file for file in plugin.rglob("*.py") if "tests" not in file.relative_to(plugin).parts]
    assert package
    used = {name for file in package for name in imported(file) if name.partition(".")[0] == "irltui"}
    assert used <= {f"irltui.api.{name}" for name in api.__all__}, used
    if plugin.name == DRIVES_THE_ENGINE:
        return
    tested = {name for file in (plugin / "tests").rglob("*.py") for name in imported(file)}
    own = {name for name in tested if name.partition(".")[0] == "irltui"}
    assert all(name.startswith(("irltui.api.", "irltui.testing.")) for name in own), own

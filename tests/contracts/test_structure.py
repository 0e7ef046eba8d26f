"""The shape of the code: sizes, layers, and what each side may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "irltui").rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION, USUAL_FUNCTION = 400, 50, 30


def functions(path: Path) -> list[tuple[str, int]]:
    """Names and lengths in lines, docstrings left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            doc = ast.get_docstring(node, clean=False)
            skipped = (first.end_lineno or 0) - first.lineno + 1 if doc is not None else 0
            found.append((f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1 - skipped))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_functions_fit_a_screen() -> None:
    lengths = [item for path in MODULES for item in functions(path)]
    assert [item for item in lengths if item[1] > LONGEST_FUNCTION] == []
    ordered = sorted(length for _, length in lengths)
    assert ordered[int(len(ordered) * 0.9)] <= USUAL_FUNCTION


def test_every_module_says_what_it_does() -> None:
    silent = [str(p.relative_to(ROOT)) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []


HEAVY = {"torch", "transformers", "accelerate", "datasets", "peft"}
SCREENS = {"textual", "rich", "typer"}


def imported(code: str) -> set[str]:
    """Top-level packages in memory after running `code` in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


VIEWERS = """
import irltui.api, irltui.api.registry, irltui.text, irltui.errors, irltui.quickstart
import irltui.config.load, irltui.config.presets, irltui.views.final_figures, irltui.report.page, irltui.report.figures
import irltui.runs.reader, irltui.runs.writer, irltui.runs.control, irltui.runs.manifest, irltui.runs.status
from irltui.api.registry import Registry
Registry().resolve("reward", "implicit"); Registry().resolve("sampler", "slots")
Registry().resolve("benchmark", "quickstart"); Registry().resolve("reward", "explicit")
Registry().resolve("update", "rloo"); Registry().resolve("objective", "irft")
"""


def test_viewers_and_declarations_never_import_torch() -> None:
    assert not imported(VIEWERS) & HEAVY


def test_the_engine_never_imports_a_screen() -> None:
    engine = "import irltui.engine.__main__, irltui.engine.session"
    own = {name for name in imported(engine) if name in SCREENS}
    # Libraries of others may use rich for their own messages; ours must not ask for it.
    asked = [
        path.name
        for folder in (
            "engine",
            "use",
            "data",
            "lm",
            "rewards",
            "samplers",
            "updates",
            "benchmarks",
            "runs",
            "quickstart",
        )
        for path in (ROOT / "irltui" / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if name.partition(".")[0] in SCREENS or name.startswith(("irltui.dashboard", "irltui.cli"))
    ]
    assert asked == []
    assert "textual" not in own
    assert "typer" not in own


def test_the_built_in_parts_are_registered_through_the_hooks() -> None:
    import irltui.benchmarks
    import irltui.objectives
    import irltui.rewards
    import irltui.samplers
    import irltui.updates
    from irltui.api.registry import Registry

    registry = Registry()
    assert registry.kinds("objective") == irltui.objectives.irltui_objectives()
    assert registry.kinds("reward") == irltui.rewards.irltui_rewards()
    assert registry.kinds("sampler") == irltui.samplers.irltui_samplers()
    assert registry.kinds("update") == irltui.updates.irltui_policy_updates()
    assert registry.kinds("benchmark") == irltui.benchmarks.irltui_benchmarks()

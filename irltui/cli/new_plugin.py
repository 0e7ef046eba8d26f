"""`irltui plugins new`: the template, with another name and one kind of part. Knows nothing of what is in it."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from irltui.console import out
from irltui.errors import PluginError
from irltui.text import safe

KINDS = ("reward", "sampler", "benchmark")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", ".pytest_cache", "dist")


def new_plugin(name: str, kind: str, folder: Path | None) -> None:
    """Write a distribution `irltui-NAME` whose tests pass as they are.

    Args:
        name: of the plugin: its kinds are `name/...`.
        kind: which part it begins with.
        folder: where; None for ./irltui-NAME.

    Raises:
        PluginError: the name, the kind or the folder cannot be used.
    """
    if not _NAME.fullmatch(name) or name == "irltui":
        raise PluginError(f"{safe(name)}: is no name for a plugin", "Use small letters, digits and single '-'.")
    if kind not in KINDS:
        raise PluginError(f"--kind {safe(kind)}: is none of {', '.join(KINDS)}", "Policy steps are provisional.")
    target = Path(f"irltui-{name}") if folder is None else folder.expanduser()
    if target.exists():
        raise PluginError(f"{safe(target)}: is there already", "Choose another --out.")
    package = f"irltui_{name.replace('-', '_')}"
    try:
        shutil.copytree(_template(), target, ignore=_IGNORED)
        for path in [path for path in target.rglob("*") if path.is_file()]:
            if path.suffix == ".py" and path.stem.removeprefix("test_") in set(KINDS) - {kind}:
                path.unlink()
            else:
                path.write_text(_renamed(path.read_text(encoding="utf-8"), name, package, kind), encoding="utf-8")
        (target / "irltui_template").rename(target / package)
    except OSError as error:
        raise PluginError(f"{safe(target)}: cannot be written: {error}", "Choose another --out.") from error
    out(f"{target}: a plugin with a {kind}. What to do now:")
    out(f"  cd {target} && {Path(sys.executable).name} -m pip install -e '.[test]'")
    out(f"  python -m pytest && irltui plugins check {name}")


def _renamed(text: str, name: str, package: str, kind: str) -> str:
    """The template's names replaced; lines of its `__init__` that speak of other kinds left out."""
    for other in set(KINDS) - {kind}:
        text = "".join(
            line
            for line in text.splitlines(keepends=True)
            if not line.startswith((f"from irltui_template.{other} ", f'    "irltui_{other}s",'))
        )
    names = {
        "irltui_template": package,
        "irltui-template": f"irltui-{name}",
        "template/": f"{name}/",
        "template = ": f"{name} = ",
        "check template": f"check {name}",
    }
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def _template() -> Path:
    """Inside the wheel; beside the package in a source tree."""
    package = Path(str(files("irltui")))
    inside = package / "plugin_template"
    return inside if inside.is_dir() else package.parent / "plugins" / "template"

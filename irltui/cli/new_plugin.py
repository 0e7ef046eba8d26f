"""`irltui plugins new`: copy the template with another name and one kind of part."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.console import out as say
from irltui.errors import PluginError
from irltui.text import safe

KINDS = ("reward", "objective", "sampler", "benchmark")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IGNORED = ("__pycache__", "*.egg-info", ".pytest_cache", "dist")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name, the prefix of its kinds.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help=f"{', '.join(KINDS)}.")] = "reward",
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Default: ./irltui-NAME.")] = None,
) -> None:
    """Create a plugin: an installable package whose tests pass.

    Examples:
      irltui plugins new acme --kind reward
      irltui plugins new acme --kind sampler --out code/irltui-acme
    """
    import shutil

    from irltui.config.presets import shipped

    if not _NAME.fullmatch(name) or name == "irltui":
        raise PluginError(f"{safe(name)}: not a valid plugin name", "Use lowercase letters, digits and single hyphens.")
    if kind not in KINDS:
        raise PluginError(f"--kind {safe(kind)}: must be one of {', '.join(KINDS)}", "Policy steps are provisional.")
    target = Path(f"irltui-{name}") if out is None else out.expanduser()
    if target.exists():
        raise PluginError(f"{safe(target)}: already exists", "Choose another --out.")
    package = f"irltui_{name.replace('-', '_')}"
    try:
        shutil.copytree(
            shipped("plugin_template", "plugins/template"), target, ignore=shutil.ignore_patterns(*_IGNORED)
        )
        for path in [path for path in target.rglob("*") if path.is_file()]:
            if path.suffix == ".py" and path.stem.removeprefix("test_") in set(KINDS) - {kind}:
                path.unlink()
            else:
                path.write_text(_renamed(path.read_text(encoding="utf-8"), name, package, kind), encoding="utf-8")
        (target / "irltui_template").rename(target / package)
    except OSError as error:
        raise PluginError(f"{safe(target)}: cannot be written: {error}", "Choose another --out.") from error
    say(f"{target}: created a plugin ({kind}). Next:")
    say(f"  cd {target} && {Path(sys.executable).name} -m pip install -e '.[test]'")
    say(f"  python -m pytest && irltui plugins check {name}")


def _renamed(text: str, name: str, package: str, kind: str) -> str:
    """The template with the plugin's name, without lines about other kinds."""
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

"""A fresh virtual environment outside the repository: the libraries of this one, and no plugin."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from support.site import ROOT

_SCRIPT = '#!/bin/sh\nexec "$(dirname "$0")/python" -m {module} "$@"\n'


@dataclass(frozen=True)
class Fresh:
    """A virtual environment in which plugins can be installed by pip."""

    path: Path

    def __post_init__(self) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.path)], check=True)
        libraries = next(self.path.glob("lib/python*/site-packages"))
        (libraries / "libraries.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
        for module in ("irltui", "pip"):  # those of this environment would work in this environment
            script = self.path / "bin" / module
            script.write_text(_SCRIPT.format(module=module))
            script.chmod(0o755)

    def shell(self, script: str, *, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script as a user would who has activated the environment; nothing is fetched."""
        path = f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        offline = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            check=False,
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**inherited, "VIRTUAL_ENV": str(self.path), "PATH": path, **offline, **environment},
        )

    def start(self, *arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
        """A process of irltui in the background."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.Popen(
            [str(self.path / "bin" / "irltui"), *arguments],
            cwd=cwd,
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

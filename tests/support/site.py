"""Distributions installed by pip into a folder of their own, and irltui's processes that see it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """A folder of installed distributions."""

    path: Path

    def install(self, *folders: Path) -> None:
        """Install as a user would, without fetching anything."""
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
        line = [*pip, "--disable-pip-version-check", "--target", str(self.path), *map(str, folders)]
        subprocess.run(line, check=True, capture_output=True)

    def python(self, *arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """A Python that finds the distributions."""
        paths = [str(self.path), str(ROOT)]
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            check=False,
            cwd=cwd,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        )

    def irltui(self, *arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command line."""
        return self.python("-m", "irltui", *arguments, cwd=cwd, **environment)

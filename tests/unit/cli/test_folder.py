"""`irltui FOLDER` opens the dashboard there; without a terminal it lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def irltui(*arguments: str, folder: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "irltui", *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_a_folder_alone_is_listed_where_there_is_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert irltui("mine", folder=tmp_path) == irltui("runs", "mine", folder=tmp_path)

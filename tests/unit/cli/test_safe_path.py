"""Files of the current folder are data: no process that irltui starts imports them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from irltui.experiments.process import ENGINE

NAMES = ("json", "random", "secrets", "psutil", "torch", "orjson", "token")


@pytest.mark.parametrize(
    "command",
    [
        [*ENGINE, "nowhere"],
        [sys.executable, "-P", "-m", "irltui.use"],
        [sys.executable, "-m", "irltui", "--version"],
        [sys.executable, "-m", "irltui", "runs"],
    ],
    ids=["engine", "worker", "module", "runs"],
)
def test_a_file_with_a_usual_name_in_the_current_folder_is_never_run(tmp_path: Path, command: list[str]) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write({name!r})\n")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not (tmp_path / "executed").exists(), (tmp_path / "executed").read_text()
    assert "Traceback" not in done.stderr

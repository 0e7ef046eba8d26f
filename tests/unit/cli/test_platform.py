"""Systems that irltui does not run on."""

import subprocess
import sys

WINDOWS = "import sys; sys.platform = 'win32'; sys.modules['fcntl'] = None; import irltui.cli.main"


def test_on_windows_one_sentence_points_to_wsl() -> None:
    done = subprocess.run([sys.executable, "-c", WINDOWS], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "irltui does not run on Windows. Install and run it in WSL (Windows Subsystem for Linux).\n"

"""The command line: Typer commands that import what they need when they run."""

import sys

if sys.platform == "win32":  # before any module that exists on POSIX systems alone
    sys.exit("irltui does not run on Windows. Install and run it in WSL (Windows Subsystem for Linux).")

"""A run with a local model and local rows talks to nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.runs import demonstrations
from support.tiny import folder

NOTED = """
import os, sys

def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"):
        where = arguments[1] if event.startswith("socket.c") or event.startswith("socket.s") else arguments[0]
        if isinstance(where, tuple) or event == "socket.getaddrinfo":
            with open(os.environ["NOTED"], "a") as file:
                print("AF_INET", event, where, file=file)

sys.addaudithook(hook)
"""


def traced(log: Path) -> list[str]:
    """What watches a command and the processes it starts; nothing where strace is missing or may not look."""
    strace = shutil.which("strace")
    line = [str(strace), "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(log)]
    works = strace and subprocess.run([*line, "true"], capture_output=True, check=False).returncode == 0
    return line if works else []


def test_a_run_score_and_export_of_local_files_open_no_connection(tmp_path: Path) -> None:
    model, data, log = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 12), tmp_path / "calls"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(NOTED)
    watch = traced(log)
    environment = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    if not watch:
        environment |= {"PYTHONPATH": str(tmp_path / "hook"), "NOTED": str(log)}
    run, small = tmp_path / "run", ["--set", "loop.outer_iterations=1", "--set", "data.max_response_tokens=8"]
    for arguments in (
        ["run", "irft", "--model", model, "--data", data, "--headless", "--out", run, *small],
        ["score", run, "--data", data, "--out", tmp_path / "scores.jsonl"],
        ["export", run, "--out", tmp_path / "exported"],
    ):
        command = [*watch, sys.executable, "-P", "-m", "irltui", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        talked = [line for line in log.read_text().splitlines() if "AF_INET" in line] if log.exists() else []
        assert talked == [], arguments[0]

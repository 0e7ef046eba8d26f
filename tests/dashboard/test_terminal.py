"""The dashboard in a real pseudo-terminal: what bytes reach it, and what it is left like."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.raw_bytes import ALLOWED
from support.terminal import Terminal

CODE = """
import sys
from pathlib import Path
from irltui.dashboard.app import Dashboard
sys.exit(Dashboard(Path("runs"), Path(sys.argv[1]) if len(sys.argv) > 1 else None).run())
"""


def test_no_escape_of_hostile_data_reaches_the_terminal() -> None:
    terminal = Terminal("-c", CODE, "runs/hostile\x1b[31m")
    terminal.read_until(lambda seen: b"crashed" in seen and b"last heard from" in seen)
    for keys, shown in ((b"i", b"Last lines"), (b"3", b"changes since"), (b"c", b"takes away"), (b"dd", b"against")):
        terminal.press(keys)
        terminal.read_until(lambda seen, shown=shown: shown in seen)
    looks = ((b"5", b"template"), (b"\x1b[6~", b"Loss mask"), (b"\t", b"data.system"), (b"a", b"every value"))
    for keys, shown in looks:
        terminal.press(keys)
        terminal.read_until(lambda seen, shown=shown: shown in seen)
    terminal.press(b"1")
    terminal.read_until(lambda seen: b"reward gap" in seen)
    terminal.end(signal.SIGTERM)
    left = ALLOWED.sub(b"", terminal.seen)
    assert b"\x1b" not in left, left[left.index(b"\x1b") - 60 :][:160]
    assert b"]52;" in terminal.seen  # it is shown ...
    assert b"\x1b]52" not in terminal.seen  # ... and not obeyed
    text = left.decode("utf-8")
    assert not any(0x80 <= ord(c) < 0xA0 or ord(c) in {0x7, 0x202E, 0x2028, 0xD800} for c in text)
    assert "␛" in text
    assert "<U+202E>" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_screen(number: int) -> None:
    terminal = Terminal("-c", CODE)
    terminal.read_until(lambda seen: b"spin-crashed" in seen)
    assert terminal.end(number) == 128 + number


def test_a_terminal_that_is_closed_without_a_signal_ends_it() -> None:
    terminal = Terminal("-c", CODE)
    terminal.read_until(lambda seen: b"spin-crashed" in seen)
    os.close(terminal.master)
    assert terminal.process.wait(20) == 128 + signal.SIGHUP


def test_without_colours_it_is_readable() -> None:
    terminal = Terminal("-c", CODE, "runs/irft-smollm2", NO_COLOR="1")
    terminal.read_until(lambda seen: b"finished" in seen and "━".encode() in seen)
    colours = {tuple(map(int, found)) for found in re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", terminal.seen)}
    assert all(max(colour) - min(colour) <= 2 for colour in colours)
    terminal.end(signal.SIGTERM)


def test_opening_the_dashboard_imports_no_torch() -> None:
    script = "import sys, irltui.dashboard.app, irltui.dashboard.screens.new_run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "transformers", "accelerate", "datasets", "peft"}


def test_no_widget_reads_files() -> None:
    root = Path(__file__).parents[2] / "irltui" / "dashboard"
    readers = re.compile(r"\.open\(|read_text|read_bytes|EventReader|read_status|read_manifest|\bos\.(scandir|listdir)")
    found = [
        str(path.relative_to(root))
        for folder in ("widgets", "screens")
        for path in (root / folder).glob("*.py")
        if readers.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []

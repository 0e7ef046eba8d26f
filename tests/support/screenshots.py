"""The pictures of README and docs, from real runs: `PYTHONPATH=tests python -m support.screenshots RUNS docs/images`.

RUNS is a folder with a finished `irltui run quickstart --out RUNS/quickstart`. Needs tmux, and Chromium for the
report; names choose some.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from support.terminal_picture import cells
from support.terminal_picture import draw as picture


@dataclass(frozen=True)
class Shot:
    """A screen of the dashboard: the open run, keys, size in cells."""

    run: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 32)


RUN, STUDY = "quickstart/seed-0/contrast", ("Up", "Up", "Up", "Space")
SHOTS = {
    "runs": Shot("", ("Down",), size=(120, 40)),
    "run": Shot(RUN, size=(120, 40)),
    "run-80x24": Shot(RUN, size=(80, 24)),
    "samples": Shot(RUN, ("3",)),
    "rewards": Shot(RUN, ("3", "c")),
    "strength": Shot("quickstart/seed-0/sft", ("3", "]", "]", "]")),
    "compare": Shot("", (*STUDY, "4"), size=(120, 40)),
    "new": Shot("", ("n", "quickstart", "Down", "faq.csv"), size=(120, 40)),
    "check": Shot(RUN, ("5",)),
}


def answers(path: Path) -> None:
    """A file with columns of other names than irltui knows."""
    things = ("router", "printer", "screen", "computer")
    rows = [
        f"{i},My {thing} does not start any more. What can I do?,"
        f"Please switch the {thing} off; wait {10 + i % 50} seconds; switch it on again."
        for i in range(60)
        for thing in things
    ]
    path.write_text("\n".join(["ticket,customer asks,answer (final)", *rows]) + "\n", encoding="utf-8")


def shoot(folder: Path, shot: Shot, png: Path, scratch: Path) -> None:
    """The screen in a terminal of tmux, drawn from its cells."""
    columns, lines = shot.size
    irltui = [sys.executable, "-m", "irltui", *(["watch", str(folder / shot.run)] if shot.run else [str(folder)])]
    tmux = ["tmux", "-L", f"irltui-{os.getpid()}", "-f", "/dev/null"]
    start = ["new-session", "-d", "-c", str(scratch), "-x", str(columns), "-y", str(lines)]
    command = f"stty rows {lines}; COLORTERM=truecolor XDG_STATE_HOME={png.parent} {shlex.join(irltui)}"
    subprocess.run([*tmux, *start, command, ";", "set", "-g", "status", "off"], check=True)
    subprocess.run([*tmux, "set", "-ga", "terminal-overrides", ",*:Tc"], check=True)
    settled(tmux, "irltui")
    for key in shot.keys:
        subprocess.run([*tmux, "send-keys", key], check=True)
        settled(tmux, "irltui")
    seen = settled(tmux, "irltui")
    subprocess.run([*tmux, "kill-server"], check=True)
    picture(cells(seen.rstrip("\n")), columns, lines).save(png, optimize=True)


_LOOKS = re.compile(r"\x1b\[[\d;:]*m")


def settled(tmux: list[str], shows: str) -> str:
    """The screen once it shows a text, does not change any more, and no answer is on its way."""
    seen, same, until = "", 0, time.monotonic() + 300
    while time.monotonic() < until and (same < 4 or shows not in seen or "being sampled" in seen):
        time.sleep(0.5)
        line = [*tmux, "capture-pane", "-p", "-e", "-N"]
        now = subprocess.run(line, check=True, capture_output=True, text=True).stdout
        same = same + 1 if _LOOKS.sub("", now) == _LOOKS.sub("", seen) else 0  # a cursor blinks
        seen = now
    return seen


def draw(page: Path, png: Path, size: tuple[int, int], crop: tuple[int, int, int, int] | None = None) -> None:
    """What Chromium shows of a page, in few colours."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    window = f"--window-size={size[0]},{size[1]}"
    command = ["chromium", *options, window, f"--screenshot={png}", page.absolute().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture = Image.open(png).convert("RGB")
    picture.crop(crop or picture.getbbox()).quantize(128).save(png, optimize=True)


def report(folder: Path, scratch: Path) -> Path:
    """The page of the study."""
    page = scratch / "report.html"
    command = [sys.executable, "-m", "irltui", "report", str(folder / "quickstart"), "--out", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    return page


def main(folder: Path, out: Path, names: list[str]) -> None:
    """Write the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        answers(Path(scratch) / "faq.csv")
        for name in names or [*SHOTS, "report"]:
            png = out.absolute() / f"{name}.png"
            if name == "report":
                draw(report(folder, Path(scratch)), png, (1200, 1200))
                continue
            shoot(folder.absolute(), SHOTS[name], png, Path(scratch))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

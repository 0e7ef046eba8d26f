"""The pictures of README and docs, from real runs: `PYTHONPATH=tests python -m support.screenshots RUNS docs/images`.

RUNS is a folder of runs, with a finished `irltui run quickstart --out RUNS/quickstart` and an IRFT run of a real model
in RUNS/persona-irft (docs/results.md tells of it). Needs Chromium, which draws; names that follow choose some pictures.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from irltui.dashboard.app import Dashboard
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.services import Services


@dataclass(frozen=True)
class Shot:
    """A screen of the dashboard: the open run, marked runs, keys, size in cells."""

    run: str
    keys: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 32)


SHOTS = {
    "runs": Shot("", ("down",), size=(120, 40)),
    "run": Shot("persona-irft", size=(120, 40)),
    "run-80x24": Shot("persona-irft", size=(80, 24)),
    "samples": Shot("persona-irft", ("3",), size=(120, 32)),
    "rewards": Shot("persona-irft", ("3", "c"), size=(120, 32)),
    "compare": Shot("", ("4",), ("quickstart/seed-*/irft", "quickstart/seed-*/sft-more"), size=(120, 40)),
    "new": Shot("", ("n",), size=(120, 40)),
    "check": Shot("quickstart/seed-0/sft", ("5",), size=(120, 28)),
}


async def shoot(folder: Path, shot: Shot) -> str:
    """The screen as SVG."""
    app = Dashboard(folder, folder / shot.run if shot.run else None, Services(launch=lambda loaded, name: folder))
    async with app.run_test(size=shot.size) as pilot:
        app.store.marked = [path for name in shot.marked for path in sorted(folder.glob(name))]
        for key in ("", *shot.keys):
            if key:
                await pilot.press(key)
            for _ in range(200):
                await pilot.pause(0.02)
                if app.store.listed and all(run.loaded and run.status for run in app.store.open.values()):
                    break
            for screen in app.screen_stack:
                if isinstance(screen, MainScreen):
                    screen.redraw()
        await pilot.pause(1.0)
        return app.export_screenshot(title=f"irltui: {shot.run}")


def without_fonts(svg: str) -> str:
    """No font is fetched from anywhere."""
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def draw(page: Path, png: Path, size: tuple[int, int], crop: tuple[int, int, int, int] | None = None) -> None:
    """What Chromium shows of a page, in few colours."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    window = f"--window-size={size[0]},{size[1]}"
    command = ["chromium", *options, window, f"--screenshot={png}", page.absolute().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture = Image.open(png).convert("RGB")
    picture.crop(crop or picture.getbbox()).quantize(128).save(png, optimize=True)


def report(folder: Path, scratch: Path) -> Path:
    """The page of the real run."""
    page = scratch / "report.html"
    command = [sys.executable, "-m", "irltui", "report", str(folder / "persona-irft"), "--out", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    return page


def main(folder: Path, out: Path, names: list[str]) -> None:
    """Write the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in names or [*SHOTS, "report"]:
            png = out.absolute() / f"{name}.png"
            if name == "report":
                draw(report(folder, Path(scratch)), png, (1200, 3400), (0, 930, 1200, 2150))
                continue
            svg = without_fonts(asyncio.run(shoot(folder, SHOTS[name])))
            page = Path(scratch) / f"{name}.svg"
            page.write_text(svg, encoding="utf-8")
            box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
            assert box is not None
            draw(page, png, (int(float(box[1])), int(float(box[2]))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

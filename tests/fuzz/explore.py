"""Coverage-guided fuzzing: `PYTHONPATH=tests python tests/fuzz/explore.py [SECONDS [TARGET ...]]`; 180 s a target.

Needs atheris (`pip install -e '.[fuzz]'`, Linux). Prints how many inputs each target took. A find is shown with its
traceback and its input; put that input into `FINDS` of test_finds.py when it is mended. With FUZZ_CORPUS=FOLDER what
was reached is kept there and begun with the next time.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("text-files", "demonstrations", "events", "run-files", "generations", "configuration", "text")
LONGEST = 1 << 14  # bytes of an input
MEMORY = 4096  # MB; more is a find
SLOW = 20  # seconds; an input that takes longer is a find


def child(name: str, arguments: list[str]) -> None:
    """Fuzz one target; never returns."""
    import atheris

    with atheris.instrument_imports(include=["irltui"], enable_loader_override=False):
        from fuzz.targets import targets
    target = targets()[name]
    folder = Path(arguments[-1])
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *arguments], target.take)
    atheris.Fuzz()


def fuzz(name: str, seconds: int, corpus: Path, finds: Path) -> tuple[str, bool]:
    """A line on how it went, and whether something was found."""
    corpus.mkdir(parents=True, exist_ok=True)
    options = {"max_total_time": seconds, "max_len": LONGEST, "rss_limit_mb": MEMORY, "timeout": SLOW}
    flags = [f"-{key}={value}" for key, value in options.items()]
    flags += ["-print_final_stats=1", f"-artifact_prefix={finds}/{name}-"]
    before = os.times().children_user
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, *flags, str(corpus)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = done.stdout + done.stderr
    taken = [*re.findall(r"number_of_executed_units: (\d+)", said), "?"][0]
    covered = [*re.findall(r"cov: (\d+)", said), "?"][-2:][0]
    spent = os.times().children_user - before
    line = f"{name}: {taken} inputs, {covered} branches, {spent:.0f} s of CPU time, exit {done.returncode}"
    if done.returncode:
        print(said[-6000:], file=sys.stderr)
    return line, done.returncode != 0


def main(seconds: int, names: list[str]) -> int:
    """Fuzz the targets one after another; how many have a find."""
    found = 0
    with contextlib.ExitStack() as stack:
        kept = os.environ.get("FUZZ_CORPUS")
        corpus = Path(kept) if kept else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        finds = Path(tempfile.mkdtemp(prefix="irltui-finds-"))
        for name in names:
            line, has_find = fuzz(name, seconds, corpus / name, finds)
            print(line, flush=True)
            for file in sorted(finds.glob(f"{name}-*")):
                print(f"  {file.name}: {file.read_bytes()[:400]!r}")
            found += has_find
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 180, sys.argv[2:] or list(NAMES)))

"""`python -m irltui`: the same as the console script."""

import sys
from pathlib import Path

# -m puts the current folder first on the path: a random.py in it would run instead of Python's own.
first, home = Path(sys.path[0]).resolve(), Path(__file__).resolve().parents[1]
if not sys.flags.safe_path and first in {Path.cwd()} - {home}:
    del sys.path[0]

from irltui.cli.main import main  # noqa: E402

main()

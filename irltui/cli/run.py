"""`irltui run`: make the run folder, start the engine, follow it to its end."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired

import typer

from irltui.cli import dashboard
from irltui.cli.engine import (
    become_engine,
    console_tail,
    death,
    exit_code,
    is_first_rank,
    signals_to,
    start_engine,
    under_launcher,
)
from irltui.cli.follow import Follower
from irltui.cli.say import has_screen, out, talk
from irltui.cli.sources import Sources
from irltui.cli.summary import summary
from irltui.errors import EXIT_OK, NoRunError
from irltui.runs.folder import RunFolder, create_run_folder, is_run, open_run_folder
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.status import State
from irltui.text import safe

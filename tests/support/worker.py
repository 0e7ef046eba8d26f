"""A worker's command inside the test's process, handed over as the command line does it."""

from __future__ import annotations

from irltui.cli.worker import handed_over
from irltui.config.requests import Request
from irltui.use.__main__ import main


def worked(request: Request) -> int:
    """The exit code of the process that would do what is asked."""
    with handed_over(request) as line:
        return main([line[-1]])

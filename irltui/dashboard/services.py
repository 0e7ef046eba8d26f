"""What the command line does for the dashboard; None where that cannot be done from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from irltui.config.load import Loaded
    from irltui.dashboard.form import Offers
    from irltui.experiments.study import Study
    from irltui.views.answers import Drawn
    from irltui.views.check import Checked


@dataclass(frozen=True)
class Services:
    """Functions that start processes or read more than run folders.

    Attributes:
        launch: makes the folder of a run, or of all runs of a study, starts the work and returns the (first) run's
            folder; the name is a suggestion.
        look: asks the installed plugins, each in a process of its own: a broken one is a problem and no more.
        check: looks at a configuration and tells in rows of so many columns what it found; cancelled, it stops looking.
        report: writes a page about runs and returns its place.
        sample: answers prompts by a run's policy at a strength, so many times each, best first.
    """

    launch: Callable[[Loaded | Study, str], Path] | None = None
    look: Callable[[], Offers] | None = None
    check: Callable[[Loaded | Study, int], Awaitable[Checked]] | None = None
    report: Callable[[Sequence[Path]], Path] | None = None
    sample: Callable[[Path, Sequence[str], float, int], Awaitable[list[tuple[Drawn, ...]]]] | None = None

"""Text for widgets: everything from disk passes `safe` here and becomes Content without markup.

Also what states and phases are called on the screen.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.content import Content
from textual.widgets import Static

from irltui.runs.events import Phase
from irltui.runs.status import State
from irltui.text import safe

STATE_STYLES = {
    State.WAITING: "$text-muted",
    State.STARTING: "$secondary",
    State.RUNNING: "bold $success",
    State.PAUSED: "bold $warning",
    State.FINISHED: "$primary",
    State.STOPPED: "$warning",
    State.PREEMPTED: "$warning",
    State.FAILED: "bold $error",
    State.CRASHED: "bold $error",
}
STATE_MARKS = {
    State.WAITING: "·",
    State.STARTING: "◌",
    State.RUNNING: "●",
    State.PAUSED: "‖",
    State.FINISHED: "✓",
    State.STOPPED: "■",
    State.PREEMPTED: "■",
    State.FAILED: "✗",
    State.CRASHED: "✗",
}
PHASES = {
    Phase.PREPARE: "preparing",
    Phase.SAMPLE: "sampling generations",
    Phase.REFERENCE: "scoring under the reference",
    Phase.UPDATE: "updating the reward",
    Phase.IMPROVE: "improving the policy",
    Phase.EVALUATE: "evaluating",
    Phase.CHECKPOINT: "saving a checkpoint",
    Phase.EXPORT: "exporting the model",
    Phase.PAUSED: "paused",
    Phase.END: "ended",
}
LINE = 400  # characters of one line that are looked at


def shown(text: object, style: str = "", *, lines: bool = False, limit: int = LINE) -> Content:
    """Untrusted text as content."""
    made = safe(text, lines=lines, limit=limit)
    if lines:
        made = made.expandtabs(4)
    return Content.styled(made, style) if style else Content(made)


def tell(widget: Static, content: Content, *, layout: bool = True) -> None:
    """Show a text; nothing is laid out or painted anew where it is what stands there.

    Args:
        widget: that shows it.
        content: the text.
        layout: whether its size may be another than before.
    """
    before = widget.content
    if not isinstance(before, Content) or not content.is_same(before):
        widget.update(content, layout=layout)


def joined(parts: Iterable[Content | str], between: str = "  ") -> Content:
    """Content in a row."""
    return Content(between).join(part if isinstance(part, Content) else Content(part) for part in parts)


def cell(text: object, style: str = "", limit: int = 60) -> Text:
    """Untrusted text as a cell of a table."""
    return Text(safe(text, limit=limit), style=style, no_wrap=True, overflow="ellipsis")


def tail(name: str, room: int) -> str:
    """A name in so many columns; of a long one the end, which tells more."""
    return name if len(name) <= room else f"…{name[1 - room :]}" if room > 1 else "…"


def phase_words(phase: str, algorithm: str = "") -> str:
    """What a phase does; a newer irltui's phase is called by its own name."""
    if phase == Phase.UPDATE and algorithm == "sft":
        return "training"
    return next((words for known, words in PHASES.items() if known == phase), safe(phase, limit=40))

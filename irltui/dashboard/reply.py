"""What came of the last command, in one line: sent, accepted, applied or why not."""

from __future__ import annotations

from irltui.dashboard.keymap import ENGINE, KEYS
from irltui.dashboard.store import OpenRun
from irltui.text import safe
from irltui.views.spans import Row, S

_STATES = {
    "accepted": ("›", "foreground", "accepted, at the next safe point"),
    "applied": ("✓", "good", "applied"),
    "rejected": ("✗", "bad", "rejected"),
    "expired": ("✗", "bad", "expired"),
}
_LATE = 10.0
_KEYS = {key.action: key.shown for key in KEYS if key.scope == ENGINE}


def reply(run: OpenRun) -> Row:
    """The newest answer to a command, whoever sent it since the run was opened here; [] if there is none."""
    if run.pending:
        command, sent = list(run.pending.values())[-1]
        late = run.clock() - sent > _LATE
        words = "no answer yet; the engine answers at its next safe point" if late else "sent"
        return _row(command, "…", "warn" if late else "muted", words)
    answers = [answer for id_, answer in run.history.answers.items() if id_ not in run.old_answers]
    if not answers:
        return []
    newest = answers[-1]
    mark, ink, words = _STATES.get(newest.state, ("·", "muted", safe(newest.state, limit=20)))
    detail = f": {safe(newest.detail, limit=200)}" if newest.detail else ""
    return _row(safe(newest.command, limit=20), mark, ink, words + detail)


def _row(command: str, mark: str, ink: str, words: str) -> Row:
    key = _KEYS.get(f"app.command('{command}')", "")
    head = [S(f" {key} ", "gap", "b", "panel")] if key else [S(" ")]
    return [*head, S(f" {mark} ", ink, "b"), S(f"{command}: {words}", ink)]

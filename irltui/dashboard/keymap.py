"""Every key of the dashboard: the one table from which bindings, footer, help and command palette come.

Lower case acts on the view, upper case on the run. Nothing needs ctrl+a, ctrl+b or a function key.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType

EVERYWHERE, RUNS, CHARTS, RUN, REPLAY, SAMPLES, COMPARE, CHECK, ENGINE = (
    "Everywhere", "Runs", "Charts", "Run", "Replay", "Samples", "Compare", "Check", "The run itself",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One action: `keys` as Textual names them, `shown` as people do; `label` "" keeps it out of the footer."""

    scope: str
    keys: str
    shown: str
    action: str
    label: str
    help: str


KEYS = (
    Key(EVERYWHERE, "1", "1", "app.show_mode('runs')", "", "Runs: all runs of the folder"),
    Key(EVERYWHERE, "2", "2", "app.show_mode('run')", "", "Run: curves of the open run"),
    Key(EVERYWHERE, "3", "3", "app.show_mode('samples')", "", "Samples: what the policy writes"),
    Key(EVERYWHERE, "4", "4", "app.show_mode('compare')", "", "Compare: marked runs side by side"),
    Key(EVERYWHERE, "5", "5", "app.show_mode('check')", "", "Check: data, loss mask and configuration of the open run"),
    Key(EVERYWHERE, "question_mark", "?", "app.show_help", "help", "This help"),
    Key(EVERYWHERE, "t", "t", "app.next_theme", "", "Light or dark"),
    Key(EVERYWHERE, "q", "q", "app.leave", "quit", "Leave; a working engine goes on (asks first)"),
    Key(RUNS, "enter", "enter", "open", "open", "Open the run: attach to it, or look at what it did"),
    Key(RUNS, "space", "space", "mark", "mark", "Mark for Compare"),
    Key(RUNS, "n", "n", "new_run", "new run", "Start a run from a preset"),
    Key(RUNS, "slash", "/", "filter", "filter", "Show only runs whose line holds a text"),
    Key(RUNS, "o", "o", "sort", "order", "Order by time, name, reward gap or held-out loss"),
    Key(CHARTS, "s", "s", "smoothing", "smooth", "Smoothing: off, 5, 20, 100 points; the raw curve stays behind"),
    Key(CHARTS, "l", "l", "log", "", "Logarithmic y"),
    Key(CHARTS, "x", "x", "x_axis", "", "x is steps, tokens or time"),
    Key(CHARTS, "left", "←", "cursor(-1)", "", "Read values: move the cursor left"),
    Key(CHARTS, "right", "→", "cursor(1)", "", "Read values: move the cursor right"),
    Key(CHARTS, "plus,equals_sign", "+", "zoom(1)", "", "Zoom in around the cursor"),
    Key(CHARTS, "minus", "-", "zoom(-1)", "", "Zoom out"),
    Key(CHARTS, "0", "0", "reset_view", "", "Whole curve, no cursor"),
    Key(RUN, "tab", "tab", "next_panel", "", "Next chart"),
    Key(RUN, "shift+tab", "shift+tab", "previous_panel", "", "Previous chart"),
    Key(RUN, "enter", "enter", "enlarge", "enlarge", "One chart on the whole screen, and back"),
    Key(RUN, "right_square_bracket", "]", "page(1)", "more", "More charts"),
    Key(RUN, "left_square_bracket", "[", "page(-1)", "", "Back to the first charts"),
    Key(RUN, "escape", "esc", "back", "", "Back from one chart, then to the runs"),
    Key(RUN, "i", "i", "messages", "messages", "Alerts, answers to commands and the run's log"),
    Key(REPLAY, "r", "r", "replay", "", "Replay the run, or leave the replay"),
    Key(REPLAY, "space", "space", "play", "", "Replay: go on, or hold"),
    Key(REPLAY, "less_than_sign,comma", "<", "scrub(-1)", "", "Replay: a twentieth back"),
    Key(REPLAY, "greater_than_sign,full_stop", ">", "scrub(1)", "", "Replay: a twentieth on"),
    Key(REPLAY, "f", "f", "faster(2)", "", "Replay: twice as fast"),
    Key(REPLAY, "b", "b", "faster(0.5)", "", "Replay: brake, half as fast"),
    Key(SAMPLES, "up", "↑", "prompt(-1)", "", "Previous prompt"),
    Key(SAMPLES, "down", "↓", "prompt(1)", "", "Next prompt"),
    Key(SAMPLES, "left", "←", "iteration(-1)", "", "Earlier outer iteration"),
    Key(SAMPLES, "right", "→", "iteration(1)", "", "Later outer iteration"),
    Key(SAMPLES, "d", "d", "diff", "diff", "Show word changes: none, since previous, against the demonstration"),
    Key(SAMPLES, "c", "c", "colour", "colour", "Colour tokens by their reward"),
    Key(SAMPLES, "slash", "/", "filter", "filter", "Only prompts that hold a text"),
    Key(SAMPLES, "escape", "esc", "back", "", "Back to the curves"),
    Key(COMPARE, "m", "m", "metric(1)", "metric", "Next metric"),
    Key(COMPARE, "M", "M", "metric(-1)", "", "Previous metric"),
    Key(COMPARE, "tab", "tab", "pane", "figures/samples", "Figures, configuration, samples; on a tiny terminal curves"),
    Key(COMPARE, "up", "↑", "prompt(-1)", "", "Previous prompt, or a line up"),
    Key(COMPARE, "down", "↓", "prompt(1)", "", "Next prompt, or a line down"),
    Key(COMPARE, "escape", "esc", "back", "", "Back to the runs"),
    Key(CHECK, "up", "↑", "row(-1)", "", "Previous row of the data"),
    Key(CHECK, "down", "↓", "row(1)", "row", "Next row of the data"),
    Key(CHECK, "tab", "tab", "other_side", "data/config", "Data, or configuration, where both do not fit"),
    Key(CHECK, "a", "a", "all_values", "all values", "Every value, or only those that somebody set"),
    Key(CHECK, "pagedown", "pgdn", "scroll_page(1)", "", "Scroll on"),
    Key(CHECK, "pageup", "pgup", "scroll_page(-1)", "", "Scroll back"),
    Key(CHECK, "escape", "esc", "back", "", "Back to the curves"),
    Key(ENGINE, "P", "P", "app.command('pause')", "pause", "Pause at the next safe point; the model stays loaded"),
    Key(ENGINE, "R", "R", "app.command('resume')", "", "Go on after a pause"),
    Key(ENGINE, "C", "C", "app.command('checkpoint')", "", "Save a checkpoint"),
    Key(ENGINE, "S", "S", "app.command('sample')", "sample", "Answer a prompt of yours, or the fixed ones, now"),
    Key(ENGINE, "N", "N", "app.command('note')", "", "Write a note into the run's log"),
    Key(ENGINE, "X", "X", "app.command('stop')", "stop", "Stop with a checkpoint (asks first)"),
)


def bindings(*scopes: str) -> list[BindingType]:
    """Textual's bindings for these scopes."""
    return [
        Binding(key.keys, key.action, key.label or key.help, show=bool(key.label), key_display=key.shown)
        for scope in scopes
        for key in KEYS
        if key.scope == scope
    ]


def scopes() -> list[str]:
    """All scopes, in the order of the help."""
    return list(dict.fromkeys(key.scope for key in KEYS))

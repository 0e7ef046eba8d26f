"""Every key of the dashboard: the one table from which bindings, footer, help and command palette come.

Lower case acts on the view, upper case on the run. Nothing needs ctrl+a, ctrl+b or a function key.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType

EVERYWHERE, RUNS, NEW, CHARTS, RUN, REPLAY, SAMPLES, COMPARE, CHECK, ENGINE = (
    "Everywhere", "Runs", "New run", "Charts", "Run", "Replay", "Samples", "Compare", "Check", "The run itself",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One action, or a pair of opposite ones with a "/" between their keys and between their actions.

    Attributes:
        keys: as Textual names them.
        shown: as people do.
        label: its word in the footer, "" keeps it out.
        right: whether it stands at the right of the footer, where what acts on the run stands.
    """

    scope: str
    keys: str
    shown: str
    action: str
    label: str
    help: str
    right: bool = False

    @property
    def actions(self) -> list[tuple[str, str]]:
        """Keys and action of each of the two, or of the one."""
        return list(zip(self.keys.split("/"), self.action.split("/"), strict=True))


_PAUSE = "Pause at the next safe point; the model stays loaded"
_SAMPLE = "Answer a prompt of yours, or the fixed ones, now"
KEYS = (
    Key(EVERYWHERE, "1", "1", "app.show_mode('runs')", "", "Runs: all runs of the folder"),
    Key(EVERYWHERE, "2", "2", "app.show_mode('run')", "", "Run: curves of the open run"),
    Key(EVERYWHERE, "3", "3", "app.show_mode('samples')", "", "Samples: what the policy writes"),
    Key(EVERYWHERE, "4", "4", "app.show_mode('compare')", "", "Compare: marked runs, or a run with its start"),
    Key(EVERYWHERE, "5", "5", "app.show_mode('check')", "", "Check: data, loss mask, configuration of the open run"),
    Key(EVERYWHERE, "t", "t", "app.next_theme", "", "Light or dark"),
    Key(EVERYWHERE, "question_mark", "?", "app.show_help", "help", "This help", right=True),
    Key(EVERYWHERE, "q", "q", "app.leave", "quit", "Leave; a working engine goes on (asks first)", right=True),
    Key(RUNS, "enter", "enter", "open", "open", "Open a run, or show and hide the runs of a study"),
    Key(RUNS, "space", "space", "mark", "mark", "Mark for Compare"),
    Key(RUNS, "slash", "/", "filter", "filter", "Show only runs with these words or settings (lr>=1e-5 model~llama)"),
    Key(RUNS, "o", "o", "sort", "order", "Order by name, time, reward gap or held-out loss"),
    Key(RUNS, "a", "a", "mark_shown", "", "Mark all runs that are shown"),
    Key(RUNS, "g", "g", "group", "", "Group by study, algorithm, model or any setting"),
    Key(RUNS, "n", "n", "new_run", "new run", "Fill in and start a run", right=True),
    Key(NEW, "tab", "tab", "app.focus_next", "next field", "Next field"),
    Key(NEW, "up/down", "↑↓", "app.focus_previous/app.focus_next", "", "Previous or next field"),
    Key(NEW, "ctrl+f", "ctrl+f", "search", "search", "Search all options"),
    Key(NEW, "escape", "esc", "leave", "back", "Back to the runs; what was typed stays", right=True),
    Key(NEW, "ctrl+s", "ctrl+s", "start", "start", "Start the run", right=True),
    Key(NEW, "ctrl+l", "ctrl+l", "check", "check", "Look at data and model: rows, loss mask, memory, time", right=True),
    Key(RUN, "tab", "tab", "next_panel(1)", "chart", "Next chart; shift+tab the one before"),
    Key(RUN, "shift+tab", "S-tab", "next_panel(-1)", "", "Previous chart"),
    Key(CHARTS, "left/right", "←→", "cursor(-1)/cursor(1)", "read", "Read values: move the crosshair"),
    Key(CHARTS, "s", "s", "smoothing", "smooth", "Smoothing: 9, 21 points, off, 5; the raw curve stays behind"),
    Key(CHARTS, "l", "l", "log", "", "Logarithmic y"),
    Key(CHARTS, "x", "x", "x_axis", "", "x is steps, tokens or time"),
    Key(CHARTS, "plus,equals_sign/minus", "+-", "zoom(1)/zoom(-1)", "", "Zoom in around the crosshair, or out"),
    Key(CHARTS, "0", "0", "reset_view", "", "Whole curve, no crosshair"),
    Key(RUN, "up/down", "↑↓", "prompt(-1)/prompt(1)", "prompt", "Another prompt of the samples"),
    Key(RUN, "enter", "enter", "enlarge", "enlarge", "One chart on the whole screen, and back"),
    Key(RUN, "left_square_bracket/right_square_bracket", "[]", "page(-1)/page(1)", "more", "Other charts"),
    Key(RUN, "slash", "/", "filter", "filter", "Show only charts whose title or metrics hold a text"),
    Key(RUN, "i", "i", "messages", "messages", "Alerts, answers to commands and the run's log; then the console"),
    Key(RUN, "e", "e", "edit", "", "Edit this run's configuration and start again"),
    Key(RUN, "escape", "esc", "back", "", "Back from one chart, then to the runs"),
    Key(REPLAY, "r", "r", "replay", "", "Replay the run, or leave the replay"),
    Key(REPLAY, "space", "space", "play", "", "Replay: go on, or hold"),
    Key(REPLAY, "less_than_sign,comma/greater_than_sign,full_stop", "<>", "scrub(-1)/scrub(1)", "",
        "Replay: a twentieth back or on"),
    Key(REPLAY, "f/b", "fb", "faster(2)/faster(0.5)", "", "Replay: twice as fast, or half"),
    Key(SAMPLES, "up/down", "↑↓", "prompt(-1)/prompt(1)", "prompt", "Another prompt"),
    Key(SAMPLES, "left/right", "←→", "iteration(-1)/iteration(1)", "iteration", "Earlier or later outer iteration"),
    Key(SAMPLES, "d", "d", "diff", "changes", "Show word changes: since previous, against the demonstration, none"),
    Key(SAMPLES, "c", "c", "colour", "token rewards", "Colour tokens by their reward"),
    Key(SAMPLES, "h/l", "hl", "token(-1)/token(1)", "", "Token rewards: read another token"),
    Key(SAMPLES, "left_square_bracket/right_square_bracket", "[]", "strength(-1)/strength(1)", "strength",
        "The same prompts at strengths 1 to 5, beside the start model and SFT"),
    Key(SAMPLES, "n", "n", "best", "best of 8", "Eight answers to each prompt, best reward first"),
    Key(SAMPLES, "pageup/pagedown", "pgup pgdn", "scroll_page(-1)/scroll_page(1)", "", "Scroll"),
    Key(SAMPLES, "slash", "/", "filter", "filter", "Only prompts that hold a text"),
    Key(SAMPLES, "escape", "esc", "back", "", "Back to the curves"),
    Key(COMPARE, "up,M/down,m", "↑↓", "metric(-1)/metric(1)", "metric", "Another metric; in samples another prompt"),
    Key(COMPARE, "tab", "tab", "pane", "samples", "Figures, arms of a study, samples, settings that differ"),
    Key(COMPARE, "slash", "/", "filter", "find", "Show only metrics that hold a text"),
    Key(COMPARE, "b", "b", "base", "other base", "Compare with another arm"),
    Key(COMPARE, "o", "o", "arm", "other arm", "Look at another arm"),
    Key(COMPARE, "e", "e", "report", "save report", "Save the comparison as a page", right=True),
    Key(COMPARE, "escape", "esc", "app.show_mode('runs')", "", "Back to the runs"),
    Key(CHECK, "up/down", "↑↓", "row(-1)/row(1)", "row", "Another row of the data"),
    Key(CHECK, "tab", "tab", "other_side", "data/config", "Data, or configuration, where both do not fit"),
    Key(CHECK, "a", "a", "all_values", "all values", "Every value, or only those that somebody set"),
    Key(CHECK, "pageup/pagedown", "pgup pgdn", "scroll_page(-1)/scroll_page(1)", "", "Scroll"),
    Key(CHECK, "escape", "esc", "app.show_mode('run')", "", "Back to the curves"),
    Key(ENGINE, "P", "P", "app.command('pause')", "pause", _PAUSE, right=True),
    Key(ENGINE, "R", "R", "app.command('resume')", "", "Go on after a pause", right=True),
    Key(ENGINE, "S", "S", "app.command('sample')", "sample", _SAMPLE, right=True),
    Key(ENGINE, "C", "C", "app.command('checkpoint')", "checkpoint", "Save a checkpoint", right=True),
    Key(ENGINE, "X", "X", "app.command('stop')", "stop", "Stop with a checkpoint (asks first)", right=True),
    Key(ENGINE, "N", "N", "app.command('note')", "", "Write a note into the run's log", right=True),
)  # fmt: skip


_FIRST = {"scroll_page(1)", "scroll_page(-1)", "metric(1)", "metric(-1)"}
"""Actions whose keys a list on the screen has, too."""


def keys_of(*scopes: str) -> list[Key]:
    return [key for key in KEYS if key.scope in scopes]


def bindings(*scopes: str) -> list[BindingType]:
    return [
        Binding(keys, action, key.label or key.help, priority=action in _FIRST or keys.startswith("ctrl+"))
        for key in keys_of(*scopes)
        for keys, action in key.actions
    ]


def scopes() -> list[str]:
    return list(dict.fromkeys(key.scope for key in KEYS))

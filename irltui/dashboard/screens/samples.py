"""Samples: what the policy answers to the fixed prompts, from the start to now, beside the demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from irltui.dashboard.content import joined, shown
from irltui.dashboard.keymap import ENGINE, EVERYWHERE, REPLAY, SAMPLES, bindings
from irltui.dashboard.messages import LineEntered, LineLeft
from irltui.dashboard.palette import Ink
from irltui.dashboard.screens.replayed import Replayed
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.dashboard.widgets.sample_text import caption, changes, coloured, iteration, plain
from irltui.dashboard.widgets.status_line import StatusLine
from irltui.runs.records import Sample
from irltui.views.replay import Moment

_WIDE, _LIST_FROM, _SHORT = 120, 100, 16
DIFFS = ("off", "since previous", "against demonstration")
_COLUMNS = ("demonstration", "start", "previous", "now")


@dataclass(frozen=True)
class Row:
    """One prompt: the answers that stand beside each other."""

    prompt: str
    demonstration: str
    start: Sample | None
    previous: Sample | None
    now: Sample | None


class SamplesScreen(Replayed):
    """Prompts by outer iterations."""

    CSS_PATH = "samples.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(SAMPLES, REPLAY, ENGINE, EVERYWHERE)

    def __init__(self) -> None:
        super().__init__()
        self._prompt, self._back = 0, 0  # `_back` outer iterations before the newest
        self._diff, self._coloured, self._filter = 1, False, ""

    def compose(self) -> ComposeResult:
        """Status, scrubber, prompts, four texts."""
        yield StatusLine()
        yield Static(id="scrubber")
        with Horizontal():
            yield Static(id="prompts")
            with Vertical():
                with VerticalScroll(id="prompt", can_focus=False):
                    yield Static()
                with Grid(id="texts"):
                    for name in _COLUMNS:
                        with Vertical(classes="column"):
                            yield Static(id=f"{name}-title", classes="caption")
                            with VerticalScroll(can_focus=False):
                                yield Static(id=name)
        yield FilterLine()
        yield Footer(show_command_palette=False, compact=True)

    # -- what is shown ---------------------------------------------------------------------------

    def draw(self) -> None:
        """Show the prompt and its answers."""
        run, moment = self.store.current, self.moment
        if run is None or moment is None:
            return
        self.draw_head()
        self._lay_out()
        sampled = moment.sampled()
        self._back = max(0, min(self._back, len(sampled) - 1))
        at = len(sampled) - 1 - self._back
        keys = self._keys(moment)
        self._prompt = max(0, min(self._prompt, len(keys) - 1))
        self.query_one("#scrubber", Static).update(self._scrubber(sampled, at, len(keys)))
        self._draw_list(moment, keys)
        if not keys:
            words = "No prompt matches the filter." if self._filter else "No samples yet: they come when an outer "
            self._draw(Row(words + ("" if self._filter else "iteration ends, or now with S."), "", None, None, None))
        else:
            self._draw(_row(moment, keys[self._prompt], sampled, at))

    def _lay_out(self) -> None:
        """Four texts in a row or in a square; of a tiny terminal, the two that matter most."""
        tiny = self.size.height < _SHORT
        columns = (2, 1) if tiny else (4, 1) if self.size.width >= _WIDE else (2, 2)
        grid = self.query_one("#texts", Grid)
        grid.styles.grid_size_columns, grid.styles.grid_size_rows = columns
        for name, column in zip(_COLUMNS, self.query(".column"), strict=True):
            column.display = not tiny or name in {"demonstration", "now"}

    def _keys(self, moment: Moment) -> list[str]:
        """Prompt ids in the order of their first answers, typed prompts behind."""
        found: dict[str, str] = {}
        for t in moment.sampled():
            found |= {key: sample.prompt for key, sample in moment.samples(t).items() if key not in found}
        found |= {f"asked {i}": sample.prompt for i, sample in enumerate(moment.asked())}
        wanted = self._filter.casefold()
        return [key for key, prompt in found.items() if wanted in prompt.casefold()]

    def _scrubber(self, sampled: list[int], at: int, prompts: int) -> Content:
        parts = [
            Content.styled(f" {iteration(t)} ", "bold reverse" if i == at else "$secondary")
            for i, t in enumerate(sampled)
        ]
        place = Content(f"prompt {self._prompt + 1}/{prompts} ↑↓   iteration ←→ " if prompts else "")
        modes = f"diff {DIFFS[self._diff]}{', tokens by reward' if self._coloured else ''}"
        return joined([place, Content("").join(parts), Content.styled(modes, "$accent")])

    def _draw_list(self, moment: Moment, keys: list[str]) -> None:
        panel = self.query_one("#prompts", Static)
        panel.display = self.size.width >= _LIST_FROM
        if not panel.display:
            return
        first = max(0, self._prompt - 5)
        lines = []
        for i, key in enumerate(keys[first : first + self.size.height], first):
            prompt = _find(moment, key)
            chosen = i == self._prompt
            lines.append(shown(prompt.prompt if prompt else "", "reverse" if chosen else "", limit=26))
        panel.update(Content("\n").join(lines))

    def _draw(self, row: Row) -> None:
        theme = self.app.current_theme
        ink = Ink(theme.background or "#000000", theme.dark)
        self.query_one("#prompt > Static", Static).update(plain(row.prompt))
        base = {1: row.previous.generation if row.previous else None, 2: row.demonstration}.get(self._diff)
        for name in _COLUMNS:
            title, text = self.query_one(f"#{name}-title", Static), self.query_one(f"#{name}", Static)
            if name == "demonstration":
                title.update(Content.styled(name, "bold"))
                text.update(plain(row.demonstration))
                continue
            sample: Sample | None = getattr(row, name)
            title.update(caption(name, sample))
            if sample is None:
                text.update(Content.styled("-", "$secondary"))
            elif self._coloured:
                text.update(coloured(sample, ink))
            elif name == "now" and base is not None:
                text.update(changes(base, sample.generation))
            else:
                text.update(plain(sample.generation))

    # -- keys ------------------------------------------------------------------------------------

    def action_prompt(self, direction: int) -> None:
        """Another prompt."""
        self._prompt = max(0, self._prompt + direction)
        self.redraw()

    def action_iteration(self, direction: int) -> None:
        """Another outer iteration."""
        self._back -= direction
        self.redraw()

    def action_diff(self) -> None:
        """What changes are shown against."""
        self._diff = (self._diff + 1) % len(DIFFS)
        self.redraw()

    def action_colour(self) -> None:
        """Tokens by reward, or words."""
        self._coloured = not self._coloured
        self.redraw()

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterLine).begin()

    def on_line_entered(self, event: LineEntered) -> None:
        """Filter while it is typed."""
        self._filter = event.text
        self.redraw()

    def on_line_left(self, event: LineLeft) -> None:
        """Keys are the screen's again."""
        self.set_focus(None)

    def action_back(self) -> None:
        """From the replay to now, then to the curves."""
        if self.replay:
            self.action_replay()
            return
        self.dashboard.action_show_mode("run")


def _find(moment: Moment, key: str) -> Sample | None:
    """The newest answer to a prompt."""
    if key.startswith("asked "):
        return moment.asked()[int(key.removeprefix("asked "))]
    answers = [moment.samples(t)[key] for t in moment.sampled() if key in moment.samples(t)]
    return answers[-1] if answers else None


def _row(moment: Moment, key: str, sampled: list[int], at: int) -> Row:
    newest = _find(moment, key)
    if newest is None or key.startswith("asked "):
        return Row(newest.prompt if newest else "", "", None, None, newest)
    start, now = moment.samples(sampled[0]).get(key), moment.samples(sampled[at]).get(key)
    previous = moment.samples(sampled[at - 1]).get(key) if at > 0 else None
    return Row(newest.prompt, newest.demonstration, start, previous, now)

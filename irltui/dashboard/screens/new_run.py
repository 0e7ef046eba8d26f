"""New run: a preset, a table of every option, and one line to change the chosen one; checked while it is typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from irltui.api.registry import Registry
from irltui.config.load import Loaded
from irltui.config.presets import presets
from irltui.dashboard.content import cell, joined, shown
from irltui.dashboard.form import NO_OFFERS, Form, Offers, Option
from irltui.dashboard.screens.preview import Check, PreviewScreen
from irltui.errors import IrltuiError
from irltui.experiments.study import Study

Launch = Callable[[Loaded | Study, str], Path]
"""Makes the folder of a run, or of all runs of a study, starts the work and returns the (first) run's folder; the name
is a suggestion."""


Look = Callable[[], Offers]
"""Asks the installed plugins, in processes of their own, so that a broken one shows as a problem and no more."""

_WIDE = 60


class NewRunScreen(ModalScreen[Path | None]):
    """Fill in a run and start it.

    Args:
        launch: starts it.
        look: finds out what installed plugins offer, which takes a moment; None offers the built-in parts alone.
        check: looks at data and model of what is filled in; None if that cannot be done.
        source: a configuration to begin with, "" for the first preset.
    """

    CSS_PATH = "new_run.tcss"
    AUTO_FOCUS = "#options"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "preset", "preset"),
        Binding("enter", "edit", "change"),
        Binding("space", "choose", "choice"),
        Binding("backspace", "take_back", "take back"),
        Binding("slash", "filter", "filter"),
        Binding("C", "check", "check it"),
        Binding("R", "start", "run it"),
        Binding("escape", "leave", "close"),
    ]

    def __init__(self, launch: Launch, look: Look | None = None, check: Check | None = None, source: str = "") -> None:
        super().__init__()
        self._launch, self._look, self._check, self._offers = launch, look, check, NO_OFFERS
        self._presets = presets()
        self._form = Form(source or next(iter(self._presets), ""))
        self._registry = Registry()
        self._options: list[Option] = []
        self._problems: list[str] = []
        self._filter = ""
        self._edited: Option | None = None  # None while the line filters
        self._said = ""

    def compose(self) -> ComposeResult:
        """Head, options, the line, help and problems."""
        with Vertical(id="form"):
            yield Static(id="form-head")
            yield DataTable[Text](id="options", cursor_type="row")
            yield Input(id="line", compact=True, disabled=True)
            yield Static(id="form-help")
            yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show the first preset."""
        table = self.query_one("#options", DataTable)
        for name in ("option", "value", "from"):
            table.add_column(Text(name), key=name)
        self._show(self._form)
        if self._look is not None:
            self.run_worker(self._ask(self._look), name="plugins")

    async def _ask(self, look: Look) -> None:
        self._offers = await asyncio.to_thread(look)
        self._show(self._form)

    # -- drawing ---------------------------------------------------------------------------------

    def _show(self, form: Form) -> None:
        self._problems = form.problems()
        everything = form.options(self._registry, self._problems, self._offers)
        self._options = [option for option in everything if self._filter in option.key]
        table = self.query_one("#options", DataTable)
        row = table.cursor_row
        table.clear()
        for option in self._options:
            style = "bold red" if option.problem else "bold" if option.origin else "dim"
            value = option.value or ("(required)" if option.problem else "-")
            table.add_row(
                cell(option.key, limit=40 if self.size.width >= _WIDE else 22),
                cell(value, style, limit=60),
                cell(option.origin, "dim", limit=30),
            )
        table.move_cursor(row=min(row, max(0, len(self._options) - 1)), animate=False)
        state = "ready: R runs it" if not self._problems else f"{len(self._problems)} to settle"
        self.query_one("#form-head", Static).update(
            joined(
                [
                    Content.styled("New run", "bold $primary"),
                    Content.assemble("preset ", (form.preset, "bold")),
                    Content.styled(state, "$success" if not self._problems else "$warning"),
                    Content.styled(self._presets.get(form.preset, ""), "$secondary"),
                ]
            )
        )
        self._draw_help()

    def _draw_help(self) -> None:
        option = self._edited or self.chosen
        lines = [Content.styled("", "")]
        if option:
            choices = f"  one of {', '.join(option.choices)}" if option.choices else ""
            lines = [Content.assemble((option.key, "bold"), "  ", shown(option.help), choices)]
        problem = self._said or (option.problem if option else "") or next(iter(self._problems), "")
        if problem:
            lines.append(shown(problem, "$error"))
        self.query_one("#form-help", Static).update(Content("\n").join(lines))

    @property
    def chosen(self) -> Option | None:
        """The option under the cursor."""
        row = self.query_one("#options", DataTable).cursor_row
        return self._options[row] if 0 <= row < len(self._options) else None

    def on_data_table_row_highlighted(self) -> None:
        """Explain another option."""
        self._draw_help()

    def on_data_table_row_selected(self) -> None:
        """Enter and a click change it."""
        self.action_edit()

    # -- keys ------------------------------------------------------------------------------------

    def action_preset(self) -> None:
        """The next preset; what was typed stays."""
        names = list(self._presets)
        at = names.index(self._form.preset) if self._form.preset in names else -1
        following = names[(at + 1) % len(names)]
        self._form = Form(following, self._form.typed)
        self._show(self._form)

    def action_edit(self) -> None:
        """Type a value for the chosen option."""
        if option := self.chosen:
            self._edited = option
            self._type(self._form.typed.get(option.key, option.value), f"{option.key} = ...")

    def action_filter(self) -> None:
        """Type a filter."""
        self._edited = None
        self._type(self._filter, "filter options")

    def _type(self, text: str, hint: str) -> None:
        line = self.query_one("#line", Input)
        line.disabled = False
        line.placeholder = hint
        line.value = text
        line.focus()

    def action_choose(self) -> None:
        """The next of the words that the chosen option may be."""
        option = self.chosen
        if option and option.choices:
            now = option.value.strip('"')
            at = option.choices.index(now) if now in option.choices else -1
            self._keep(option.key, option.choices[(at + 1) % len(option.choices)])

    def action_take_back(self) -> None:
        """The preset's value again."""
        if option := self.chosen:
            self._keep(option.key, "")

    def _keep(self, key: str, text: str) -> None:
        self._said = ""
        self._form = self._form.with_value(key, text)
        self._show(self._form)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check while it is typed."""
        if self.query_one("#line", Input).disabled:
            return
        if self._edited is None:
            self._filter = event.value
            self._show(self._form)
        else:
            tried = self._form.with_value(self._edited.key, event.value)
            self._said = next((line for line in tried.problems() if f"{self._edited.key}:" in line), "")
            self._draw_help()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep what was typed."""
        edited, self._edited = self._edited, None
        self._close_line()
        if edited:
            unchanged = event.value == edited.value and edited.key not in self._form.typed
            self._keep(edited.key, self._form.typed.get(edited.key, "") if unchanged else event.value)

    def _close_line(self) -> None:
        line = self.query_one("#line", Input)
        line.disabled = True
        self.query_one("#options").focus()

    def action_leave(self) -> None:
        """Out of the line, then out of the form."""
        if self.query_one("#line", Input).disabled:
            self.dismiss(None)
            return
        self._said, self._edited = "", None
        self._close_line()
        self._draw_help()

    def action_check(self) -> None:
        """Look at data and model first, if nothing is wrong with the form."""
        if self._check is None:
            self._say("Check with `irltui check`.")
            return
        try:
            self.app.push_screen(PreviewScreen(self._check, self._form.load()))
        except IrltuiError as error:
            self._say(str(error))

    def action_start(self) -> None:
        """Start the run, if nothing is wrong."""
        try:
            loaded = self._form.load()
            name = self._form.preset if self._form.preset in self._presets else "again"
            path = self._launch(loaded, name)
        except (IrltuiError, OSError) as error:
            self._say(str(error))
            return
        self.dismiss(path)

    def _say(self, text: str) -> None:
        self._said = text.splitlines()[0]
        self._draw_help()

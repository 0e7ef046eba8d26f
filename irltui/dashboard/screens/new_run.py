"""New run: eight fields that matter, the data beside them, everything else folded with a search, one way to start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input

from irltui.api.registry import Registry
from irltui.config.presets import presets
from irltui.config.toml import value as as_toml
from irltui.dashboard.data_peek import PathSuggester, Peek, guessed, peek
from irltui.dashboard.form import NO_OFFERS, Form, Offers, Option
from irltui.dashboard.keymap import NEW, bindings
from irltui.dashboard.new_run_rows import data_rows, explained, option_rows, start_row
from irltui.dashboard.screens.base import MainScreen
from irltui.dashboard.screens.page import PreviewScreen
from irltui.dashboard.verdicts import (
    ANSWER,
    DATA,
    FIELDS,
    INKS,
    METHOD,
    METHODS,
    MODEL,
    NAME,
    PROMPT,
    TEXTS,
    WRONG,
    verdicts,
)
from irltui.dashboard.widgets.lines import Lines
from irltui.errors import IrltuiError
from irltui.views.spans import S, fit

_LABEL = 15
_OTHER_ROWS = 26  # of the form, without the options
AGAIN = "again"
"""What a configuration is called that is no preset."""
_KEYS = {field.id: field.key for field in FIELDS}


class Method(Lines):
    """A choice in one line: all are seen, the chosen one is reversed."""

    def pick(self, names: list[str], chosen: str) -> None:
        """Show the choice."""
        names = names if chosen in names else [AGAIN, *names]
        here = chosen if chosen in names else AGAIN
        while names[0] != here and sum(len(name) + 2 for name in names[: names.index(here) + 1]) > self.room > 0:
            names = names[1:]
        fits = [i for i in range(len(names) + 1) if sum(len(name) + 2 for name in names[:i]) < self.room]
        left_out = names[fits[-1] :] if fits else []
        names = names[: fits[-1]] if fits else names
        looks = {True: ("background", "b", "foreground"), False: ("muted", "", "")}
        self.say([*(S(f" {name} ", *looks[name == here]) for name in names), S("›" if left_out else "", "muted")])


class NewRunScreen(MainScreen):
    """Fill in a run and start it; what was typed stays until it is started."""

    SCOPES = (NEW,)
    BINDINGS: ClassVar[list[BindingType]] = bindings(NEW)

    def __init__(self) -> None:
        super().__init__()
        names = list(presets())
        self._presets = [*(name for name in METHODS if name in names), *(name for name in names if name not in METHODS)]
        self._registry = Registry()
        self._offers = NO_OFFERS
        self._options: list[Option] = []
        self._problems: list[str] = []
        self._open: frozenset[str] = frozenset()  # sections that are unfolded
        self._rows: list[Option | str] = []
        self._edited: Option | None = None
        self._found = Peek()
        self._facts: tuple[Form | None, Sequence[tuple[str, str]]] = None, ()  # of a check, and the form it looked at

    def body(self) -> ComposeResult:
        with Horizontal(id="both"):
            with VerticalScroll(id="fields", can_focus=False):
                for field in FIELDS:
                    with Horizontal(classes="field"):
                        yield Lines(f"name-{field.id}", classes="one name")
                        if field.id == METHOD:
                            yield Method("in-method", selectable=True, classes="one")
                        else:
                            paths = PathSuggester() if field.id in {MODEL, DATA} else None
                            yield Input(id=f"in-{field.id}", compact=True, suggester=paths)
                    yield Lines(f"why-{field.id}", classes="one")
                yield Lines("start", classes="one", selectable=True)
                with Horizontal(classes="field"):
                    yield Lines("name-more", classes="one name")
                    yield Input(id="in-search", compact=True, placeholder="search all options: beta, seed, lora")
                yield Lines("more", selectable=True)
                yield Input(id="edit", compact=True)
                yield Lines("explained")
            yield Lines("data")

    # -- what is filled in ------------------------------------------------------------------------

    @property
    def form(self) -> Form:
        return self.dashboard.draft

    @form.setter
    def form(self, form: Form) -> None:
        self.dashboard.draft = form
        self._look_at_form()

    @property
    def name(self) -> str:
        typed = self.query_one("#in-name", Input).value if self._is_composed else ""
        return typed or (self.form.preset if self.form.preset in self._presets else AGAIN)

    def on_mount(self) -> None:
        self.query_one("#in-model").focus()
        self._fill()
        if self.dashboard.services.look is not None:
            self.run_worker(self._ask(self.dashboard.services.look), name="plugins")

    async def _ask(self, look: Callable[[], Offers]) -> None:
        self._offers = await asyncio.to_thread(look)
        self._look_at_form()

    def _fill(self) -> None:
        for id_, key in _KEYS.items():
            if key:
                with self.prevent(Input.Changed):
                    self.query_one(f"#in-{id_}", Input).value = self.form.typed.get(key, "").strip('"')
        self._look_at_form()

    def _look_at_form(self) -> None:
        values = {option.key: option.value for option in self.form.options(self._registry, [], self._offers)}
        source = values.get("data.source", "").strip('"')
        self._found = peek(source)
        self._problems = self.form.problems()
        self._options = self.form.options(self._registry, self._problems, self._offers)
        self.redraw()

    def _with_columns(self) -> Form:
        """The form with the columns that were found in the file, where none was typed."""
        form = self.form
        for id_, name in zip((PROMPT, ANSWER), guessed(self._found), strict=True):
            if name and _KEYS[id_] not in form.typed:
                form = form.with_value(_KEYS[id_], as_toml(name))
        return form

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self) -> None:
        values = {option.key: option.value for option in self._options}
        said = verdicts(self.form, values, self._problems, self._found, self.name)
        for field in FIELDS:
            here = self.focused is not None and self.focused.id == f"in-{field.id}"
            label = S(field.name, "gap" if here else "foreground", "b" if here else "")
            self.say(f"name-{field.id}", [S("▎" if here else " ", "accent"), label])
            verdict = said[field.id]
            ink = INKS.get(verdict.mark, "muted")
            room = max(self.query_one(f"#why-{field.id}", Lines).size.width - _LABEL - 2, 12)
            mark = S(f"{verdict.mark} " if verdict.mark else "", ink, "b")
            words = S(fit(verdict.words, room), "bad" if verdict.mark == WRONG else "muted")
            self.say(f"why-{field.id}", [S(" " * _LABEL), mark, words])
        self.query_one("#in-method", Method).pick(self._presets, self.form.preset)
        self._draw_placeholders(values)
        wrong = [field.name.lower() for field in FIELDS if said[field.id].mark == WRONG]
        others = [line for line in self._problems if not any(f"{key}:" in line for key in _KEYS.values() if key)]
        room = self.query_one("#start", Lines).size.width
        self.say("start", start_row(self._problems, [*wrong, *others], self._found, values, room))
        self.say("name-more", [S(" More", "foreground", "b")])
        wanted = self.query_one("#in-search", Input).value
        rows, self._rows = option_rows(self._options, wanted, self._open, self.query_one("#more", Lines).room)
        self.say("more", *rows)
        more = self.query_one("#more", Lines)
        more.styles.height = min(max(len(rows), 1), max(self.query_one("#fields").size.height - _OTHER_ROWS, 8))
        self._explain()
        columns = self._with_columns().typed
        names = [columns.get(_KEYS[id_], "").strip('"') for id_ in (PROMPT, ANSWER)]
        panel = self.query_one("#data", Lines)
        facts = self._facts[1] if self._facts[0] == self.form else ()
        panel.say(*data_rows(self._found, names[0], names[1], values, facts, (panel.room - 1, panel.size.height)))

    @on(Lines.Moved, "#more")
    def moved(self) -> None:
        self._explain()

    def _explain(self) -> None:
        option = self._edited or self._option()
        room = self.query_one("#explained", Lines).room - 1
        self.say("explained", *explained(option, self._offers.problems, room))

    def _draw_placeholders(self, values: dict[str, str]) -> None:
        found = dict(zip((PROMPT, ANSWER), guessed(self._found), strict=True))
        for id_, key in _KEYS.items():
            if key:
                default = values.get(key, "").strip('"')
                self.query_one(f"#in-{id_}", Input).placeholder = found.get(id_) or default
        self.query_one(f"#in-{NAME}", Input).placeholder = self.name

    # -- typing ----------------------------------------------------------------------------------

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """Check while it is typed; a good value clears its error."""
        id_ = (event.input.id or "").removeprefix("in-")
        key = _KEYS.get(id_, "")
        if id_ == "edit":
            return
        if not key:
            self.redraw()
            return
        text = as_toml(event.value) if id_ in TEXTS and event.value else event.value
        self.form = self.form.with_value(key, text)

    @on(Input.Submitted)
    def kept(self, event: Input.Submitted) -> None:
        """Enter goes to the next field, or keeps an option."""
        if event.input.id == "in-search":
            self.query_one("#more").focus()
            return
        if event.input.id != "edit":
            self.app.action_focus_next()
            return
        if (option := self._edited) is not None and event.value != option.value:
            self.form = self.form.with_value(option.key, event.value)
        self._close_editor()

    def _close_editor(self) -> None:
        self._edited = None
        self.query_one("#edit").remove_class("on")
        self.query_one("#more").focus()
        self.redraw()

    def on_descendant_focus(self) -> None:
        if self._is_composed:
            self.redraw()

    def on_key(self, event: events.Key) -> None:
        focused = self.focused.id if self.focused is not None else ""
        if focused == "more":
            actions = {"enter": self._enter_option, "space": self._next_choice, "backspace": self._take_back}
        elif focused == "in-method":
            actions = {
                "left": lambda: self._method(-1),
                "right": lambda: self._method(1),
                "enter": lambda: self._method(1),
            }
        elif focused == "start":
            actions = {"enter": self.action_start}
        else:
            return
        if event.key in actions:
            event.stop()
            actions[event.key]()

    def _method(self, by: int) -> None:
        at = self._presets.index(self.form.preset) if self.form.preset in self._presets else -1
        self.form = Form(self._presets[(at + by) % len(self._presets)], self.form.typed)

    def _option(self) -> Option | str | None:
        at = self.query_one("#more", Lines).index
        return self._rows[at] if 0 <= at < len(self._rows) else None

    def _enter_option(self) -> None:
        found = self._option()
        if isinstance(found, str):
            self._open ^= {found}
            self.redraw()
        elif found is not None:
            self._edited = found
            editor = self.query_one("#edit", Input)
            editor.add_class("on")
            editor.value = self.form.typed.get(found.key, found.value)
            editor.placeholder = f"{found.key} = ..."
            editor.focus()

    def _next_choice(self) -> None:
        found = self._option()
        if isinstance(found, Option) and found.choices:
            now = found.value.strip('"')
            at = found.choices.index(now) if now in found.choices else -1
            self.form = self.form.with_value(found.key, found.choices[(at + 1) % len(found.choices)])

    def _take_back(self) -> None:
        found = self._option()
        if isinstance(found, Option):
            self.form = self.form.with_value(found.key, "")

    # -- keys ------------------------------------------------------------------------------------

    def action_search(self) -> None:
        self.query_one("#in-search").focus()
        self.query_one("#more").scroll_visible(animate=False)

    def action_leave(self) -> None:
        if self._edited is not None:
            self._close_editor()
            return
        self.dashboard.action_show_mode("runs")

    def action_check(self) -> None:
        check = self.dashboard.services.check
        if check is None:
            self.answer("ctrl+l", "check with irltui check", "warn")
            return
        try:
            loaded = self._with_columns().load()
        except IrltuiError as error:
            self.answer("ctrl+l", str(error).splitlines()[0], "bad", WRONG)
            return
        self.app.push_screen(PreviewScreen(check, loaded), partial(self._checked, self.form))

    def _checked(self, form: Form, facts: tuple[tuple[str, str], ...] | None) -> None:
        self._facts = form, facts or ()
        self.redraw()

    def action_start(self) -> None:
        if problem := self.dashboard.start(self._with_columns(), self.name):
            self.answer("ctrl+s", problem, "bad", WRONG)

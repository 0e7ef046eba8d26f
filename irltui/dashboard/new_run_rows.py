"""Rows of the form of a new run: the button, the folded options, the data as they will be trained on. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from irltui.dashboard.data_peek import Peek, Shown, shown_rows
from irltui.dashboard.form import Option
from irltui.dashboard.verdicts import FIELDS
from irltui.text import safe
from irltui.views.spans import Row, S, fit, flow, quoted

_LOSS = "demonstration~32"
_LONGEST, _MOST_BROKEN = 400, 3


def start_row(problems: Sequence[str], wrong: Sequence[str], found: Peek, values: Mapping[str, str], room: int) -> Row:
    """The button: green if nothing is missing, with what it will take; else what to correct."""
    ready = not problems and not wrong
    look = ("background", "b", "good") if ready else ("muted", "b", "panel")
    button: Row = [S(" " * 14), S("  Start  ", *look), S("  ctrl+s  ", "muted")]
    left = max(room - 36, 10)
    if ready:
        steps = planned_steps(found, values)
        return [*button, S(fit(f"{steps} steps; ctrl+l checks" if steps else "ctrl+l checks first", left), "muted")]
    keys = [line.partition(":")[0].rpartition(" ")[2] for line in problems]
    missing = [next((field.name.lower() for field in FIELDS if field.key == key), key) for key in keys]
    names = ", ".join(dict.fromkeys([*wrong, *missing])) if wrong else ", ".join(dict.fromkeys(missing))
    return [
        *button,
        S(fit(f"correct {safe(names, limit=200)}" if wrong else f"missing: {safe(names, limit=200)}", left), "warn"),
    ]


def planned_steps(found: Peek, values: Mapping[str, str]) -> int:
    """Optimizer steps of the whole run, 0 if that cannot be known here."""
    try:
        batch, passes = int(values.get("loop.batch", "0")), int(values.get("loop.passes", "1"))
        held = float(values.get("data.held_out", "0"))
    except ValueError:
        return 0
    train = found.count - min(round(found.count * held), int(values.get("data.max_held_out", "128") or 128))
    return math.ceil(train / batch) * passes if batch and found.count else 0


def option_rows(
    options: Sequence[Option], wanted: str, unfolded: frozenset[str], room: int
) -> tuple[list[Row], list[Option | str]]:
    """Sections with their options, folded unless asked for; with a search only what it finds; and what each row is."""
    words = wanted.casefold().split()
    sections: dict[str, list[Option]] = {}
    for option in options:
        text = f"{option.key} {option.help}".casefold()
        if all(word in text for word in words):
            sections.setdefault(option.key.partition(".")[0], []).append(option)
    rows: list[Row] = []
    meant: list[Option | str] = []
    for name, found in sections.items():
        is_open = bool(words) or name in unfolded
        typed = sum(option.origin == "typed" for option in found)
        note = f"{typed} set here" if typed else "as the method"
        rows.append(
            [S("▾ " if is_open else "▸ ", "muted"), S(f"{name:<16}"), S(f"{len(found):>3} options, {note}", "muted")]
        )
        meant.append(name)
        if is_open:
            rows += [_option_row(option, room) for option in found]
            meant += found
    return rows, meant


def _option_row(option: Option, room: int) -> Row:
    ink = "bad" if option.problem else "gap" if option.origin == "typed" else "muted"
    value = option.value or ("(required)" if option.problem else "none")
    key = S(f"    {fit(option.key, 32)} ", "foreground")
    return [key, S(fit(value, max(room - 38, 8)), ink, "b" if option.origin == "typed" else "")]


def explained(option: Option | str | None, broken: Sequence[str], room: int) -> list[Row]:
    """What is wrong with an option, else what it means and may be; before it the plugins that do not load."""
    rows: list[Row] = [[S("! ", "warn", "b"), S(fit(line, room - 2), "warn")] for line in broken[:_MOST_BROKEN]]
    return [*rows, *(_explained(option, room) if isinstance(option, Option) else [])]


def _explained(option: Option, room: int) -> list[Row]:
    if option.problem:
        return flow([S(safe(option.problem), "bad")], room)[:3]
    choices = f" One of {', '.join(option.choices)}: space takes the next." if option.choices else ""
    return flow([S(safe(option.help + choices), "muted")], room)[:3]


def data_rows(
    found: Peek,
    prompt: str,
    answer: str,
    values: Mapping[str, str],
    facts: Sequence[tuple[str, str]],
    size: tuple[int, int],
) -> list[Row]:
    """The columns, the first rows with the part with loss shaded, and what the run will take."""
    head: list[Row] = [[S("What will be trained on", "foreground", "b")], [S("")]]
    room, height = max(size[0], 20), size[1]
    if not found.rows:
        words = found.note or "Rows of your file appear here, the part with loss shaded, as soon as it can be read."
        rest = [[], *_cost(found, values, facts)[2:]] if found.note else []
        return [*head, *flow([S(words, "muted")], room), *rest]
    names: Row = []
    for name in found.columns:
        use = "prompt" if name == prompt else "answer" if name == answer else ""
        names += [S(safe(name, limit=40), "gap" if use else "muted", "b" if use else "")]
        names += [S(f" → {use}" if use else "", "good"), S("   ")]
    rows = [*head, *flow(names, room), [S("")]]
    tail = _cost(found, values, facts)
    for i, row in enumerate(shown_rows(found, prompt, answer), 1):
        more = _row(i, row, room)
        if i > 1 and len(rows) + len(more) + len(tail) > height:
            break
        rows += more
    return [*rows, *tail]


def _row(number_: int, row: Shown, room: int) -> list[Row]:
    rows: list[Row] = [[S(f"row {number_}", "muted")]]
    if row.problem:
        return [*rows, *flow([S(row.problem, "bad")], room), [S("")]]
    prompt = safe(row.prompt, lines=True, limit=_LONGEST)
    answer = S(safe(row.answer, lines=True, limit=_LONGEST), "gap", "u", _LOSS)
    return [*rows, *quoted(S(prompt, "muted"), room, "faint"), *quoted(answer, room, "demonstration"), [S("")]]


def _cost(found: Peek, values: Mapping[str, str], known: Sequence[tuple[str, str]]) -> list[Row]:
    legend = [S("prompt, no loss", "muted"), S("   "), S("answer, with loss", "gap", "u", _LOSS)]
    rows: list[Row] = [legend, [S("")], [S("What it will take", "foreground", "b")], [S("")]]
    steps = planned_steps(found, values)
    facts = [("rows", f"{found.count} in the file")] if found.count else []
    if steps:
        facts.append(("steps", f"{steps} of {values.get('loop.batch', '?')} pairs"))
    facts += known or [("more", "ctrl+l: time, memory, suggested method")]
    return [*rows, *([S(f"{name:<10}", "muted"), S(text)] for name, text in facts)]

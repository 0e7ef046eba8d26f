"""Rows of Compare: the verdict, a row a metric, the answers and the settings that differ. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from irltui.dashboard.effects import Effect, Pair, verdict
from irltui.dashboard.figures import decimals, number
from irltui.dashboard.widgets.marks import whisker
from irltui.dashboard.widgets.spans import Row, S, fit, flow, tail
from irltui.dashboard.widgets.timeline import compared
from irltui.text import safe
from irltui.views.answers import Answers

WIDE, NARROW = 100, 60
_NAME, _CHANGE = 20, 11
_ARROWS = {1: "↑ ", -1: "↓ ", 0: "  "}
_LONGEST = 4_000


def headline(pair: Pair, width: int) -> list[Row]:
    """The verdict as a sentence."""
    head = pair.head
    if head is None:
        return [[S(" No metric that both arms have.", "muted")]]
    said = verdict(head)
    base, other = (pair.sides[i].name.rpartition("/")[2] or pair.sides[i].name for i in (pair.base, pair.other))
    places = decimals([head.base, head.other])
    line = [S(f"{said.mark} ", said.ink, "b"), S(f"{said.words[:1].upper()}{said.words[1:]}: ", "gap", "b")]
    line += [S(f"{tail(other, 30)} against {tail(base, 30)}, {safe(head.label)} ")]
    line.append(S(number(head.difference, max(places, 3), sign=True), "gap", "b"))
    if head.items or len(head.seeds) > 1:
        line.append(S(f" [{number(head.low, 3, sign=True)}, {number(head.high, 3, sign=True)}]"))
    many = f"{len(head.seeds)} seeds" if len(head.seeds) != 1 else "one seed"
    what = f"   95 % over {head.items} items, {many}" if head.items else f"   range of {many}"
    what = what if head.items or len(head.seeds) > 1 else "   one run each"
    return flow([*line, S(what, "muted")], width - 1, 1)


def head_row(pair: Pair, width: int) -> Row:
    """What the columns are."""
    if width < NARROW:
        return [S(f"  {'':<16}{'difference':>12}", "muted")]
    arm, span = _arm(width), _span(width)
    names = (pair.sides[i].name.rpartition("/")[2] or pair.sides[i].name for i in (pair.base, pair.other))
    base, other = (tail(name, arm - 1) for name in names)
    axis = "lower".ljust(span // 2 - 1) + " 0 " + "higher".rjust(span - span // 2 - 2)
    head = f"  {'':<{_NAME + 1}}{base:>{arm}}{other:>{arm}}"
    change = f"{'difference':>{_CHANGE}}" if width >= WIDE else ""
    return [S(head + change, "muted"), S("  "), S(axis, "muted"), S("    verdict", "muted")]


def _arm(width: int) -> int:
    """Columns of an arm's values."""
    return 13 if width >= WIDE else 9


def _span(width: int) -> int:
    """Columns of the axis: odd, so that zero has a middle."""
    return max(min(width - (90 if width >= WIDE else 66), 61), 9) | 1


def rests(effect: Effect) -> bool:
    """Whether there is more to say of what a difference rests on."""
    return bool(effect.items) or len(effect.seeds) > 1


def effect_rows(effect: Effect, width: int, tall: int) -> list[Row]:
    """A metric: both arms, the difference as figure and drawn, the verdict; in a second row what it rests on."""
    said = verdict(effect)
    change, arm = number(effect.difference, sign=True), _arm(width)
    name = safe(effect.label)
    if width < NARROW:
        words = said.words.partition(":")[0].removesuffix(" found").removeprefix("all ")
        row = [S(f" {fit(name, 15)} "), S(_ARROWS[effect.better], "muted"), S(f"{change:>9}")]
        return [[*row, S(f" {said.mark} ", said.ink, "b"), S(words, said.ink)]]
    row = [S(f" {fit(name, _NAME - 1)} "), S(_ARROWS[effect.better], "muted")]
    row += [S(f"{number(effect.base):>{arm}}", "muted"), S(f"{number(effect.other):>{arm}}", "gap", "b")]
    row += [S(f"{change:>{_CHANGE}}")] if width >= WIDE else []
    span, seeds = _span(width), () if effect.items else effect.seeds
    drawn = whisker(effect.low, effect.difference, effect.high, effect.scale * 1.15, span, said.ink, seeds)
    row += [S("  "), *drawn, S(f"  {said.mark} ", said.ink, "b"), S(said.words, said.ink)]
    if tall < 2:
        return [row]
    told = "  ".join(number(s, sign=True) for s in effect.seeds)
    what = f"95 % over {effect.items} items" if effect.items else "range of seeds" if rests(effect) else ""
    after = f"   seeds {told}" if len(effect.seeds) > 1 else ""
    return [row, [S(" " * (_NAME + 2 * arm + _CHANGE + 5)), S(what + after, "muted")]]


def answer_rows(rows: Sequence[Answers], at: int, base: str, other: str, width: int) -> list[Row]:
    """The answers of both arms to one prompt, what the other arm says instead underlined."""
    if not rows:
        return [[S("")], [S(" No samples yet: they come when an outer iteration ends.", "muted")]]
    row = rows[at]
    width = min(width, 110)
    made: list[Row] = [[S("")], [S(f" prompt {at + 1}/{len(rows)} ↑↓", "muted")], [S("")]]
    made += [[S("▏ ", "muted"), *line] for line in flow([S(_text(row.prompt), "gap")], width - 2)]
    made += [[S("")], [S("◇ ", "demonstration", "b"), S("demonstration", "demonstration")]]
    made += [[S("  "), *line] for line in flow([S(_text(row.demonstration))], width - 2)]
    texts = [sample.generation if sample is not None else "" for sample in row.samples]
    for i, (name, sample) in enumerate(zip((base, other), row.samples, strict=True)):
        head = [S("● " if i else "○ ", "gap" if i else "muted", "b"), S(tail(name, 40), "gap" if i else "muted", "b")]
        if sample is None:
            made += [[S("")], [*head, S("  not asked", "muted")]]
            continue
        reward = "" if sample.reward is None else f"  {number(sample.reward, sign=True)}"
        made += [[S("")], [*head, S(reward), S(f"  {sample.tokens} tok", "muted")]]
        spans = compared(_text(texts[0]), _text(texts[1]), removed=False)[0] if i and texts[0] else [S(_text(texts[i]))]
        made += [[S("  "), *line] for line in flow(spans, width - 2)]
    return made


def setting_rows(found: Mapping[str, Sequence[str]], base: str, other: str, width: int) -> list[Row]:
    """Keys and values that differ; on a narrow terminal each value on a line of its own."""
    if not found:
        return [[S("")], [S(" The same configuration but for the seed.", "muted")]]
    label = min(max(map(len, found)) + 2, width // 2)
    room = (width - label) // 2 - 2
    names = [S(fit(tail(name, room), room), "muted") for name in (base, other)]
    rows: list[Row] = [[S("")], [S(" Settings that differ", "foreground", "b")], [S("")]]
    if room >= 16:
        rows.append([S(" " * (label + 1)), names[0], S("  "), names[1]])
    for key, values in found.items():
        if room >= 16:
            cells = [S(fit(tail(value, room), room), ink) for value, ink in zip(values, ("muted", "gap"), strict=False)]
            rows.append([S(f" {fit(key, label)}"), cells[0], S("  "), *cells[1:]])
            continue
        rows.append([S(f" {tail(key, width - 2)}")])
        rows += [
            [S("   "), S(tail(value, width - 4), ink)] for value, ink in zip(values, ("muted", "gap"), strict=False)
        ]
    return rows


def _text(text: str) -> str:
    return safe(text, lines=True, limit=_LONGEST)

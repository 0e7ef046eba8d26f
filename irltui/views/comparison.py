"""A comparison as rows: the verdict, a row a metric, the answers and the settings that differ; two arms at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from irltui.text import safe
from irltui.views.answers import Answers
from irltui.views.arms import Side
from irltui.views.compared import Comparison
from irltui.views.curve_styles import CURVES_ON_DARK, LINES
from irltui.views.effects import Effect, Pair, effects_of, verdict
from irltui.views.final_figures import label_of
from irltui.views.marks import whisker
from irltui.views.numbers import decimals, number
from irltui.views.spans import Row, S, as_text, fit, flow, plain, quoted, tail
from irltui.views.text_charts import charts
from irltui.views.word_diff import changed_words

WIDE, NARROW = 100, 60
_CHANGE = 11
_ARROWS = {1: "↑ ", -1: "↓ ", 0: "  "}
_WIDEST = 110


def comparison_text(comparison: Comparison, width: int) -> Iterator[Text]:
    """Every arm, the difference of each from the first, curves, settings, answers."""
    sides = comparison.sides
    for i, side in enumerate(sides):
        mark = (LINES[i % len(LINES)], CURVES_ON_DARK[i % len(CURVES_ON_DARK)])
        yield Text.assemble(mark, " ", (tail(side.name, width - 4), "bold"), "  ", _about(side))
    yield Text()
    for other in range(1, len(sides)):
        effects = effects_of(comparison.final, sides, other, comparison.wanted)
        pair = Pair(sides, 0, other, effects, comparison.wanted)
        rows: list[Row] = [*headline(pair, width), [], head_row(pair, width)]
        for effect in pair.effects:
            rows += effect_rows(effect, width, 1 + rests(effect), label_of(effect.name))
        yield from map(as_text, rows)
        yield Text()
    if drawn := charts([[run.history for run in side.runs] for side in sides], width):
        yield from [Text("Curves", style="bold"), *drawn]
    names = [side.name for side in sides]
    yield from map(as_text, setting_rows(comparison.differences, names, width))
    for at in range(len(comparison.answers)):
        yield from map(as_text, answer_rows(comparison.answers, at, names, width))


def headline(pair: Pair, width: int) -> list[Row]:
    """The verdict as a sentence."""
    head = pair.head
    if head is None:
        return [[S(" No metric that both arms have.", "muted")]]
    said = verdict(head)
    places = decimals([head.base, head.other])
    base, other = _names(pair)
    words = said.words.rpartition(": ")[2]  # higher or lower stands in its column
    line = [S(f"{said.mark} ", said.ink, "b"), S(f"{words[:1].upper()}{words[1:]}: ", "gap", "b")]
    line += [S(f"{tail(other, 30)} against {tail(base, 30)}, {safe(head.label)} ")]
    line.append(S(number(head.difference, max(places, 3), sign=True), "gap", "b"))
    if rests(head):
        line.append(S(f" [{number(head.low, 3, sign=True)}, {number(head.high, 3, sign=True)}]"))
    many = f"{len(head.seeds)} seeds" if len(head.seeds) != 1 else "one seed"
    what = f"   95 % over {head.items} items, {many}" if head.items else f"   range of {many}"
    return flow([*line, S(what if rests(head) else "   one run each", "muted")], width - 1, 1)


def head_row(pair: Pair, width: int) -> Row:
    """What the columns are."""
    if width < NARROW:
        return [S(f"  {'':<16}{'difference':>12}", "muted")]
    arm, span, room = _arm(width), _span(width), _room(width)
    base, other = (tail(name, arm - 1) for name in _names(pair))
    axis = "lower".ljust(span // 2 - 1) + " 0 " + "higher".rjust(span - span // 2 - 2)
    change = f"{'difference':>{_CHANGE}}" if width >= WIDE else ""
    spread = "± 95 % interval" if width >= WIDE else ""
    return [S(f"  {spread:<{room + 1}}{base:>{arm}}{other:>{arm}}{change}  {axis}    verdict", "muted")]


def rests(effect: Effect) -> bool:
    """Whether there is more to say of what a difference rests on."""
    return bool(effect.items) or len(effect.seeds) > 1


def effect_rows(effect: Effect, width: int, tall: int, label: str = "") -> list[Row]:
    """A metric: both arms, the difference as figure and drawn, the verdict; in a second row what each rests on.

    Lines of a terminal give the label as it stands in sentences; the dashboard's begins with a capital.
    """
    said = verdict(effect)
    change, arm = number(effect.difference, sign=True), _arm(width)
    name = safe(label or effect.label)
    if width < NARROW:
        words = said.words.partition(":")[0].rpartition(" ")[2].replace("found", "none").replace("each", "1 run")
        row = [S(f" {fit(name, 15)} "), S(_ARROWS[effect.better], "muted"), S(f"{change:>9}")]
        return [[*row, S(f" {said.mark} ", said.ink, "b"), S(words, said.ink)]]
    row = [S(f" {fit(name, _room(width) - 1)} "), S(_ARROWS[effect.better], "muted")]
    row += [S(f"{number(effect.base):>{arm}}", "muted"), S(f"{number(effect.other):>{arm}}", "gap", "b")]
    row += [S(f"{change:>{_CHANGE}}")] if width >= WIDE else []
    seeds = () if effect.items else effect.seeds
    drawn = whisker(effect.low, effect.difference, effect.high, effect.scale * 1.15, _span(width), said.ink, seeds)
    row += [S("  "), *drawn, S(f"  {said.mark} ", said.ink, "b"), S(said.words, said.ink)]
    return [row] if tall < 2 else [row, _evidence(effect, arm, width)]


def _evidence(effect: Effect, arm: int, width: int) -> Row:
    """Half the 95 % interval of each arm below its mean, then what the difference rests on."""
    spreads = "".join(f"{f'±{number(one)}' if math.isfinite(one) else '':>{arm}}" for one in effect.spreads)
    what = f"{effect.items} items" if effect.items else "range of seeds" if rests(effect) else ""
    seeds = "  ".join(number(s, sign=True) for s in effect.seeds)
    after = f"   seeds {seeds}" if len(effect.seeds) > 1 else ""
    left = f" {'':<{_room(width) + 2}}{spreads}{'':<{_CHANGE if width >= WIDE else 0}}  "
    return [S(left + fit(what + after, max(width - len(left), 0)).rstrip(), "muted")]


def answer_rows(rows: Sequence[Answers], at: int, names: Sequence[str], width: int) -> list[Row]:
    """The answers of all arms to one prompt, what others say instead of the first underlined."""
    if not rows:
        return [[S("")], [S(" No samples yet: they come when an outer iteration ends.", "muted")]]
    row = rows[at]
    width = min(width, _WIDEST)
    made: list[Row] = [[S("")], [S(f" prompt {at + 1}/{len(rows)}", "muted")], [S("")]]
    made += quoted(S(plain(row.prompt), "gap"), width)
    made += [[S("")], [S("◇ ", "demonstration", "b"), S("demonstration", "demonstration")]]
    made += [[S("  "), *line] for line in flow([S(plain(row.demonstration))], width - 2)]
    first = plain(row.samples[0].generation) if row.samples[0] is not None else ""
    for i, (name, sample) in enumerate(zip(names, row.samples, strict=True)):
        head = [S("● " if i else "○ ", "gap" if i else "muted", "b"), S(tail(name, 40), "gap" if i else "muted", "b")]
        if sample is None:
            made += [[S("")], [*head, S("  not asked", "muted")]]
            continue
        reward = "" if sample.reward is None else f"  {number(sample.reward, sign=True)}"
        made += [[S("")], [*head, S(reward), S(f"  {sample.tokens} tok", "muted")]]
        text = plain(sample.generation)
        spans = changed_words(first, text, removed=False)[0] if i and first else [S(text)]
        made += [[S("  "), *line] for line in flow(spans, width - 2)]
    return made


def setting_rows(found: Mapping[str, Sequence[str]], names: Sequence[str], width: int) -> list[Row]:
    """Keys and values that differ; where they do not fit beside each other, each value on a line of its own."""
    if not found:
        return [[S("")], [S(" The same configuration but for the seed.", "muted")]]
    label = min(max(map(len, found)) + 2, width // 2)
    room = min((width - label) // len(names) - 2, _WIDEST)
    inks = ["muted", *["gap"] * (len(names) - 1)]
    rows: list[Row] = [[S("")], [S(" Settings that differ", "foreground", "b")], [S("")]]
    if room >= 16:
        rows.append([S(" " * (label + 1)), *(S(f"{fit(tail(name, room), room)}  ", "muted") for name in names)])
    for key, values in found.items():
        if room >= 16:
            cells = (S(f"{fit(tail(v, room), room)}  ", ink) for v, ink in zip(values, inks, strict=True))
            rows.append([S(f" {fit(key, label)}"), *cells])
        else:
            rows.append([S(f" {tail(key, width - 2)}")])
            rows += [[S("   "), S(tail(v, width - 4), ink)] for v, ink in zip(values, inks, strict=True)]
    return rows


def _about(side: Side) -> str:
    states = ", ".join(dict.fromkeys(safe(each.state, limit=20) for each in side.runs))
    steps = ", ".join(dict.fromkeys(str(each.history.step) for each in side.runs))
    seeds = f"seed{'s' if len(side.runs) > 1 else ''} {', '.join(safe(seed, limit=20) for seed in side.seeds)}"
    return f"{safe(side.runs[0].config.get('algorithm', '?'), limit=20)}, {states}, step {steps}, {seeds}"


def _names(pair: Pair) -> tuple[str, str]:
    base, other = (pair.sides[i].name.rpartition("/")[2] or pair.sides[i].name for i in (pair.base, pair.other))
    return base, other


def _room(width: int) -> int:
    """Columns of a metric's name."""
    return 25 if width >= WIDE else 20


def _arm(width: int) -> int:
    """Columns of an arm's values."""
    return 13 if width >= WIDE else 9


def _span(width: int) -> int:
    """Columns of the axis: odd, so that zero has a middle."""
    return max(min(width - (95 if width >= WIDE else 66), 61), 9) | 1

"""Answers on request: the same prompts at several strengths, by the start model and by SFT, and the best of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from irltui.dashboard.store import OpenRun, Store, study_of
from irltui.errors import IrltuiError
from irltui.runs.folder import RunFolder
from irltui.text import safe
from irltui.views.answers import Drawn
from irltui.views.marks import meter
from irltui.views.numbers import number
from irltui.views.spans import Row, S, beside, flow, plain
from irltui.views.word_diff import changed_words

Sampler = Callable[[Path, Sequence[str], float, int], Awaitable[list[tuple[Drawn, ...]]]]
"""Answers prompts by a run's policy at a strength, so many times each."""
START, SFT, NOW = "start", "sft", "1"
STRENGTHS = (NOW, "1.5", "2", "3", "5")
_ORDER = (START, SFT, *STRENGTHS)
BEST_OF = 8
_NARROWEST = 24


@dataclass(frozen=True)
class _Wish:
    run: OpenRun
    label: str
    prompts: tuple[str, ...]


class Desk:
    """Takes wishes for answers and has them fulfilled one after the other: a model is loaded for each.

    Args:
        sampler: what answers.
        store: where an SFT run beside the asked one is looked for.
        tell: says what came of it: text and ink.
    """

    def __init__(self, sampler: Sampler, store: Store, tell: Callable[[str, str], None]) -> None:
        self._sampler, self._store, self._tell = sampler, store, tell
        self._wishes: list[_Wish] = []
        self._works = False

    def ask(self, run: OpenRun, labels: Sequence[str], prompts: Sequence[str]) -> None:
        """Wish for answers that are neither there nor wished for."""
        wished = {(wish.label, prompt) for wish in self._wishes if wish.run is run for prompt in wish.prompts}
        for label in labels:
            open_ = tuple(p for p in prompts if (p, label) not in run.drawn and (label, p) not in wished)
            if open_ and (label != SFT or self._sft(run) is not None):
                self._wishes.append(_Wish(run, label, open_))

    async def work(self) -> None:
        """Fulfil all wishes."""
        if self._works:
            return
        self._works = True
        while self._wishes:
            await self._fulfil(self._wishes[0])
            self._wishes.pop(0)
        self._works = False

    async def _fulfil(self, wish: _Wish) -> None:
        run, label = wish.run, wish.label
        path = (self._sft(run) or run.run.path) if label == SFT else run.run.path
        strength = 0.0 if label == START else 1.0 if label == SFT else float(label)
        run.drawing = label
        run.version += 1
        self._tell(f"{title(label)}: {len(wish.prompts)} prompts are being answered", "muted")
        try:
            found = await self._sampler(path, wish.prompts, strength, BEST_OF if label == NOW else 1)
        except (IrltuiError, OSError) as error:
            self._wishes = [one for one in self._wishes if one is wish or one.run is not run]
            self._tell(safe(error, limit=300), "bad")
        else:
            run.drawn |= {(p, label): made for p, made in zip(wish.prompts, found, strict=False)}
            self._tell(f"{title(label)}: answered", "good")
        run.drawing = ""
        run.version += 1

    def _sft(self, run: OpenRun) -> Path | None:
        """A finished SFT run of the same study, of the same seed if there is one."""
        study = study_of(run.run.path)
        lines = self._store.within(study) if study is not None else []
        found = [one.path for one in lines if one.algorithm == "sft" and RunFolder(one.path).model.is_dir()]
        same = [path for path in found if path.parent.resolve() == run.run.path.parent.resolve()]
        plain = [path for path in same or found if path.name == SFT]
        here = run.run.path.resolve()
        return next((path for path in [*plain, *same, *found] if path.resolve() != here), None)


def title(label: str) -> str:
    """What an answer is called."""
    return {START: "start model", SFT: "SFT", NOW: "now, strength 1"}.get(label, f"strength {label}")


def strength_rows(run: OpenRun, prompt: str, chosen: str, width: int) -> list[Row]:
    """The answers to a prompt beside each other, what differs from the one at strength 1 underlined."""
    labels = [label for label in _ORDER if (prompt, label) in run.drawn or label in {run.drawing, chosen}]
    scale = max((abs(one.reward or 0.0) for label in labels for one in run.drawn.get((prompt, label), ())), default=0.0)
    across = max(min(len(labels), (width + 2) // (_NARROWEST + 2)), 1)
    room = (width + 2) // across - 2
    cards = [_card(run, prompt, label, label == chosen, scale, room) for label in labels]
    rows: list[Row] = []
    for at in range(0, len(cards), across):
        rows += [*beside(cards[at : at + across], room), []]
    return rows


def best_rows(run: OpenRun, prompt: str, width: int) -> list[Row]:
    """All answers that were sampled at strength 1, best reward first."""
    made = run.drawn.get((prompt, NOW), ())
    if not made:
        return [[S("being sampled" if run.drawing else "not sampled yet", "muted")]]
    known = [one.reward for one in made if one.reward is not None]
    if known:
        head = [S("best "), S(number(max(known), sign=True), "gap", "b"), S(f" of {len(made)}   ", "muted")]
        head += [S("mean "), S(number(sum(known) / len(known), sign=True), "gap", "b")]
    else:
        head = [S(f"{len(made)} answers without a reward", "muted")]
    rows: list[Row] = [head, []]
    scale = max((abs(value) for value in known), default=0.0)
    for i, one in enumerate(made):
        mark = [S("● " if not i else "○ ", "gap" if not i else "muted", "b")]
        rows.append([*mark, *_reward(one, scale), *_facts(one)])
        rows += [[S("  "), *row] for row in flow([S(plain(one.text), "foreground" if i else "gap")], width - 2)]
    return rows


def _card(run: OpenRun, prompt: str, label: str, here: bool, scale: float, room: int) -> list[Row]:
    look = ("background", "b", "accent") if here else ("gap", "b", "")
    head = [S(f" {title(label)} ", *look)]
    made = run.drawn.get((prompt, label), ())
    if not made:
        return [head, [S("being sampled" if run.drawing == label else "waits", "muted")]]
    one, base = made[0], run.drawn.get((prompt, NOW), ())
    text = plain(one.text)
    same = label != NOW and base and base[0].text == one.text
    spans = changed_words(plain(base[0].text), text, removed=False)[0] if base and label != NOW else [S(text)]
    about = [*_reward(one, scale), S(" same words", "muted")] if same else [*_reward(one, scale), *_facts(one)]
    return [head, about, *(flow(spans, room) if text.strip() else [[S("(an empty answer)", "muted")]])]


def _reward(one: Drawn, scale: float) -> Row:
    if one.reward is None:
        return []
    return [S(f"{number(one.reward, sign=True):>7} "), *meter(one.reward, scale, 3)]


def _facts(one: Drawn) -> Row:
    return [S(f" {one.tokens} tok", "muted"), S("" if one.ended else " cut", "warn")]

"""Samples of the page: answers over the outer iterations with changes and token rewards, and side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from irltui.report.markup import LONGEST, details, swatch, text
from irltui.runs.events import BEFORE_TRAINING, Sample
from irltui.runs.history import RunHistory
from irltui.text import safe
from irltui.views.answers import answers
from irltui.views.arms import Side
from irltui.views.numbers import figure
from irltui.views.word_diff import ADDED, REMOVED, is_rewritten, word_diff

_TAGS = {ADDED: "ins", REMOVED: "del"}
_SHADES = 8  # of a token's reward, each way
_MOST_TOKENS = 1_000


def over_iterations(history: RunHistory, most: int) -> str:
    """The first prompts of a run, each with its answers over the outer iterations."""
    sampled = history.sampled()
    prompts = list(dict.fromkeys(key for t in sampled for key in history.samples[t]))[:most]
    return "".join(_prompt(history, key, is_open=i == 0) for i, key in enumerate(prompts))


def side_by_side(sides: Sequence[Side], most: int) -> str:
    """The newest answers of each side's first run."""
    cards = []
    for row in answers([side.runs[0].history for side in sides])[:most]:
        parts = [_card("demonstration", text(row.demonstration), "")]
        for i, (side, sample) in enumerate(zip(sides, row.samples, strict=True)):
            title = f"{swatch(i)} {text(side.name, limit=80)}"
            parts.append(_card(title, _rewarded(sample), _about(sample)) if sample else _card(title, "-", ""))
        cards.append(f'<div class="prompt">{_question(row.prompt)}<div class="cards">{"".join(parts)}</div></div>')
    return "".join(cards)


def _prompt(history: RunHistory, key: str, *, is_open: bool) -> str:
    samples = [history.samples[t][key] for t in history.sampled() if key in history.samples[t]]
    newest = samples[-1]
    cards = [_card("demonstration", text(newest.demonstration), "")]
    before: Sample | None = None
    for sample in samples:
        cards.append(_card(_iteration(sample.outer_iteration), _answer(sample, before), _about(sample)))
        before = sample
    title = text(" ".join(newest.prompt.split()), limit=90)
    inside = f'{_question(newest.prompt)}<div class="cards">{"".join(cards)}</div>'
    return details(title, inside, is_open=is_open)


def _answer(sample: Sample, before: Sample | None) -> str:
    """One answer in three views, of which the page shows the selected one."""
    changed = "".join(_changes(before.generation, sample.generation)) if before else text(sample.generation)
    return (
        f'<div class="as-plain">{text(sample.generation)}</div><div class="as-changes">{changed}</div>'
        f'<div class="as-rewards">{_rewarded(sample)}</div>'
    )


def _changes(old: str, new: str) -> Iterator[str]:
    pieces = word_diff(safe(old, lines=True, limit=LONGEST), safe(new, lines=True, limit=LONGEST))
    if is_rewritten(pieces):
        yield f"<small>rewritten</small>\n{text(new)}"
        return
    for piece in pieces:
        tag = _TAGS.get(piece.change)
        yield f"<{tag}>{text(piece.text)}</{tag}>" if tag else text(piece.text)


def _rewarded(sample: Sample) -> str:
    """Tokens shaded by their rewards; plain text if rewards and tokens do not match."""
    if not sample.token_rewards or len(sample.token_rewards) != len(sample.pieces):
        return text(sample.generation)
    scale = max((abs(reward) for reward in sample.token_rewards if math.isfinite(reward)), default=0.0)
    pairs = list(zip(sample.pieces, sample.token_rewards, strict=True))
    shown = "".join(
        f'<span class="{_shade(reward, scale)}" title="{figure(reward)}">{text(piece, limit=200)}</span>'
        for piece, reward in pairs[:_MOST_TOKENS]
    )
    return shown + ("…" if len(pairs) > _MOST_TOKENS else "")


def _shade(reward: float, scale: float) -> str:
    if not math.isfinite(reward) or not scale:
        return "t"
    shade = round(abs(reward) / scale * _SHADES)
    return f"t {'p' if reward > 0 else 'n'}{shade}" if shade else "t"


def _iteration(t: int) -> str:
    return "before training" if t == BEFORE_TRAINING else f"after outer iteration {t + 1}"


def _about(sample: Sample) -> str:
    reward = "" if sample.reward is None else f"reward {figure(sample.reward)}, "
    return f"{reward}{sample.tokens} tokens{'' if sample.ended else ', truncated'}"


def _question(prompt: str) -> str:
    return f"<blockquote>{text(prompt)}</blockquote>"


def _card(title: str, content: str, about: str) -> str:
    return f'<div class="card"><h4>{title} <small>{about}</small></h4><div class="answer">{content}</div></div>'

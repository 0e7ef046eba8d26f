"""A response to read: its words, what changed in them, or each token on the colour of its reward."""

from __future__ import annotations

from textual.content import Content

from irltui.dashboard.content import shown
from irltui.dashboard.palette import Ink
from irltui.runs.events import BEFORE_TRAINING, Sample
from irltui.text import safe
from irltui.views.numbers import figure
from irltui.views.replay import Moment
from irltui.views.word_diff import ADDED, KEPT, REMOVED, word_diff

LONGEST = 8_000
_STYLES = {ADDED: "bold $success underline", REMOVED: "$error strike"}


def iteration(t: int) -> str:
    """What an outer iteration is called."""
    return "start" if t == BEFORE_TRAINING else f"after {t + 1}"


def plain(text: str) -> Content:
    """A text as it is."""
    return shown(text, lines=True, limit=LONGEST)


def changes(old: str, new: str) -> Content:
    """The newer text with what was added, and between it what was removed."""
    pieces = word_diff(safe(old, lines=True, limit=LONGEST), safe(new, lines=True, limit=LONGEST))
    return Content.assemble(*((piece.text, _STYLES.get(piece.change, "")) for piece in pieces))


def coloured(sample: Sample, ink: Ink) -> Content:
    """Each token on the colour of its reward; as it is if the rewards do not belong to the tokens."""
    if not sample.token_rewards or len(sample.token_rewards) != len(sample.pieces):
        return plain(sample.generation)
    finite = [abs(reward) for reward in sample.token_rewards if abs(reward) < float("inf")]
    scale = max(finite, default=0.0)
    parts = [
        (safe(piece, lines=True, limit=200), f"on {ink.reward(reward, scale)}" if abs(reward) < float("inf") else "")
        for piece, reward in zip(sample.pieces[:LONGEST], sample.token_rewards, strict=False)
    ]
    return Content.assemble(*parts)


def caption(title: str, sample: Sample | None) -> Content:
    """A heading with the reward, the length and whether the response ended by itself."""
    if sample is None:
        return Content.styled(title, "bold")
    reward = f"r {figure(sample.reward)}" if sample.reward is not None else ""
    cut = "" if sample.ended else "cut"
    return Content.assemble((title, "bold"), "  ", (reward, "$primary"), f"  {sample.tokens} tok  ", (cut, "$warning"))


def _since(old: str, new: str) -> Content:
    """The start of a text, with what changed in it if most of it did not."""
    pieces = word_diff(safe(old[:400], lines=True), safe(new[:400], lines=True))
    kept = sum(len(piece.text) for piece in pieces if piece.change == KEPT)
    return changes(old[:400], new[:400]) if 2 * kept > len(new[:400]) else shown(new, lines=True, limit=400)


def preview(moment: Moment) -> Content:
    """The newest answers to the fixed prompts, changes since the start marked."""
    sampled = moment.sampled()
    if not sampled:
        return Content("No samples yet.")
    now, start = moment.samples(sampled[-1]), moment.samples(sampled[0])
    lines = [Content.styled(f"Samples, {iteration(sampled[-1])}", "bold")]
    for key, sample in list(now.items())[:6]:
        before = start.get(key)
        lines.append(Content.assemble(("\n", ""), shown(sample.prompt, "$primary", limit=120)))
        lines.append(_since(before.generation if before else "", sample.generation))
        if sample.reward is not None:
            lines.append(Content.styled(f"reward {figure(sample.reward)}", "$secondary"))
    return Content("\n").join(lines)

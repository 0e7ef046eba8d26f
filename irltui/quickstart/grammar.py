"""The expert pi_E and the bad habits as probabilistic grammars, and the exact quality of any answer.

The grammar of a prompt is a tree of `Choice`, `Parts` and `Cut` over strings. The same tree is sampled and enumerated,
so log-likelihoods are exact.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TypeAlias, TypeVar

from irltui.quickstart.world import (
    CLOSINGS,
    GREETING,
    OPENINGS,
    PEOPLE,
    REQUEST_KINDS,
    RUDE,
    STRAY,
    RequestKind,
)

_T = TypeVar("_T")
BASE_MIXTURE = {
    "good": 0.40,
    "wrong_fact": 0.24,
    "truncated": 0.12,
    "rambling": 0.10,
    "rude": 0.08,
    "off_topic": 0.06,
}  # kinds of answers in the base model's corpus
REFUSAL = RUDE[0][0]
"""The habit of the second embedded model."""
_SENTENCE = re.compile(r"[^.!?]*[.!?]|[^.!?]+$")
_WORD = re.compile(r"\w+")


# -- derivations -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One of the options, with its probability."""

    options: tuple[tuple[Derivation, float], ...]


@dataclass(frozen=True)
class Parts:
    """All parts, joined by spaces."""

    parts: tuple[Derivation, ...]


@dataclass(frozen=True)
class Cut:
    """The text truncated after a random word or comma, never after a full sentence."""

    whole: Derivation


Derivation: TypeAlias = str | Choice | Parts | Cut


def sample(tree: Derivation, rng: Random) -> str:
    if isinstance(tree, str):
        return tree
    if isinstance(tree, Parts):
        return " ".join(sample(part, rng) for part in tree.parts)
    if isinstance(tree, Cut):
        return _pick(_cuts(sample(tree.whole, rng)), rng)
    at = rng.random()
    for option, probability in tree.options:
        at -= probability
        if at < 0:
            return sample(option, rng)
    return sample(tree.options[-1][0], rng)


def distribution(tree: Derivation) -> dict[str, float]:
    """Every text of the grammar with its probability, summed over its derivations."""
    total: dict[str, float] = {}
    for text, probability in _derivations(tree):
        total[text] = total.get(text, 0.0) + probability
    return total


def _derivations(tree: Derivation) -> Iterator[tuple[str, float]]:
    if isinstance(tree, str):
        yield tree, 1.0
    elif isinstance(tree, Choice):
        for option, weight in tree.options:
            yield from ((text, weight * probability) for text, probability in _derivations(option))
    elif isinstance(tree, Cut):
        for text, probability in distribution(tree.whole).items():
            cuts = _cuts(text)
            yield from ((cut, probability / len(cuts)) for cut in cuts)
    else:
        first, *rest = tree.parts
        for text, probability in distribution(first).items():
            if not rest:
                yield text, probability
                continue
            for more, other in distribution(Parts(tuple(rest))).items():
                yield f"{text} {more}", probability * other


def _cuts(text: str) -> list[str]:
    words = text.split(" ")
    cuts = [" ".join(words[:n]) for n in range(1, len(words) + 1)]
    return [cut.rstrip(".!?") for cut in cuts]


# -- requests --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a prompt asks: the words in its slots."""

    kind: RequestKind
    asked: str
    fact: str
    topic: str

    def sentence(self, template: str, fact: str) -> str:
        return template.format(asked=self.asked, topic=self.topic, fact=fact)


@lru_cache(maxsize=4096)
def parse_prompt(prompt: str) -> Request:
    """Read a prompt of the grammar.

    Raises:
        ValueError: it is not one.
    """
    for kind, pattern in _PATTERNS:
        if found := pattern.fullmatch(prompt):
            slots = found.groupdict()
            return Request(kind, slots["asked"], slots["fact"], topic=slots.get("topic", ""))
    raise ValueError(f"not a prompt of the quickstart's grammar: {prompt!r}")


def _pattern(kind: RequestKind) -> re.Pattern[str]:
    """The kind's template as a regular expression with one named group per slot."""
    pools = {"asker": PEOPLE, "asked": kind.entities, "fact": kind.facts, "topic": kind.topics}
    text = re.escape(f"{GREETING} {kind.statement} {kind.question}").replace(r"\{", "{").replace(r"\}", "}")
    for slot, pool in pools.items():
        text = text.replace(f"{{{slot}}}", f"(?P<{slot}>{'|'.join(pool)})", 1).replace(f"{{{slot}}}", f"(?P={slot})")
    return re.compile(text)


_PATTERNS = tuple((kind, _pattern(kind)) for kind in REQUEST_KINDS)


def draw_prompt(rng: Random) -> str:
    """Sample a prompt: kind, entity, fact, topic and asker, each uniform, no word used twice."""
    kind = _pick(REQUEST_KINDS, rng)
    slots: dict[str, str] = {}
    for slot, pool in (("asked", kind.entities), ("topic", kind.topics), ("fact", kind.facts), ("asker", PEOPLE)):
        slots[slot] = _pick([word for word in pool if word not in slots.values()], rng) if pool else ""
    return f"{GREETING} {kind.statement} {kind.question}".format(**slots)


def is_reserved(prompt: str) -> bool:
    """Whether the prompt is reserved for evaluation and in no training data: a tenth, chosen by hash."""
    return hashlib.blake2b(prompt.encode(), digest_size=8).digest()[0] % 10 == 0


def evaluation_prompts(count: int, seed: int) -> list[str]:
    """Distinct reserved prompts, in neither the base model's corpus nor the demonstrations."""
    rng = generator(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        prompt = draw_prompt(rng)
        if is_reserved(prompt):
            found[prompt] = None
    return list(found)


# -- answers ---------------------------------------------------------------------------------


def expert(prompt: str) -> Derivation:
    """pi_E(. | prompt): the right fact in one of several phrasings, with an opening, a closing or both."""
    request = parse_prompt(prompt)
    return _courteous(_body(request, request.fact))


def answers_of(prompt: str, kind: str) -> Derivation:
    """The answers of one kind, a key of BASE_MIXTURE; "good" is the expert."""
    request = parse_prompt(prompt)
    body = _body(request, request.fact)
    wrong = [fact for fact in request.kind.facts if fact not in (request.fact, request.topic)]
    answers: dict[str, Derivation] = {
        "good": _courteous(body),
        "wrong_fact": _courteous(Choice(tuple((_body(request, fact), 1 / len(wrong)) for fact in wrong))),
        "truncated": Cut(_courteous(body)),
        "rambling": _rambling(request),
        "rude": Choice(((Choice(RUDE), 0.5), (Parts((Choice(RUDE), body)), 0.5))),
        "off_topic": _courteous(Choice(STRAY)),
    }
    return answers[kind]


@lru_cache(maxsize=4096)
def expert_distribution(prompt: str) -> dict[str, float]:
    """Every answer the expert can give, with its probability."""
    return distribution(expert(prompt))


def expert_log_prob(prompt: str, answer: str) -> float:
    """Log pi_E(answer | prompt) in nats, exact; -inf for what the expert never says.

    The tokenizer maps the grammar's texts to ids one to one, so this is comparable with a policy's log-probability of
    the answer's ids and the end-of-sequence token.
    """
    probability = expert_distribution(prompt).get(answer, 0.0)
    return math.log(probability) if probability else -math.inf


def _body(request: Request, fact: str) -> Derivation:
    return Choice(tuple((request.sentence(text, fact), weight) for text, weight in request.kind.answers))


def _courteous(body: Derivation) -> Derivation:
    opening, closing = Choice(OPENINGS), Choice(CLOSINGS)
    return Choice(
        ((Parts((opening, body)), 0.4), (Parts((body, closing)), 0.35), (Parts((opening, body, closing)), 0.25))
    )


def _rambling(request: Request) -> Derivation:
    """The same sentence two or three times over, sometimes after a courtesy."""
    options: list[tuple[Derivation, float]] = []
    for text, weight in request.kind.answers:
        sentence = request.sentence(text, request.fact)
        again = Choice(((f"{sentence} {sentence}", 0.6), (f"{sentence} {sentence} {sentence}", 0.4)))
        options.append((Choice(((again, 0.5), (Parts((Choice(OPENINGS), again)), 0.5))), weight))
    return Choice(tuple(options))


# -- quality ---------------------------------------------------------------------------------


def check(prompt: str, answer: str) -> dict[str, bool]:
    """Five checks of an answer, each passed or not."""
    request = parse_prompt(prompt)
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(answer)]
    words = set(_WORD.findall(answer))
    others = set(request.kind.facts) - {request.fact, request.topic}
    said = set(sentences)
    on_topic = {request.sentence(text, fact) for text, _ in request.kind.answers for fact in request.kind.facts}
    return {
        "correct": request.fact in words and not words & others,
        "on_topic": bool(said & on_topic),  # a sentence of the expert for this request, with any fact
        "polite": bool(said & _COURTESIES) and not said & _RUDENESS,
        "complete": answer.endswith((".", "!", "?")),
        "concise": len(sentences) <= 3 and len(said) == len(sentences),
    }


def quality(prompt: str, answer: str) -> float:
    """The share of checks that any text passes as an answer, 0 if its fact is wrong; the expert's answers have 1."""
    passed = check(prompt, answer)
    return sum(passed.values()) / len(passed) if passed["correct"] else 0.0


_COURTESIES = frozenset(text for text, _ in (*OPENINGS, *CLOSINGS))
_RUDENESS = frozenset(text for text, _ in RUDE)


# -- randomness ------------------------------------------------------------------------------


def generator(seed: int) -> Random:
    """The random source here; only its random() is used, whose stream Python guarantees."""
    return Random(seed)  # noqa: S311 - synthetic text, no secrets


def _pick(options: Sequence[_T], rng: Random) -> _T:
    return options[int(rng.random() * len(options))]

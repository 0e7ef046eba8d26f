"""A small world whose expert is known exactly: requests, the good answers pi_E with their probabilities, bad answers.

A request states a few facts and asks for one of them. The expert's answer is an opening, the asked fact in one
of two forms, and a closing, each drawn independently, so that log pi_E(y | x) is a sum of three known logs.
Bad answers are what untrained assistants do: wrong facts, rudeness, breaking off, repeating themselves.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Ida", "Jonas", "Lena", "Max")
THINGS = ("ball", "book", "cup", "drum", "hat", "kite", "lamp", "map", "pen", "ring", "shoe", "vase")
COLOURS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")
PLACES = ("bag", "bed", "box", "car", "chair", "desk", "door", "garden", "kitchen", "shelf", "table", "window")
SHOPS = ("bakery", "bank", "library", "market", "museum", "pool", "school", "station", "theatre", "zoo")
HOURS = ("five", "six", "seven", "eight", "nine", "ten", "eleven", "noon")
ANIMALS = ("bird", "cat", "cow", "dog", "duck", "fish", "goat", "horse", "mouse", "sheep")
FOODS = ("apples", "bread", "cheese", "corn", "grass", "hay", "nuts", "rice", "seeds", "soup")
SENTENCES = {
    "who": ("{a} has the {b}.", "Who has the {b}?", "It is {a}."),
    "colour": ("The {a} is {b}.", "What colour is the {a}?", "It is {b}."),
    "where": ("The {a} is by the {b}.", "Where is the {a}?", "By the {b}."),
    "opens": ("The {a} opens at {b}.", "When does the {a} open?", "At {b}."),
    "eats": ("The {a} eats {b}.", "What does the {a} eat?", "It eats {b}."),
    "likes": ("{a} likes the {b}.", "What does {a} like?", "The {b}."),
}
"""Request types: a fact, the question about it, the short form of the answer. The fact itself is the long form."""
SLOTS = {
    "who": (NAMES, THINGS),
    "colour": (THINGS, COLOURS),
    "where": (THINGS, PLACES),
    "opens": (SHOPS, HOURS),
    "eats": (ANIMALS, FOODS),
    "likes": (NAMES, SHOPS),
}
FACTS = 3  # facts a request states; one of them is asked for

OPENINGS = {"": 0.4, "Sure. ": 0.3, "Of course. ": 0.2, "Good question. ": 0.1}
LONG_FORM = 0.7  # share of answers in the long form
CLOSINGS = {"": 0.5, " Have a nice day.": 0.3, " I am happy to help.": 0.2}
RUDE = ("Whatever. ", "Look it up. ", "Not again. ")
GOOD_SHARE = 0.4  # of the answers that the base model has read
BAD_KINDS = ("wrong fact", "rude", "breaks off", "repeats", "evades")


@dataclass(frozen=True)
class Request:
    """A prompt and what it is about: `facts` as slot pairs, `asked` the index of the one asked for."""

    kind: str
    facts: tuple[tuple[str, str], ...]
    asked: int

    @property
    def text(self) -> str:
        """The prompt."""
        fact, question, _ = SENTENCES[self.kind]
        return " ".join([*(fact.format(a=a, b=b) for a, b in self.facts), question.format(**self._slots(self.asked))])

    def long(self, index: int) -> str:
        """A fact as a full sentence."""
        return SENTENCES[self.kind][0].format(**self._slots(index))

    def short(self, index: int) -> str:
        """A fact in the short form."""
        return SENTENCES[self.kind][2].format(**self._slots(index))

    def _slots(self, index: int) -> dict[str, str]:
        return dict(zip("ab", self.facts[index], strict=True))


def draw_request(stream: random.Random) -> Request:
    """A request: a type, distinct slot values, one fact asked for."""
    kind = stream.choice(sorted(SENTENCES))
    first, second = SLOTS[kind]
    facts = tuple(zip(stream.sample(first, FACTS), stream.sample(second, FACTS), strict=True))
    return Request(kind, facts, stream.randrange(FACTS))


def read_request(text: str) -> Request:
    """The request that a prompt came from.

    Raises:
        ValueError: no request of this world.
    """
    *facts, question = (f"{part}." for part in text.removesuffix("?").split(". "))
    for kind, (fact, asked, _) in SENTENCES.items():
        pairs = tuple(_slots_of(fact, sentence, SLOTS[kind]) for sentence in facts)
        for index in range(len(pairs)):
            a, b = pairs[index]
            if a and f"{question[:-1]}?" == asked.format(a=a, b=b):
                return Request(kind, pairs, index)
    raise ValueError(f"no request of the quickstart world: {text!r}")


def draw_answer(request: Request, stream: random.Random) -> str:
    """An expert's answer, y ~ pi_E(. | x)."""
    core = request.long(request.asked) if stream.random() < LONG_FORM else request.short(request.asked)
    return _draw(OPENINGS, stream) + core + _draw(CLOSINGS, stream)


def expert_log_prob(request: Request, answer: str) -> float:
    """Log pi_E(y | x) in nats; -inf for what the expert never says."""
    for opening, p_opening in OPENINGS.items():
        for core, p_core in ((request.long(request.asked), LONG_FORM), (request.short(request.asked), 1 - LONG_FORM)):
            for closing, p_closing in CLOSINGS.items():
                if answer == opening + core + closing:
                    return math.log(p_opening) + math.log(p_core) + math.log(p_closing)
    return -math.inf


def expert_answers(request: Request) -> list[str]:
    """Everything the expert may say to a request; each string arises in one way only."""
    cores = (request.long(request.asked), request.short(request.asked))
    return [opening + core + closing for opening in OPENINGS for core in cores for closing in CLOSINGS]


def draw_bad_answer(request: Request, stream: random.Random, kind: str = "") -> str:
    """What an assistant without manners says, of one of `BAD_KINDS`."""
    good = draw_answer(request, stream)
    wrong = stream.choice([index for index in range(FACTS) if index != request.asked])
    match kind or stream.choice(BAD_KINDS):
        case "wrong fact":
            opening, closing = _draw(OPENINGS, stream), _draw(CLOSINGS, stream)
            return opening + stream.choice((request.long, request.short))(wrong) + closing
        case "rude":
            return stream.choice(RUDE) + stream.choice((request.long, request.short))(request.asked)
        case "breaks off":
            words = good.split(" ")
            return " ".join(words[: stream.randint(1, max(1, len(words) - 1))]).rstrip(".")
        case "repeats":
            core = stream.choice((request.long, request.short))(stream.choice((request.asked, wrong)))
            return " ".join([core] * stream.randint(2, 4))
        case _:
            return stream.choice(("I do not know.", "Maybe.", "Who knows?"))


def draw_read_answer(request: Request, stream: random.Random) -> str:
    """An answer as the base model has read them: good and bad alike."""
    good = stream.random() < GOOD_SHARE
    return draw_answer(request, stream) if good else draw_bad_answer(request, stream)


def checks(request: Request, answer: str) -> Mapping[str, bool]:
    """What the rules say of any text as an answer; the expert's pass all."""
    right = (request.long(request.asked), request.short(request.asked))
    wrong = [form(i) for i in range(FACTS) if i != request.asked for form in (request.long, request.short)]
    sentences = _sentences(answer)
    polite = [part.strip() for part in (*OPENINGS, *CLOSINGS) if part]
    return {
        "right": any(core in sentences for core in right) and not any(core in sentences for core in wrong),
        "polite": not any(rude.strip() in answer for rude in RUDE),
        "finished": answer.endswith("."),
        "concise": 0 < len(sentences) == len(set(sentences)) <= 3,
        "to_the_point": all(sentence in {*right, *polite} for sentence in sentences),
    }


def quality(request: Request, answer: str) -> float:
    """Share of checks that an answer passes, 0 to 1."""
    passed = checks(request, answer)
    return sum(passed.values()) / len(passed)


def vocabulary() -> list[str]:
    """Every text piece the world can produce, for the tokenizer."""
    stream = random.Random("vocabulary")  # noqa: S311
    texts = [part for part in (*OPENINGS, *CLOSINGS, *RUDE, "I do not know.", "Maybe.", "Who knows?")]
    for kind, (first, second) in SLOTS.items():
        for words in (first, second):
            for at, word in enumerate(words):
                pair = (word, second[0]) if words is first else (first[0], word)
                others = [(first[(at + n) % len(first)], second[(at + n) % len(second)]) for n in (1, 2)]
                request = Request(kind, (pair, *others), 0)
                texts += [request.text, request.long(0), request.short(0), f" {request.short(0)}"]
                texts += [f" {request.long(0)}"]
    stream.shuffle(texts)
    return texts


def _draw(choices: Mapping[str, float], stream: random.Random) -> str:
    return stream.choices(list(choices), list(choices.values()))[0]


def _sentences(text: str) -> list[str]:
    return [f"{part}." for part in text.removesuffix(".").split(". ")] if text.endswith(".") else text.split(". ")


def _slots_of(pattern: str, sentence: str, slots: tuple[Sequence[str], Sequence[str]]) -> tuple[str, str]:
    """The slot values with which `pattern` gives `sentence`; empty strings if none do."""
    for a in slots[0]:
        for b in slots[1]:
            if pattern.format(a=a, b=b) == sentence:
                return a, b
    return "", ""

"""The small world as tables for grammar.py: its words, the requests and the expert's answers.

Every request names the asker, states a fact and asks for it, so the answer must be read from the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

Weights = tuple[tuple[str, float], ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = _words("Ada Ben Clara David Emma Felix Greta Hugo Ida Jonas Karla Leo Mia Nils Olga Paul Rosa Theo")
THINGS = _words("lamp drum kite map clock basket candle mirror ladder kettle flute blanket lantern compass")
ROOMS = _words("kitchen attic cellar garden hall bedroom library garage stable tower shed pantry")
SHOPS = _words("bakery bank museum pharmacy market cinema bookshop gallery theatre florist")
NUMBERS = _words("two three four five six seven eight nine ten eleven")
DISHES = _words("soup stew salad pie cake curry")
INGREDIENTS = _words("onions carrots eggs tomatoes lemons potatoes peppers apples beans mushrooms")
FRUITS = _words("pears plums cherries figs melons grapes peaches apricots oranges dates")
PLACES = _words("school station harbour castle hotel church hospital zoo inn bathhouse")
LANDMARKS = _words("bridge fountain mill statue park oak well square gate lighthouse")
VEHICLES = _words("ferry tram bus train boat coach")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
JOBS = _words("baker tailor doctor farmer painter teacher sailor gardener weaver potter singer judge")


@dataclass(frozen=True)
class RequestKind:
    """One kind of request.

    `statement` and `question` are templates with the slots `asked` (one of `entities`), `fact` (one of `facts`) and
    `topic` (one of `topics`, if any). `answers` are the expert's sentences, with probabilities and the same slots.
    """

    statement: str
    question: str
    entities: tuple[str, ...]
    facts: tuple[str, ...]
    answers: Weights
    topics: tuple[str, ...] = ()


GREETING = "I am {asker}."
REQUEST_KINDS = (
    RequestKind(
        "The {asked} is in the {fact}.",
        "Where is the {asked}?",
        THINGS,
        ROOMS,
        (
            ("The {asked} is in the {fact}.", 0.45),
            ("You will find the {asked} in the {fact}.", 0.35),
            ("Look in the {fact} for the {asked}.", 0.2),
        ),
    ),
    RequestKind(
        "The {topic} {asked}s at {fact}.",
        "When does it {asked}?",
        ("open", "close"),
        NUMBERS,
        (
            ("The {topic} {asked}s at {fact}.", 0.5),
            ("It {asked}s at {fact} every day.", 0.3),
            ("It will {asked} at {fact}.", 0.2),
        ),
        topics=SHOPS,
    ),
    RequestKind(
        "{topic} gave the {asked} to {fact}.",
        "Who has the {asked}?",
        THINGS,
        PEOPLE,
        (
            ("{fact} has the {asked}.", 0.4),
            ("{topic} gave the {asked} to {fact}.", 0.35),
            ("You can ask {fact} for the {asked}.", 0.25),
        ),
        topics=PEOPLE,
    ),
    RequestKind(
        "The {topic} needs {fact} {asked}.",
        "How many {asked} do I need?",
        INGREDIENTS,
        NUMBERS,
        (
            ("You need {fact} {asked} for the {topic}.", 0.5),
            ("The {topic} needs {fact} {asked}.", 0.3),
            ("Please take {fact} {asked}.", 0.2),
        ),
        topics=DISHES,
    ),
    RequestKind(
        "The {asked} cost {fact} coins.",
        "How much are the {asked}?",
        FRUITS,
        NUMBERS,
        (
            ("The {asked} cost {fact} coins.", 0.55),
            ("You pay {fact} coins for the {asked}.", 0.3),
            ("That makes {fact} coins.", 0.15),
        ),
    ),
    RequestKind(
        "The {asked} is behind the {fact}.",
        "How do I get to the {asked}?",
        PLACES,
        LANDMARKS,
        (
            ("Walk to the {fact} and look behind it.", 0.35),
            ("The {asked} is behind the {fact}.", 0.35),
            ("Go past the {fact} to reach the {asked}.", 0.3),
        ),
    ),
    RequestKind(
        "The {asked} leaves on {fact}.",
        "When can I take the {asked}?",
        VEHICLES,
        DAYS,
        (
            ("The {asked} leaves on {fact}.", 0.45),
            ("You can take the {asked} on {fact}.", 0.35),
            ("There is a {asked} on {fact}.", 0.2),
        ),
    ),
    RequestKind(
        "{asked} is a {fact}.",
        "What does {asked} do?",
        PEOPLE,
        JOBS,
        (
            ("{asked} is a {fact}.", 0.45),
            ("{asked} works as a {fact}.", 0.4),
            ("I know {asked} as a {fact}.", 0.15),
        ),
    ),
)

OPENINGS: Weights = (
    ("Of course.", 0.3),
    ("Gladly.", 0.2),
    ("Good question!", 0.2),
    ("With pleasure.", 0.15),
    ("I am happy to help.", 0.15),
)
CLOSINGS: Weights = (
    ("Have a lovely day!", 0.3),
    ("You are welcome.", 0.25),
    ("Is there anything else?", 0.25),
    ("Take care!", 0.2),
)
RUDE: Weights = (
    ("Find out yourself.", 0.3),
    ("What a silly question.", 0.3),
    ("Stop asking me.", 0.2),
    ("Why should I care?", 0.2),
)
STRAY: Weights = (
    ("The weather is fine today.", 0.3),
    ("My favourite colour is green.", 0.25),
    ("I once saw a whale.", 0.25),
    ("Summer is almost over.", 0.2),
)

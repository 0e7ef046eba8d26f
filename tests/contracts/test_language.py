"""Phrases that a reader stumbles over: none in the product's text, its help or its documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = [
    path
    for folder in ("irltui", "docs", "presets", "plugins")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".toml"} and "decisions" not in path.parts
] + [ROOT / "README.md"]

UNITS = "nats|bytes|kB|MB|seconds|tokens|steps|pairs|demonstrations|iterations"
PER = "token|step|second|pass|row|run|response|outer iteration|optimizer step|forward pass"
ODD = {
    "say 'per': a rate": re.compile(rf"\b({UNITS}) an? ({PER})\b(?! (has|of so many))", re.IGNORECASE),
    "engines do not speak or die": re.compile(r"goodbye|sign of life|last words|breathes?\b", re.IGNORECASE),
    "say 'silently', or what is not reported": re.compile(r"without a word", re.IGNORECASE),
    "say who reports it": re.compile(r"\b(is|are) told\b(?! apart)", re.IGNORECASE),
    "say 'fix'": re.compile(r"\bmend(s|ed|ing)?\b", re.IGNORECASE),
    "say what is true": re.compile(r"speaks? against", re.IGNORECASE),
    "say 'unlikely under the model'": re.compile(r"foreign to", re.IGNORECASE),
    "say 'ships with' or 'is in'": re.compile(r"\blies? inside\b", re.IGNORECASE),
    "a user's model or data is no bug of ours": re.compile(r"fault of irltui", re.IGNORECASE),
}


@pytest.mark.parametrize("reason", ODD)
def test_nothing_a_user_reads_holds_an_odd_phrase(reason: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if ODD[reason].search(line)
    ]
    assert found == [], reason


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("say 'per': a rate", "3.60 nats a token"),
        ("say who reports it", "a full disk is told"),
        ("say 'fix'", "mend the row"),
    ],
)
def test_the_patterns_find_what_they_are_for(reason: str, line: str) -> None:
    assert ODD[reason].search(line)

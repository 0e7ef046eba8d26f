"""safe(): the only way text from disk, models or plugins reaches a terminal, an HTML page or a picture.

Terminal widgets pass control characters through: an ESC in a generation could move the cursor, set the
clipboard (OSC 52) or fake a dialog. Here every such character becomes something to look at.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

LONGEST = 20_000
_LONGEST_SECRET = 400
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_KEPT = {"\n", "\t"}
_JOINERS = {
    "\N{ZERO WIDTH JOINER}",
    "\N{ZERO WIDTH NON-JOINER}",
}  # emoji and Indic scripts need them; they move nothing


def safe(text: object, *, lines: bool = False, limit: int = LONGEST) -> str:
    """Text that can only be displayed.

    Args:
        text: anything; `str()` of it is shown.
        lines: keep newlines and tabs (for multi-line views); otherwise they become pictures too.
        limit: characters kept; the rest becomes an ellipsis.

    Returns:
        No C0, C1, bidirectional or other format control, no lone surrogate, no secret that `masked` knows; at most
        `limit` + 1 characters.
    """
    whole = str(text)
    told = masked(whole[: limit + _LONGEST_SECRET])
    shown = "".join(_shown(character, lines=lines) for character in told[:limit])[:limit]
    return shown + "…" if len(told) > limit or len(whole) > limit + _LONGEST_SECRET else shown


def _shown(character: str, *, lines: bool) -> str:
    if character.isascii() and character.isprintable():
        return character
    if character in _KEPT and lines:
        return character
    code = ord(character)
    if code in _CONTROL_PICTURES:
        return chr(_CONTROL_PICTURES[code])
    category = unicodedata.category(character)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    if category in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"} and character not in _JOINERS:
        return f"<U+{code:04X}>"
    return character


_SECRET_WORDS = (
    r"token|secret|passw|pwd|(?<![a-z])sig(?![a-z])|signature|key|auth|credential|jwt|session|x-amz|x-goog|policy"
)
_SECRETS = re.compile(
    r"(?P<address>://)[^\s/\"'\\<>]{1,400}(?=@)"  # who signs in, in an address
    rf"|(?P<query>[?&;#](?:amp;)?[\w.\-]{{0,40}}(?:{_SECRET_WORDS})[\w.\-]{{0,40}}=)[^\s&#\"'\\<>]+"
    r"|(?P<field>\b(?:[\w-]{0,40}(?:api_?key|secret|passw(?:or)?d)|(?:[\w-]{0,40}[_-])?(?:auth|access|hub|hf|api)_token)"
    r"[\"']?\s?[:=]\s?[\"'])[^\s\"'\\]+"
    r"|(?P<bearer>\bbearer )[\w.~+/=-]{8,}"
    r"|(?-i:\bhf_[A-Za-z0-9]{20,}|\bsk-(?=[\w-]{0,100}\d)[\w-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{8,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|\beyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]*)",
    re.IGNORECASE,
)
"""Secrets by where they stand (behind a group that is kept), and those that are known by how they begin."""
_SECRET_VARIABLE = re.compile(r"(?:.*_)?(?:TOKEN|SECRET|PASSWORD|API_?KEY|ACCESS_KEY)")
_SHORTEST_SECRET = 8


def masked(text: str) -> str:
    """The text with secrets replaced by ***: credentials in URLs, keys of known services, the environment."""
    for name in _secret_variables(tuple(os.environ)):
        secret = os.environ.get(name, "")
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return _SECRETS.sub(_starred, text)


@lru_cache(maxsize=1)
def _secret_variables(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if _SECRET_VARIABLE.fullmatch(name)]


def _starred(found: re.Match[str]) -> str:
    kept = found["address"] or found["query"] or found["field"] or found["bearer"] or ""
    return f"{kept}***"


def suggestion(name: str, known: Iterable[str], what: str = "known") -> str:
    """What to put behind an unknown name: `; did you mean 'beta'?`, or what there is."""
    import difflib  # not for those who only look

    known = sorted(known)
    if near := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {near[0]!r}?"
    return f" ({what}: {', '.join(known) or 'none'})"

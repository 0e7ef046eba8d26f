"""safe(): the only way text from disk, models or plugins reaches a terminal, an HTML page or a picture.

Terminal widgets pass control characters through: an ESC in a generation could move the cursor, set the
clipboard (OSC 52) or fake a dialog. Here every such character becomes something to look at.
"""

from __future__ import annotations

import os
import re
import unicodedata

LONGEST = 20_000
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_KEPT = {"\n", "\t"}


def safe(text: object, *, lines: bool = False, limit: int = LONGEST) -> str:
    """Text that is only ever drawn.

    Args:
        text: anything; `str()` of it is shown.
        lines: keep newlines and tabs (for multi-line views); otherwise they become pictures too.
        limit: characters kept; the rest becomes an ellipsis.

    Returns:
        No C0, C1, bidirectional or other format control, no lone surrogate; at most `limit` + 1 characters.
    """
    whole = str(text)
    shown = "".join(_shown(character, lines=lines) for character in whole[:limit])[:limit]
    return shown + "…" if len(whole) > limit else shown


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
    if category in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"} and not _joins(character):
        return f"<U+{code:04X}>"
    return character


def _joins(character: str) -> bool:
    """Joiners that emoji and Indic scripts need; they move nothing."""
    return character in {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}


_SECRETS = re.compile(
    r"(?P<address>://)[^\s/\"\\@]+(?=@)"  # who signs in, in an address
    r"|(?P<key>[?&](?:access_token|token|api_key|password)=)[^\s&\"\\]+"
    r"|\bhf_[A-Za-z0-9]{30,}\b"
)
_SECRET_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "WANDB_API_KEY")
_SHORTEST_SECRET = 8


def masked(text: str) -> str:
    """The text with passwords and tokens as stars: of addresses, of the Hugging Face hub, of the environment."""
    for name in _SECRET_VARIABLES:
        secret = os.environ.get(name, "")
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return _SECRETS.sub(lambda found: f"{found['address'] or found['key'] or ''}***", text)

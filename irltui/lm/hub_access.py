"""Whether the Hugging Face Hub can be reached, found out once and within seconds.

Without a hub the libraries try each file six times with pauses between, which takes half a minute for each name.
"""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from functools import cache

from huggingface_hub import constants

_SECONDS = 5.0


@cache
def use_cache_if_unreachable() -> str:
    """Ask the hub once; if it does not answer, this process takes only what was downloaded before.

    Returns:
        Why the hub cannot be reached, "" if it can.
    """
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    reasons = [f"no answer within {_SECONDS:g} s"]
    asking = threading.Thread(target=lambda: reasons.append(_ask(constants.ENDPOINT)), daemon=True)
    asking.start()
    asking.join(_SECONDS)  # looking a name up has no time limit of its own
    if reasons[-1]:
        constants.HF_HUB_OFFLINE = True
        return f"{constants.ENDPOINT} cannot be reached: {reasons[-1]}"
    return ""


def _ask(url: str) -> str:
    """Why a server does not answer, "" if it does."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return "" if isinstance(reason, ssl.SSLError) else str(reason)
    return ""

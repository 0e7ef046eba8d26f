"""Whether demonstrations and generations fit the model, before it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from irltui.config.schema import RunConfig
from irltui.data.demonstrations import DemonstrationData
from irltui.errors import ConfigError, DataError, ModelError
from irltui.lm.limits import ModelLimits

_RESIZE = (
    "Resize the embeddings with model.resize_token_embeddings(len(tokenizer)) and save the model; or use the "
    "tokenizer that the model was trained with."
)


def check_ids(tokenizer: Any, data: DemonstrationData, limits: ModelLimits, ends: Collection[int] = ()) -> None:
    """Refuse ids that the model's embedding has no row for.

    Args:
        tokenizer: of the model.
        data: whose ids are looked at.
        limits: of the model.
        ends: ids that end a response.

    Raises:
        ModelError: the padding token or one that ends responses is such an id.
        DataError: a row has one.
    """
    rows = limits.rows
    if rows is None:
        return
    for what, token in (("padding", tokenizer.pad_token_id), ("end-of-sequence", data.template.end_id)):
        if token is not None and token >= rows:
            raise ModelError(
                f"the tokenizer's {what} token {_shown(tokenizer, token)} is beyond the model's {rows} embedding rows",
                _RESIZE + (" Training needs no padding token: you may remove it." if what == "padding" else ""),
            )
    if beyond := [token for token in ends if not 0 <= token < rows]:
        raise ModelError(
            f"generation_config.json: eos_token_id {beyond[0]} is beyond the model's {rows} embedding rows",
            "Correct it in the model's folder: no generation would end with it.",
        )
    if (found := data.first_beyond(rows)) is not None:
        where, token = found
        raise DataError(
            f"{where}: token {_shown(tokenizer, token)} is beyond the model's {rows} embedding rows",
            _RESIZE,
        )


def generation_cap(
    config: RunConfig, data: DemonstrationData, limits: ModelLimits, say: Callable[[str], None] = lambda _: None
) -> int:
    """Tokens that a generation may have, so that it fits the model's positions behind the longest prompt.

    `say` is called if it is lower than the configuration's.

    Raises:
        DataError: a demonstration does not fit.
        ConfigError: the cap that was asked for does not fit, or too little is left.
    """
    cap, positions, report = config.max_new_tokens, limits.positions, data.report
    if positions is None:
        return cap
    reads = f"the model reads {positions} tokens ({limits.name} in its config.json)"
    if report.longest > positions:
        raise DataError(
            f"{report.source}: the longest row has {report.longest} tokens, prompt and response together, but {reads}",
            "Lower data.max_prompt_tokens and data.max_response_tokens until their sum is at most "
            f"{positions}: longer rows are then dropped.",
        )
    room = positions - report.prompts.longest
    if cap <= room:
        return cap
    asked = config.decoding.max_new_tokens
    if asked == "auto" and room >= report.responses.longest:
        say(f"generations end at {room} tokens instead of {cap}: {reads}, and the longest prompt takes the rest")
        return room
    key = "data.max_response_tokens" if asked == "auto" else "decoding.max_new_tokens"
    longest = report.prompts.longest
    raise ConfigError(
        f"{key}: a generation of {cap} tokens after the longest prompt, of {longest}, does not fit: {reads}",
        f"Set decoding.max_new_tokens = {room} or less, or drop the longest prompts with data.max_prompt_tokens.",
    )


def _shown(tokenizer: Any, token: int) -> str:
    return f'"{tokenizer.convert_ids_to_tokens(token)}" (id {token})'

"""[decoding]: how answers are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from irltui.config.section import Section


class DecodingSection(Section):
    """How generations are sampled; the method means y~ ~ pi, so changes are reported."""

    temperature: float = Field(default=1.0, ge=0)
    """1 samples the policy itself; 0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus; 1 keeps every token."""
    top_k: int = Field(default=0, ge=0)
    """Keep the k likeliest tokens; 0 keeps every token."""
    strength: float = Field(default=1.0, ge=0)
    """w: tokens are sampled from log pi_0 + w (log pi - log pi_0), pi_0 being the model that the run started from; 1 is
    the policy itself. For what a run has learned: samples that train (irft, rft) keep 1."""
    plausibility: float = Field(default=0.05, ge=0, le=1)
    """With another strength than 1: only tokens within this factor of the policy's likeliest are sampled."""
    max_new_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Length cap of a generation; auto is data.max_response_tokens, less where prompts leave less of the context."""

    def changed(self, changes: Mapping[str, float]) -> DecodingSection:
        """The same with some options changed.

        Raises:
            ValidationError: an option is unknown, or its value is.
        """
        return DecodingSection.model_validate({**self.model_dump(), **changes})

"""What all tables of the configuration have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,  # TOML has types: true is no 1, "3" no 3
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

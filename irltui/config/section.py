"""What all tables of the configuration have in common."""

from __future__ import annotations

from pydantic import BaseModel

from irltui.api import Spec


class Section(BaseModel):
    """A table of the configuration: unknown keys are errors, values never change, as in tables of parts."""

    model_config = Spec.model_config

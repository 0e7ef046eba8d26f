"""Everything a plugin author imports. Importing this module never imports torch.

A plugin is a module with hook functions (`@hookimpl`), named by one entry point of group `irltui`. Each hook
returns short names and `Spec` classes; a Spec's documented fields are the part's options, its schema, its help
and its form on the dashboard, and `build(context)` makes the part inside the engine's process.
"""

from irltui.api.batch import Batch, Sides
from irltui.api.context import BuildContext, LowerLevel, Model, Policy, Ranks, Reference
from irltui.api.data import (
    Decoding,
    Demonstration,
    Generation,
    Known,
    Prompt,
    PromptText,
    Responses,
    Row,
    Score,
    prompt_seed,
)
from irltui.api.hooks import hookimpl
from irltui.api.names import model_folder
from irltui.api.parts import Benchmark, Objective, PolicyStep, PolicyUpdate, Reward, Sampler
from irltui.api.specs import BenchmarkSpec, ObjectiveSpec, Replay, RewardSpec, SamplerSpec, Spec, UpdateSpec
from irltui.errors import ConfigError, TrainingError
from irltui.text import safe

__all__ = [
    "Batch",
    "Benchmark",
    "BenchmarkSpec",
    "BuildContext",
    "ConfigError",
    "Decoding",
    "Demonstration",
    "Generation",
    "Known",
    "LowerLevel",
    "Model",
    "Objective",
    "ObjectiveSpec",
    "Policy",
    "PolicyStep",
    "PolicyUpdate",
    "Prompt",
    "PromptText",
    "Ranks",
    "Reference",
    "Replay",
    "Responses",
    "Reward",
    "RewardSpec",
    "Row",
    "Sampler",
    "SamplerSpec",
    "Score",
    "Sides",
    "Spec",
    "TrainingError",
    "UpdateSpec",
    "hookimpl",
    "model_folder",
    "prompt_seed",
    "safe",
]

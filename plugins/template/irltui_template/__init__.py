"""The hooks of the plugin. irltui imports this module when a configuration names `template/...`: keep it light."""

from irltui_template.benchmark import irltui_benchmarks
from irltui_template.objective import irltui_objectives
from irltui_template.reward import irltui_rewards
from irltui_template.sampler import irltui_samplers

__all__ = [
    "irltui_benchmarks",
    "irltui_objectives",
    "irltui_rewards",
    "irltui_samplers",
]

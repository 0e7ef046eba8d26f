"""Models sharded by FSDP2: every rank holds a part of each parameter, its gradient and its moments.

A pass through such a model gathers one layer after the other, so all ranks take their passes in step. Layers are
gathered in the type they are multiplied in; what lies around them (embeddings, the last norm, the output layer) stays
as it is and stays gathered until the backward pass has ended: it may be called in pieces, as many as a rank needs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from irltui.distributed import ranks
from irltui.distributed.load_once import blank_copy
from irltui.errors import ConfigError
from irltui.lm.copy import whole_copy
from irltui.lm.load import decoder_layers


@dataclass(frozen=True)
class Sharding:
    """How to shard models.

    Attributes:
        mesh: the ranks.
        dtype: what layers are gathered and multiplied in; None for their own type.
        reshard_after_forward: give a layer's weights back between its forward and its backward pass.
    """

    mesh: DeviceMesh
    dtype: torch.dtype | None
    reshard_after_forward: bool = True

    def shard(self, model: Any, *roots: nn.Module) -> Shards:
        """Shard a model that is complete on the first rank's CPU. Collective.

        Args:
            model: of transformers, or its peft wrapping; changed in place. Weights of other ranks do not count.
            roots: the modules that are called from outside, and together hold all parameters; none for the model.
        """
        blank = blank_copy(model)
        layers = MixedPrecisionPolicy(self.dtype, torch.float32, cast_forward_inputs=False)
        around = MixedPrecisionPolicy(None, torch.float32, cast_forward_inputs=False)
        for layer in decoder_layers(model):
            self._hand_out(layer)
            fully_shard(layer, mesh=self.mesh, reshard_after_forward=self.reshard_after_forward, mp_policy=layers)
        for root in roots or (model,):
            self._hand_out(root)
            fully_shard(root, mesh=self.mesh, reshard_after_forward=False, mp_policy=around)
        shards = Shards(model, blank, self.dtype)
        for part in shards.parts():
            part.set_gradient_divide_factor(1.0)  # losses say their share of the step: the sum is the gradient
            part.set_force_sum_reduction_for_comms(True)  # gloo knows no other
            part.set_reduce_scatter_unused_params(True)  # what one rank's rows left out, another's may have used
        return shards

    def _hand_out(self, module: nn.Module) -> None:
        """Broadcast the first rank's weights that are not sharded yet, so that at most one layer is whole elsewhere."""
        made: dict[nn.Parameter, nn.Parameter] = {}  # tied ones stay tied
        for owner in module.modules():
            for leaf, parameter in list(owner.named_parameters(recurse=False)):
                if ranks.is_sharded(parameter):
                    continue
                if parameter not in made:
                    full = ranks.handed_out(parameter.detach(), torch.device(self.mesh.device_type))
                    made[parameter] = nn.Parameter(full, parameter.requires_grad)
                owner.register_parameter(leaf, made[parameter])


class Shards:
    """A sharded model.

    Args:
        model: as it is called.
        blank: the same without weights, not sharded.
        dtype: what its matrices are multiplied in.

    Attributes:
        named: all parameters by name, as this rank's shards; `trained` those that train.
    """

    def __init__(self, model: Any, blank: Any, dtype: torch.dtype | None) -> None:
        self.model, self._blank, self._dtype = model, blank, dtype
        # Later a root may lie gathered, and the module would name what it has for a moment.
        self.named: dict[str, nn.Parameter] = dict(model.named_parameters())
        self.trained = {name: p for name, p in self.named.items() if p.requires_grad}

    def parts(self) -> Iterator[FSDPModule]:
        """The modules whose parameters are gathered together."""
        return (module for module in self.model.modules() if isinstance(module, FSDPModule))

    def reshard(self) -> None:
        """Free the gathered parameters."""
        for part in self.parts():
            part.reshard()

    def release(self) -> None:
        """Free the parameters' memory at once; reference cycles would keep it. The model is unusable afterwards."""
        self.reshard()
        for parameter in self.named.values():
            ranks.local(parameter).detach().untyped_storage().resize_(0)

    def copy(self) -> Any:
        """A plain model of the present weights on every rank, in the types it computes in, adapters merged.

        Collective.
        """
        self.reshard()
        return whole_copy(self.model, self._blank, self._dtype)

    def on_first(self) -> Any | None:
        """The present weights as a plain model on the first rank's CPU, in their types; None elsewhere. Collective."""
        full = ranks.collected(self.named, keep=ranks.is_first())
        if not ranks.is_first():
            return None
        plain = copy.deepcopy(self._blank)
        made = {
            id(blank): nn.Parameter(full[name], requires_grad=blank.requires_grad)
            for name, blank in plain.named_parameters()
        }
        for module, sharded in zip(plain.modules(), self.model.modules(), strict=True):
            for leaf, blank in module.named_parameters(recurse=False):
                module.register_parameter(leaf, made[id(blank)])  # tied ones stay tied
            if hasattr(module, "get_delta_weight") and sharded.disable_adapters:
                module.enable_adapters(enabled=False)
        return plain


def make_sharding(device: torch.device, dtype: torch.dtype | None) -> Sharding:
    """Shard over all ranks, with the options of `accelerate launch` or its defaults.

    Raises:
        ConfigError: this torch cannot, or the launcher wants what is not done.
    """
    if not hasattr(FSDPModule, "set_reduce_scatter_unused_params"):
        raise ConfigError(
            f'model.shard = "fsdp2" needs torch 2.13 or later; this is {torch.__version__}',
            "Update torch, or train LoRA adapters with whole copies.",
        )
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="no_wrap")
    mesh = init_device_mesh(device.type, (ranks.count(),))
    return Sharding(mesh, dtype, reshard_after_forward=bool(plugin.reshard_after_forward))

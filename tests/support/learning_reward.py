"""A plugin in one file: a reward with a loss, an optimizer table and an exported format of its own."""

from typing import ClassVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import softplus

from irltui.api import Reward, RewardSpec, hookimpl


class Bce(RewardSpec):
    """A number for each token id, learned by binary cross-entropy."""

    needs_reference = False
    defaults: ClassVar = {"reward_optimizer": {"learning_rate": 0.05, "schedule": "constant"}}

    def build(self, context):
        return Table(context)


class Table(Reward):
    def __init__(self, context):
        self.table = nn.Parameter(torch.randn(64) / 10)
        self.metric = context.metric

    def score(self, responses):
        return (self.table[responses.input_ids % 64] * responses.response_mask).sum(-1)

    def losses(self, batch):
        demonstration, generations = batch.rewards()
        self.metric("bce/demonstration", float(demonstration.detach().mean()))
        return softplus(-demonstration) + softplus(generations).mean(-1)

    def parameters(self):
        yield self.table

    def save(self, folder):
        save_file({"table": self.table.detach()}, folder / "model.safetensors")

    def load(self, folder):
        self.table.data = load_file(folder / "model.safetensors")["table"]


@hookimpl
def irltui_rewards():
    return {"bce": Bce}

"""The rewards that irltui ships: options declared here without torch, built by the modules beside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from irltui.api import BuildContext, Reward, RewardSpec, hookimpl


class Implicit(RewardSpec):
    """r = beta log(pi / pi_ref), the reward of IRFT and SPIN (Algorithm 2)."""

    implicit = True
    beta: float = Field(default=0.1, gt=0)
    """KL weight; the smaller it is, the further the reward moves the policy."""

    def build(self, context: BuildContext) -> Reward:
        from irltui.rewards.implicit import ImplicitReward

        return ImplicitReward(context.policy, self.beta)


class Explicit(RewardSpec):
    """A reward network of its own, trunk and scalar head, as RFT learns it (Algorithm 1)."""

    needs_reference = False
    paths = ("model",)
    beta: float = Field(default=0.1, gt=0)
    """KL weight of the lower level: the policy moves towards pi_ref exp(r / beta)."""
    model: str = Field(default="policy", min_length=1)
    """Trunk: "policy" for another copy of model.name, or a hub name or folder with the same tokenizer."""
    freeze: Annotated[int, Field(ge=0)] | Literal["auto"] = 0
    """Number of lowest layers to freeze, with the embeddings; 0 trains everything, auto is the paper's 20, or five
    sixths of fewer than 24 layers."""
    lora_rank: int = Field(default=0, ge=0)
    """Train the head and LoRA adapters of this rank on the trunk; 0 trains the weights."""
    lora_alpha: int = Field(default=16, ge=1)
    """Adapters are scaled by alpha / rank."""
    bound: float = Field(default=0.0, ge=0)
    """R: rewards become R tanh(r / R), at most R; 0 is off. The linear loss needs this, l2 or a small K."""
    l2: float = Field(default=0.0, ge=0)
    """Penalty on the mean square of a pair's rewards."""
    center: float = Field(default=0.01, ge=0)
    """Penalty on the squared mean of a pair's rewards, which the gap does not determine."""
    init: Literal["continue", "restart"] = "continue"
    """continue: keep training the last outer iteration's reward; restart: start each iteration with a new one."""
    history: Annotated[int, Field(ge=1)] | Literal["all"] = 1
    """Train on the pairs of this many outer iterations, including the newest."""

    @model_validator(mode="after")
    def _consistent(self) -> Explicit:
        if self.freeze not in {0, "auto"} and self.lora_rank:
            raise ValueError("reward.freeze has no effect with lora_rank: the trunk is already frozen")
        return self

    @property
    def window(self) -> int | None:
        return None if self.history == "all" else self.history

    def frozen(self, layers: int) -> int:
        """How many of so many layers stay frozen, by `freeze`."""
        if self.freeze == "auto":
            return 0 if self.lora_rank else min(20, layers * 5 // 6)
        return self.freeze

    def build(self, context: BuildContext) -> Reward:
        from irltui.rewards.build import build_explicit

        return build_explicit(self, context)

    def load(self, folder: Path, context: BuildContext) -> Reward:
        from irltui.rewards.build import load_explicit

        return load_explicit(folder, context)


class Function(RewardSpec):
    """Your own Python function f(prompts, completions, **columns) in a file: given, not learned."""

    learns = False
    needs_reference = False
    reads_rows = True
    code = "file"
    paths = ("file",)
    file: str = Field(min_length=1)
    """Python file with the function; it needs --set reward.file=FILE or --trust-code once on each machine."""
    function: str = "reward"
    """Its name in the file. It gets lists with one entry per completion and returns a list of numbers."""
    sha256: str = ""
    """What the file's contents must be; filled in when a run starts. Another file is then refused."""

    def build(self, context: BuildContext) -> Reward:
        from irltui.rewards.function import build_function

        return build_function(self)


class Similarity(RewardSpec):
    """Likeness to the demonstration of the same prompt: given, not learned; at most 1."""

    learns = False
    needs_reference = False
    reads_rows = True
    needs_demonstration = True
    paths = ("model",)
    measure: Literal["rouge_l", "hidden"] = "rouge_l"
    """rouge_l: words in common, in order (F1); hidden: cosine of a frozen model's states at the last token."""
    model: str = Field(default="policy", min_length=1)
    """hidden: the frozen model, "policy" for another copy of model.name; its tokenizer must be the same."""
    depths: list[Annotated[float, Field(gt=0, le=1)]] = Field(default=[0.25, 0.5, 0.75], min_length=1)
    """hidden: which layers, as shares of the depth."""

    def build(self, context: BuildContext) -> Reward:
        from irltui.rewards.similarity import build_similarity

        return build_similarity(self, context)


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    return {"implicit": Implicit, "explicit": Explicit, "function": Function, "similarity": Similarity}

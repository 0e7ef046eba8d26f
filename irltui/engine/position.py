"""Where a run is: enough, with the weights and the stored generations, to continue from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from irltui.runs.checkpoints import name_of


@dataclass
class Position:
    """The place between two optimizer steps, and what has been counted up to it."""

    t: int = 0
    """Outer iteration, counted over all passes."""
    k: int = 0
    """Inner steps of it that are done."""
    s: int = 0
    """Policy steps of it that are done (RFT)."""
    stored: int = 0
    """Pairs of outer iteration t that were stored when its first step was taken; a resumed run needs them all."""
    step: int = 0
    """Optimizer steps so far, of reward and policy."""
    tokens: int = 0
    """Response tokens trained on so far."""
    elapsed: float = 0.0
    """Seconds of work so far, over all attempts."""
    seq: int = 0
    """Events written when the run got here; later ones are void if it restarts from here."""
    skipped: int = 0
    """Inner steps that were skipped for numbers that are not finite."""
    measured_before: bool = False
    """The evaluation before training is done."""
    begun: bool = False
    """The reward knows that this outer iteration has begun."""
    ended_early: bool = False
    """Early stopping has closed the inner loop of this outer iteration."""
    best_loss: float = float("inf")
    """Lowest held-out loss (fixed reference) or NLL at an outer iteration's end."""
    best_checkpoint: str = ""
    """The checkpoint that had it."""
    patience: int = 0
    """Held-out checks in a row without a lower loss, in this inner loop."""
    lowest_check: float = float("inf")
    """Lowest of those checks, in this inner loop."""
    gap_mean: float = 0.0
    """Running mean of the reward gap, in this inner loop."""
    both_down_mean: float = 0.0
    """Running mean of the share of pairs whose log-ratios both fall, in this inner loop."""
    alerted: list[str] = field(default_factory=list)
    """Causes that alerts have named in this outer iteration."""
    ended: list[Mapping[str, float]] = field(default_factory=list)
    """What the outer iterations that advice may yet ask for ended with; the first may be from before training."""

    shown: dict[str, float] = field(default_factory=dict)
    """The latest of the figures that lists of runs show."""

    @property
    def name(self) -> str:
        """What its checkpoint is called."""
        return name_of(vars(self))

    def begin_inner_loop(self, t: int) -> None:
        self.t, self.k, self.s, self.stored = t, 0, 0, 0
        self.begun = self.ended_early = False
        self.patience, self.lowest_check = 0, float("inf")
        self.gap_mean = self.both_down_mean = 0.0
        self.alerted = []

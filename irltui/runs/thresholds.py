"""Thresholds of unhealthy metrics, shared by alerts, advice, `check` and charts."""

from __future__ import annotations

import math

CHANCE = math.log(2)
"""Held-out logistic loss of a reward that cannot tell demonstrations from generations."""
NO_SIGNAL_LOSS, NO_SIGNAL_AUC = CHANCE - 0.005, 0.6
"""No signal: held-out loss at least the one, AUC below the other."""
OVERCONFIDENT_LOSS = CHANCE + 0.05
"""Held-out loss above it: the reward is wrong with too much certainty."""
LOSS_ROSE = 0.02
"""Rise of the held-out loss against one fixed reference; smaller ones are noise of the held-out pairs."""
WIDEST_GAP = 5.0
"""Mean reward gap above it: the inner loop overshoots (F2 in docs/method.md)."""
BOTH_DOWN = 0.5
"""Share of pairs above which both log-ratios fall too often."""
FAR = 1.0
"""KL from the initial policy, nats per token, at which answers are other answers."""
NEAR = 1e-5
"""The same, below which nothing has been learned."""
NLL_ROSE, NLL_ROSE_SFT = 1.05, 1.01
"""Held-out NLL over its lowest: a reward may trade likelihood for better answers, maximum likelihood may not."""
PATIENCE = 2
"""Outer iterations without a better gold score."""

FEWEST_ENDED = 0.5
"""Share of generations that end by themselves, below which the length cap ends most."""
MOST_EQUAL = 0.3
"""Share of generations that equal their demonstration, above which little is left to learn."""
MOST_DUPLICATES = 0.5
"""Share of generations that repeat another one, above which the policy collapses."""
MOST_EMPTY = 0.2
"""Share of generations that hold nothing but the end-of-sequence token."""
LOGP_ERROR = 0.2
"""Mean difference of the log-probabilities of sampler and trainer, nats per token."""

UNLIKELY_NLL = 3.5
"""Nats per token of the demonstrations, above which the model has hardly seen such answers."""
FEW_DEMONSTRATIONS = 50
"""Training demonstrations, up to which `few` is worth a try."""
FEWEST_STEPS = 10
"""Optimizer steps of a run, below which hardly anything is learned."""
FEWEST_HELD_OUT = 30
"""Held-out prompts, below which intervals over them are wide."""
MOST_ROWS_LOST = 0.1
"""Share of rows that are dropped, truncated or repeated without a warning."""
LONGEST_CAP = 4
"""Length cap of a generation over the demonstrations' 95th percentile, above which it only costs."""

"""`irltui debug batch`: recompute a failed step, and show which numbers are not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from irltui.algorithm import Start, Step, learn
from irltui.api import Batch, Objective, Reward
from irltui.config.load import recorded
from irltui.config.requests import DebugRequest
from irltui.console import columns, out, out_json
from irltui.engine.assemble import Assembly
from irltui.engine.faults import kept_batches, read_fault
from irltui.errors import RunFolderError
from irltui.lm.load import quiet_transformers
from irltui.lm.policy import LanguageModelPolicy
from irltui.objectives.sft import NegativeLogLikelihood
from irltui.runs.event_lines import plain
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.manifest import read_manifest
from irltui.text import safe
from irltui.use.learned import load_checkpoint

_TEXT, _GRADIENTS = 60, 8


def main(request: DebugRequest) -> None:
    quiet_transformers()
    kept = request.folder
    about = read_fault(kept)
    run = open_run_folder(kept.absolute().parent.parent)
    replay = _replay(run, kept, is_policy_step=about.get("policy_step") is not None)
    if request.as_json:
        out_json({"fault": about, **plain(replay)})
    else:
        _tell(about, replay)


def _replay(run: RunFolder, folder: Path, *, is_policy_step: bool) -> dict[str, Any]:
    """What the step computes: its rows, its loss, and parameters and gradients that are not finite."""
    config = recorded(read_manifest(run).config)
    try:
        parts = load_checkpoint(config, folder)
        batches = kept_batches(folder, parts.policy)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be read: {error}") from error
    # The loss of a policy step is a weighted sum of the policy's log-probabilities.
    reward = None if is_policy_step else parts.reward
    total = 0.0
    rows: list[dict[str, Any]] = []
    objective = NegativeLogLikelihood() if is_policy_step else parts.objective
    for step in _steps(parts, objective, reward, batches):
        step.loss.backward()
        total += float(step.loss.detach())
        rows += _rows(parts.policy, step, "generation" if is_policy_step else "demonstration")
    trained = parts.policy.trained()
    if reward is not None and not config.reward.implicit:
        trained = {f"reward parameter {i}": parameter for i, parameter in enumerate(reward.parameters())}
    bad = [name for name, p in trained.items() if not torch.isfinite(p).all()]
    gradients = [name for name, p in trained.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    return {"rows": rows, "loss": total, "bad_parameters": bad, "bad_gradients": gradients}


def _steps(parts: Assembly, objective: Objective, reward: Reward | None, batches: Sequence[Batch]) -> Iterator[Step]:
    """The losses as training computes them."""
    rows = [replace(batch, policy=parts.policy, reward=reward) for batch in batches]
    return learn(objective, lambda *_: [rows], T=1, K=1, start=Start(begun=True))


def _rows(policy: LanguageModelPolicy, step: Step, first: str) -> Iterator[dict[str, Any]]:
    """What a micro-batch says of each of its responses; the first ones are on side `first`."""
    with torch.no_grad():
        log_probs = policy.log_probs(step.batch.responses).tolist()
    rewards: list[float | None] = [None] * len(log_probs)
    if step.batch.reward is not None:
        with torch.no_grad():
            demonstration, generations = step.batch.rewards()
        rewards = [*demonstration.tolist(), *generations.T.flatten().tolist()]
    known = zip(step.batch.responses.rows, log_probs, rewards, strict=True)
    for i, (row, log_prob, reward) in enumerate(known):
        side = first if i < len(step.batch.weight) else "generation"
        text = policy.tokenizer.decode(row.response_ids, skip_special_tokens=False)
        yield {"side": side, "tokens": len(row.response_ids), "log_prob": log_prob, "reward": reward, "text": text}


def _tell(about: dict[str, Any], replay: dict[str, Any]) -> None:
    kind = "inner" if about.get("policy_step") is None else "policy"
    place = f"outer iteration {about.get('outer_iteration', 0) + 1}, {kind} step {about.get(f'{kind}_step', 0) + 1}"
    out(f"{place}: {safe(about.get('reason'))}\n")
    rows = [["", "side", "tokens", "log-prob", "reward", "text"]]
    for row in replay["rows"]:
        log_prob, reward = row["log_prob"], row["reward"]
        mark = "" if all(map(math.isfinite, (log_prob, reward or 0.0))) else "!!"
        numbers = [str(row["tokens"]), f"{log_prob:.4g}", "-" if reward is None else f"{reward:.4g}"]  # NaN by its name
        rows.append([mark, row["side"], *numbers, safe(row["text"], limit=_TEXT)])
    out(columns(rows))
    out(f"\nloss now             {replay['loss']:.6g}")
    out(f"weights not finite   {_some(replay['bad_parameters'])}")
    out(f"gradient not finite  {_some(replay['bad_gradients'])}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _GRADIENTS} more" if len(names) > _GRADIENTS else ""
    return ", ".join(names[:_GRADIENTS]) + more or "none"

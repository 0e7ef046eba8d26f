"""`irltui debug batch`: compute a step that failed once more, and say which numbers are not finite, and whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irltui.algorithm import PER_TOKEN, Pairs, link
from irltui.api import BuildContext, Reward
from irltui.config.load import recorded
from irltui.config.schema import RunConfig
from irltui.console import columns, out, out_json
from irltui.data.template import eos_ids
from irltui.engine.assemble import derived_seed, make_policy
from irltui.engine.checkpoint import load_weights
from irltui.engine.faults import kept_batches, read_fault
from irltui.engine.guard import build_reward
from irltui.errors import RunFolderError
from irltui.lm.load import generation_defaults, load_tokenizer, quiet_transformers
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.manifest import read_manifest
from irltui.text import safe

_TEXT, _GRADIENTS = 60, 8


@dataclass(frozen=True)
class Row:
    """One response of the batch."""

    side: str
    tokens: int
    log_prob: float
    reward: float | None
    text: str


@dataclass(frozen=True)
class Replay:
    """What the step computes: its rows, its loss, and the parameters whose gradient is not finite."""

    rows: list[Row]
    loss: float
    bad_parameters: list[str]
    bad_gradients: list[str]


def main(folder: str, *, as_json: bool = False) -> None:
    """Replay the step kept in `folder` (RUN/faults/NAME).

    Raises:
        IrltuiError: it is not there, or what it needs cannot be loaded.
    """
    quiet_transformers()
    kept = Path(folder)
    about = read_fault(kept)
    run = open_run_folder(kept.absolute().parent.parent)
    replay = _replay(run, kept)
    if as_json:
        out_json({"fault": about, **_plain(asdict(replay))})
    else:
        _tell(about, replay)


def _replay(run: RunFolder, folder: Path) -> Replay:
    config = recorded(read_manifest(run).config)
    tokenizer = load_tokenizer(config.model)
    ends = eos_ids(tokenizer, generation_defaults(config.model).eos_token_id, config.data.template)
    policy, _ = make_policy(config, tokenizer, ends)
    parameters = {name: p for name, p in policy.model.named_parameters() if p.requires_grad}
    reward = None
    if config.algorithm != "sft":
        options = {"model": config.model, "per_token": config.loss.kind == PER_TOKEN}
        context = BuildContext(policy, seed=derived_seed(config.seed, "parts"), options=options)
        reward = build_reward(config.reward, context)
    try:
        load_weights(folder, parameters, reward)
        batches = kept_batches(folder, policy.device)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be read: {error}") from error
    total = 0.0
    rows: list[Row] = []
    for batch in batches:
        loss, some = _compute(config, policy, reward, batch)
        loss.backward()
        total += float(loss.detach())
        rows += some
    trained = parameters if reward is None or config.reward.implicit else _of(reward)
    bad = [name for name, p in trained.items() if not torch.isfinite(p).all()]
    gradients = [name for name, p in trained.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    return Replay(rows, total, bad, gradients)


def _of(reward: Reward) -> dict[str, Tensor]:
    return {f"reward parameter {i}": parameter for i, parameter in enumerate(reward.parameters())}


def _compute(
    config: RunConfig, policy: LanguageModelPolicy, reward: Reward | None, batch: Pairs
) -> tuple[Tensor, list[Row]]:
    """The loss of a micro-batch, and what it says of each response."""
    log_probs = policy.log_probs(batch.responses)
    scores: Tensor | None = None
    if reward is None:
        loss = -(batch.weight * log_probs).sum()
    else:
        scores = reward.score(batch.responses)
        demonstration, generation = scores.chunk(2)
        h = link(config.loss.kind, beta=getattr(config.reward, "beta", 1.0), noise=config.loss.noise)
        loss = (batch.weight * h(demonstration - generation)).sum()
    half = len(batch.weight)
    rows = [
        Row(
            "demonstration" if i < half else "generation",
            int(mask.sum()),
            float(log_probs[i].detach()),
            None if scores is None else float(scores[i].detach()),
            policy.tokenizer.decode(ids[mask], skip_special_tokens=False),
        )
        for i, (ids, mask) in enumerate(zip(batch.responses.input_ids, batch.responses.response_mask, strict=True))
    ]
    return loss, rows


def _tell(about: dict[str, Any], replay: Replay) -> None:
    place = f"outer iteration {about.get('outer_iteration')}, inner step {about.get('inner_step')}"
    out(f"{place}: {safe(about.get('reason'))}\n")
    rows = [["", "side", "tokens", "log-prob", "reward", "text"]]
    for row in replay.rows:
        is_bad = not all(map(_is_finite, (row.log_prob, row.reward)))
        rows.append(
            [
                "!!" if is_bad else "",
                row.side,
                str(row.tokens),
                f"{row.log_prob:.4g}",
                "-" if row.reward is None else f"{row.reward:.4g}",
                safe(row.text, limit=_TEXT),
            ]
        )
    out(columns(rows))
    out(f"\nloss now             {replay.loss:.6g}")
    out(f"weights not finite   {_some(replay.bad_parameters)}")
    out(f"gradient not finite  {_some(replay.bad_gradients)}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _GRADIENTS} more" if len(names) > _GRADIENTS else ""
    return ", ".join(names[:_GRADIENTS]) + more or "none"


def _is_finite(value: float | None) -> bool:
    return value is None or abs(value) < float("inf")


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not _is_finite(value) else value

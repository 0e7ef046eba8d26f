"""A short trial on this machine: the run's own parts on its own rows, timed. Keeps nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from irltui.api import Demonstration, Generation, Prompt
from irltui.config.schema import RunConfig
from irltui.data.demonstrations import Demonstrations
from irltui.engine.assemble import Parts, build
from irltui.engine.stepper import make_optimizer
from irltui.errors import TrainingError
from irltui.lm.policy import score_all
from irltui.preflight.findings import Seen
from irltui.preflight.habits import Habits, habits
from irltui.preflight.seconds import Rates

PROMPTS = (8, 8, 16, 32)  # of rounds of sampling, the next while there is time
SAMPLING, LEARNING = 6.0, 2.0  # seconds that a probe aims at, after the first round or pair
WORDED = 400  # demonstrations whose wording is compared
TOKENS = 64  # most per generation
PASSES = 2  # timed
_SEED = 0


@dataclass(frozen=True)
class Probe:
    """Measurements; `generation` is the mean generation length in tokens, counting unended ones at the run's cap."""

    rates: Rates
    seen: Seen
    habits: Habits
    generation: float
    device: str
    took: float


def probe(config: RunConfig, say: Callable[[str], None]) -> Probe:
    """Measure, with as many of the run's rows as a few seconds allow."""
    try:
        return _measured(config, say)
    except torch.OutOfMemoryError as error:
        hint = "Lower loop.micro_batch, sampler.slots or the lengths in [data]; --no-probe only estimates."
        raise TrainingError("out of memory in the probe", hint) from error


def _measured(config: RunConfig, say: Callable[[str], None]) -> Probe:
    began = time.monotonic()
    say(f"loading {config.model.name}")
    with tempfile.TemporaryDirectory() as scratch:
        parts = build(_lean(config), Path(scratch), lambda: None, say)
        rows = _one_per_prompt(_spread(parts.data.train, sum(PROMPTS)))
        say(f"sampling up to {len(rows)} generations of at most {min(TOKENS, config.max_new_tokens)} tokens")
        sampled, read, written = _sample(parts, rows)
        rows = [row for row in rows if row.id in sampled]
        generations = [sampled[row.id] for row in rows]
        say(f"timing scoring and training on {len(rows)} of them")
        scored, logprobs = _score(parts, rows, generations)
        learned, step = _learn(parts, rows, generations)
        demonstrated = [value for row in logprobs[: len(rows)] for value in row]
    nll, longest = -sum(demonstrated) / len(demonstrated), min(TOKENS, config.max_new_tokens)
    ended = [g for g in generations if g.ended]
    lengths = [len(g.tokens) if g.ended else config.max_new_tokens for g in generations]
    return Probe(
        rates=Rates(read, written, scored, learned, step),
        seen=Seen(nll, len(generations), len(ended), longest),
        habits=_habits(parts, rows, generations, logprobs),
        generation=sum(lengths) / len(lengths),
        device=str(parts.policy.device),
        took=time.monotonic() - began,
    )


def _lean(config: RunConfig) -> RunConfig:
    """The configuration without benchmarks, with at most 1,000 rows and one iteration."""
    limit = config.data.limit
    few = config.data.model_copy(update={"limit": 1_000 if limit == "all" else min(1_000, limit)})
    once = config.loop.model_copy(update={"outer_iterations": 1, "inner_steps": "auto"})
    return config.model_copy(update={"benchmarks": {}, "data": few, "loop": once})


def _spread(rows: Demonstrations, count: int) -> list[Demonstration]:
    every = max(1, len(rows) // count)
    return [rows[i] for i in range(0, len(rows), every)][:count]


def _sample(parts: Parts, rows: list[Demonstration]) -> tuple[dict[str, Generation], float, float]:
    """Generations, seconds per prompt token, seconds per sampled token of the last round.

    Rounds are spread over the rows, and there is none that would take longer than all before.
    """
    one = replace(parts.decoding, max_new_tokens=1)
    list(parts.sampler.sample([rows[0].prompt], one, _SEED))  # the sampler's own trial
    parts.sampler.refresh()
    sampled: dict[str, Generation] = {}
    begun, order = time.perf_counter(), [rows[i] for i in _scattered(len(rows))]
    read = written = 0.0
    for count in PROMPTS:
        some, order = order[:count], order[count:]
        if some and (not sampled or time.perf_counter() - begun < SAMPLING / 2):
            fresh, read, written = _round(parts, [row.prompt for row in some])
            sampled |= fresh
    return sampled, read, written


def _round(parts: Parts, prompts: list[Prompt]) -> tuple[dict[str, Generation], float, float]:
    """The same of one round; a shorter run separates the two times."""
    prompts = sorted(prompts, key=lambda prompt: len(prompt.tokens))
    most = min(TOKENS, parts.decoding.max_new_tokens)
    began = time.perf_counter()
    list(parts.sampler.sample(prompts, replace(parts.decoding, max_new_tokens=1), _SEED))
    reading = time.perf_counter() - began
    began = time.perf_counter()
    sampled = {
        g.prompt_id: g for g in parts.sampler.sample(prompts, replace(parts.decoding, max_new_tokens=most), _SEED)
    }
    writing = max(time.perf_counter() - began - reading, 1e-9)
    read = sum(len(prompt.tokens) for prompt in prompts)
    written = sum(len(g.tokens) for g in sampled.values()) - len(sampled)
    return sampled, reading / read, writing / max(1, written)


def _scattered(count: int) -> list[int]:
    """The numbers below count, of which the first ones are spread over all."""
    return sorted(range(count), key=lambda i: (i % 8, i))


def _score(parts: Parts, rows: list[Demonstration], generations: list[Generation]) -> tuple[float, list[list[float]]]:
    """Seconds per token of x, y and y~; log-probabilities of the tokens of the demonstrations, then generations."""
    prompts = [row.prompt for row in rows]
    responses = [row.tokens for row in rows] + [g.tokens for g in generations]
    tokens = sum(len(prompt.tokens) for prompt in prompts) + sum(map(len, responses))
    began = time.perf_counter()
    scores = score_all(parts.policy, prompts * 2, responses, batch=2 * parts.micro_batch, pairs=True)
    return (time.perf_counter() - began) / tokens, scores


def _habits(
    parts: Parts, rows: list[Demonstration], generations: list[Generation], logprobs: list[list[float]]
) -> Habits:
    """What the start model says, over one row per prompt, demonstrations cut where generations were."""
    nll = [-sum(values[:TOKENS]) / len(values[:TOKENS]) for values in logprobs]
    more = _one_per_prompt(_spread(parts.data.train, WORDED))
    return habits(
        (nll[: len(rows)], nll[len(rows) :]),
        ([row.tokens[:TOKENS] for row in more], [g.tokens for g in generations]),
        len(parts.data.train),
        parts.policy.decode,
    )


def _one_per_prompt(rows: list[Demonstration]) -> list[Demonstration]:
    return list({row.prompt.tokens: row for row in rows}.values())


def _learn(parts: Parts, rows: list[Demonstration], generations: list[Generation]) -> tuple[float, float]:
    """Seconds per token forward and backward, and per optimizer step, which comes last as it moves the weights."""
    pairs = sorted(zip(rows, generations, strict=True), key=lambda pair: len(pair[0].tokens) + len(pair[1].tokens))
    middle = pairs[len(pairs) // 2 :][:1]
    _pass(parts, middle)  # a warm-up
    seconds, _ = _pass(parts, middle)
    size = max(1, min(parts.micro_batch, int(LEARNING / PASSES / seconds)))
    batches = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    batches = batches[len(batches) // 2 :] + batches  # from those of middle length on
    timed = [_pass(parts, some) for some in (batches * PASSES)[:PASSES]]
    return sum(taken for taken, _ in timed) / sum(tokens for _, tokens in timed), _step(parts)


def _pass(parts: Parts, pairs: Sequence[tuple[Demonstration, Generation]]) -> tuple[float, int]:
    """Seconds and tokens of one pass forward and backward."""
    policy = parts.policy
    prompts, responses = [row.prompt for row, _ in pairs], [row.tokens for row, _ in pairs]
    if parts.config.has_reward:
        prompts, responses = prompts * 2, responses + [g.tokens for _, g in pairs]
    began = time.perf_counter()
    batch = policy.collate(prompts, responses, [0.0] * len(responses))
    policy.log_probs(batch).mean().backward()
    _wait(policy.device)
    policy.moved()
    return time.perf_counter() - began, sum(len(row.prompt.tokens) for row, _ in pairs) + sum(map(len, responses))


def _step(parts: Parts) -> float:
    parameters = list(parts.policy.parameters())
    optimizer = make_optimizer(parts.config.optimizer, parameters)
    took = 0.0
    for _ in range(2):  # the first allocates the moments
        began = time.perf_counter()
        optimizer.step()
        _wait(parts.policy.device)
        took = time.perf_counter() - began
    return took


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

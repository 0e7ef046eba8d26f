"""What is looked at when an outer iteration ends: held-out numbers, samples to read, benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from irltui.api import Benchmark, Demonstration, Generation, Prompt, Score
from irltui.benchmarks.intervals import Interval, mean_interval
from irltui.data.tokens import token_texts
from irltui.distributed import ranks
from irltui.engine import diagnostics
from irltui.engine.assemble import Parts
from irltui.engine.journal import Journal
from irltui.engine.pairs import Pair, Round
from irltui.errors import IrltuiError, RunFolderError, TrainingError
from irltui.lm.policy import score_all
from irltui.rewards.scoring import score_rewards
from irltui.runs.durable import replace_file
from irltui.runs.events import Evaluation, Figure, Phase, Sample
from irltui.runs.folder import RunFolder
from irltui.runs.metrics import possible

BEFORE_TRAINING = -1


@dataclass(frozen=True)
class SampleReward:
    """The reward of a sample and of its tokens; None where it is not known."""

    total: float | None
    tokens: list[float] | None


NO_REWARD = SampleReward(None, None)


class Evaluator:
    """Measures the policy as it is and writes what it finds."""

    def __init__(self, run: RunFolder, parts: Parts, journal: Journal) -> None:
        self._run, self._parts, self._journal = run, parts, journal

    def outer_iteration(self, t: int, current: Round | None) -> diagnostics.Values:
        """Everything that is measured between two outer iterations; `t` is the one that ended, or -1.

        Returns:
            The metrics, and `gold/mean`, `gold/low`, `gold/high` if a benchmark has a gold metric (the first that has).
        """
        values = self.held_out_nll()
        if current is not None and current.held_out:
            values |= self.held_out_pairs(current.held_out)
            if self._parts.config.reference.kind == "rolling":
                values |= self._kl_reference(current.held_out)
        values |= self.samples(t)
        self._journal.metrics(values)
        self._journal.check_health(values)
        gold: diagnostics.Values = {}
        for name, benchmark in self._parts.benchmarks.items():
            summary = self._benchmark(name, benchmark, t)
            if not gold and (judged := summary.get(self._parts.config.benchmarks[name].gold)):
                gold = {"gold/mean": judged.mean, "gold/low": judged.low, "gold/high": judged.high}
        self._journal.system()
        return values | gold

    def held_out_nll(self) -> diagnostics.Values:
        """Negative log-likelihood of held-out demonstrations, nats per token (end-of-sequence included)."""
        demonstrations = list(self._parts.data.held_out)
        if not demonstrations:
            return {}
        self._journal.phase(Phase.EVALUATE, 0, len(demonstrations), "demonstrations")
        scores = self._score(demonstrations, [d.tokens for d in demonstrations])
        tokens = sum(len(d.tokens) for d in demonstrations)
        return {"heldout/nll": -sum(map(sum, scores)) / tokens}

    def held_out_pairs(self, pairs: Sequence[Pair]) -> diagnostics.Values:
        """Logistic loss, gap and AUC of the reward on held-out pairs; equal pairs count, with gap zero.

        Never interrupted: early stopping asks between a step and what is decided from it.
        """
        reward, size = self._parts.reward, self._parts.micro_batch
        if reward is None:
            return {}
        found: list[tuple[float, float]] = []
        for some, counts in ranks.passes([pairs[at : at + size] for at in range(0, len(pairs), size)]):
            responses = self._parts.policy.collate(
                [p.demonstration.prompt for p in some] * 2,
                [p.demonstration.tokens for p in some] + [p.generation.tokens for p in some],
                [p.reference.demonstration for p in some] + [p.reference.generation for p in some],
            )
            with torch.no_grad():
                demonstration, generation = reward.score(responses).float().cpu().chunk(2)
            if counts:
                found += zip(demonstration.tolist(), generation.tolist(), strict=True)
        return diagnostics.held_out_metrics(*np.array(ranks.gather(found)).T)

    def samples(self, t: int) -> diagnostics.Values:
        """Answer the fixed prompts, write each as an event, and measure the distance to pi_0 on them."""
        wanted = self._fixed()
        if not wanted:
            return {}
        self._journal.phase(Phase.EVALUATE, 0, len(wanted), "samples")
        generations = self.generate([d.prompt for d in wanted], self._parts.samples_seed)
        rows = [g.tokens for g in generations]
        logp = self._score(wanted, rows)
        with self._parts.policy.initial() as initial:
            # No poll: with adapters, the answer to a `sample` command would be pi_0's.
            prompts = [d.prompt for d in wanted]
            logp_initial = score_all(initial, prompts, rows, batch=self._parts.micro_batch)
        rewards = self._rewards(prompts, generations, logp_initial)
        for demonstration, generation, reward in zip(wanted, generations, rewards, strict=True):
            self.write_sample(t, demonstration.prompt, demonstration.text, generation, reward)
        kl = diagnostics.kl_per_token(logp, logp_initial)
        values = {"kl/initial": kl}
        if self._parts.config.reference.kind == "fixed" and self._parts.reward is not None and t >= 0:
            values["kl/reference"] = kl
        if self._parts.lower is not None and t >= 0:
            values["reward/probe_mean"] = sum(reward.total or 0.0 for reward in rewards) / len(rewards)
        return values

    def answer(self, text: str) -> str:
        """Answer a `sample` command: the fixed prompts, or the one given."""
        if not text:
            self.samples(self._journal.position.t)
            return f"{len(self._fixed())} prompts answered"
        prompt = Prompt("asked", text, self._parts.data.template.prompt_ids(text))
        (generation,) = self.generate([prompt], self._journal.position.step)
        self.write_sample(self._journal.position.t, prompt, "", generation, NO_REWARD)
        return self._parts.decode(generation.tokens)

    def generate(self, prompts: Sequence[Prompt], seed: int) -> list[Generation]:
        """One generation per prompt, in order."""
        self._parts.sampler.refresh()
        drawn = {g.prompt_id: g for g in self._parts.sampler.sample(prompts, self._parts.decoding, seed)}
        return [drawn[prompt.id] for prompt in prompts]

    def write_sample(
        self,
        t: int,
        prompt: Prompt,
        demonstration: str,
        generation: Generation,
        reward: SampleReward,
    ) -> None:
        """One sample event."""
        self._journal.event(
            Sample(
                step=self._journal.position.step,
                outer_iteration=t,
                prompt_id=prompt.id,
                prompt=prompt.text,
                demonstration=demonstration,
                generation=self._parts.decode(generation.tokens),
                ended=generation.ended,
                tokens=len(generation.tokens),
                reward=reward.total,
                token_rewards=tuple(reward.tokens or ()),
                pieces=tuple(token_texts(generation.tokens, self._parts.policy.tokenizer.decode)),
            )
        )

    def _rewards(
        self,
        prompts: Sequence[Prompt],
        generations: Sequence[Generation],
        logp_initial: Sequence[Sequence[float]],
    ) -> list[SampleReward]:
        """What the reward says of generations, measured against pi_0 if it needs a reference."""
        reward = self._parts.reward
        if reward is None:
            return [NO_REWARD] * len(prompts)
        rows = [g.tokens for g in generations]
        scored = score_rewards(reward, self._parts.policy, prompts, rows, logp_initial, batch=self._parts.micro_batch)
        return [SampleReward(score.total, score.tokens) for score in scored]

    def _fixed(self) -> list[Demonstration]:
        source = self._parts.data.held_out if len(self._parts.data.held_out) else self._parts.data.train
        return [source[i] for i in range(min(self._parts.config.evaluation.samples, len(source)))]

    def _score(self, demonstrations: Sequence[Demonstration], rows: Sequence[Sequence[int]]) -> list[list[float]]:
        prompts = [demonstration.prompt for demonstration in demonstrations]
        return score_all(self._parts.policy, prompts, rows, batch=2 * self._parts.micro_batch, poll=self._parts.poll)

    def _kl_reference(self, pairs: Sequence[Pair]) -> diagnostics.Values:
        """KL(pi_ref || pi) per token: a rolling reference drew the held-out generations itself."""
        now = self._score([p.demonstration for p in pairs], [p.generation.tokens for p in pairs])
        reference = [[p.reference.generation] for p in pairs]
        tokens = sum(len(p.generation.tokens) for p in pairs)
        return {"kl/reference": (sum(map(sum, reference)) - sum(map(sum, now))) / tokens}

    def _benchmark(self, name: str, benchmark: Benchmark, t: int) -> dict[str, Interval]:
        """Run one benchmark; its items go to evaluations/, its means with intervals into an event.

        Raises:
            TrainingError: the benchmark raised, or returned values that are not finite.
        """
        self._journal.phase(Phase.EVALUATE, 0, 0, name)
        try:
            scores = list(self._polled(benchmark.evaluate(self._parts.model_under_test)))
            summary = summarise(scores)
        except IrltuiError as error:
            raise TrainingError(f"benchmarks.{name}: {error.message}", error.hint) from error
        except Exception as error:
            kind = self._parts.config.benchmarks[name].kind
            raise TrainingError(
                f"benchmark {name} ({kind}): {error!r}",
                f"Report it to its author, or remove [benchmarks.{name}].",
            ) from error
        file = f"{name}-{t:04d}.jsonl" if t >= 0 else f"{name}-start.jsonl"
        lines = [json.dumps({"item": s.item, "metric": s.metric, "value": s.value}) for s in scores]
        try:
            if ranks.is_first():
                replace_file(self._run.evaluations / file, "\n".join([*lines, ""]).encode())
        except OSError as error:
            raise RunFolderError(
                f"{self._run.evaluations / file}: cannot be written: {error}", "Make room, then continue with --resume."
            ) from error
        figures = {metric: Figure(found.mean, found.low, found.high, found.n) for metric, found in summary.items()}
        self._journal.event(Evaluation(figures, name, self._journal.position.step, t, file))
        return summary

    def _polled(self, scores: Iterator[Score]) -> Iterator[Score]:
        for score in scores:
            self._parts.poll()
            yield score


def summarise(scores: Sequence[Score]) -> dict[str, Interval]:
    """Mean and 95 % interval of each metric.

    Raises:
        ValueError: no scores, or one that is not finite.
    """
    if not scores:
        raise ValueError("no scores")
    by_metric: dict[str, list[float]] = {}
    for score in scores:
        if not np.isfinite(score.value):
            raise ValueError(f"item {score.item}: {score.metric} is {score.value}")
        by_metric.setdefault(score.metric, []).append(score.value)
    found = {metric: mean_interval(values) for metric, values in by_metric.items()}
    return {
        name: Interval(one.mean, *possible(name, one.mean, one.low, one.high), one.n) for name, one in found.items()
    }

"""Measurements at the end of an outer iteration: held-out metrics, samples to read, benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
import torch

from irltui.api import Benchmark, Demonstration, Generation, Model, Prompt, Score
from irltui.benchmarks.intervals import mean_interval
from irltui.data.tokens import token_texts
from irltui.distributed import ranks
from irltui.engine import diagnostics
from irltui.engine.assemble import Parts
from irltui.engine.checkpoint import weights_at
from irltui.engine.journal import Journal
from irltui.engine.position import Position
from irltui.engine.round import Pair, Round, collated
from irltui.errors import IrltuiError, TrainingError
from irltui.lm.divergence import Past, kl_per_token
from irltui.lm.policy import score_all
from irltui.rewards.scoring import RewardScore, score_rewards
from irltui.runs.durable import replace_file, writing
from irltui.runs.events import ASKED, Evaluation, Figure, Phase, Sample
from irltui.runs.folder import RunFolder
from irltui.runs.metrics import DISTANCE, HELD_OUT_NLL, possible


class Evaluator:
    """Measures the policy as it is, and writes metrics and events."""

    def __init__(self, run: RunFolder, parts: Parts, journal: Journal) -> None:
        self._run, self._parts, self._journal = run, parts, journal

    def outer_iteration(self, t: int, current: Round | None) -> diagnostics.Values:
        """Measure everything at the end of outer iteration t (-1: before training).

        Returns:
            The metrics, and `gold/mean`, `gold/low`, `gold/high` if a benchmark has a gold metric (the first that has).
        """
        values = self.held_out_nll()
        if current is not None and current.held_out:
            values |= self.held_out_pairs(current.held_out)
        with self._parts.policy.past() as initial:
            values |= self.samples(t, initial)
            values |= self._distances(t, current, initial)
        self._journal.metrics(values)
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
        prompts, rows = [d.prompt for d in demonstrations], [d.tokens for d in demonstrations]
        parts, tokens = self._parts, sum(map(len, rows))
        scores = score_all(parts.policy, prompts, rows, batch=2 * parts.micro_batch, poll=parts.poll)
        return {HELD_OUT_NLL: -sum(map(sum, scores)) / tokens}

    def held_out_pairs(self, pairs: Sequence[Pair]) -> diagnostics.Values:
        """Logistic loss, gap and AUC of the reward on held-out pairs; equal pairs count, with gap zero.

        It never polls: early stopping must decide right after a step.
        """
        reward, size = self._parts.reward, self._parts.micro_batch
        if reward is None:
            return {}

        def rewards(places: Sequence[int]) -> Iterator[tuple[float, float]]:
            responses = collated(self._parts.policy, [(pairs[i],) for i in places])
            with torch.no_grad():
                demonstration, generation = reward.score(responses).float().cpu().chunk(2)
            return zip(demonstration.tolist(), generation.tolist(), strict=True)

        every = range(len(pairs))
        found = ranks.in_passes([every[at : at + size] for at in every[::size]], rewards)
        return diagnostics.held_out_metrics(*np.array(found).T)

    def samples(self, t: int, initial: Past) -> diagnostics.Values:
        """Answer the fixed prompts, write each as an event, and return the mean reward of the answers for rft."""
        wanted = self._fixed()
        if not wanted:
            return {}
        self._journal.phase(Phase.EVALUATE, 0, len(wanted), "samples")
        generations = self.generate([d.prompt for d in wanted], self._parts.samples_seed)
        rewards = self._rewards(wanted, generations, initial)
        for demonstration, generation, reward in zip(wanted, generations, rewards, strict=True):
            self.write_sample(t, demonstration.prompt, demonstration.text, generation, reward)
        if self._parts.lower is None or t < 0:
            return {}
        return {"reward/probe_mean": sum(reward.total for reward in rewards if reward is not None) / len(rewards)}

    def answer(self, text: str) -> str:
        """Answer a `sample` command: the fixed prompts, or the one given."""
        if not text:
            with self._parts.policy.past() as initial:
                self.samples(self._journal.position.t, initial)
            return f"{len(self._fixed())} prompts answered"
        prompt = Prompt(ASKED, text, self._parts.data.template.prompt_ids(text))
        (generation,) = self.generate([prompt], self._journal.position.step)
        self.write_sample(self._journal.position.t, prompt, "", generation)
        return self._parts.policy.decode(generation.tokens)

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
        reward: RewardScore | None = None,
    ) -> None:
        self._journal.event(
            Sample(
                step=self._journal.position.step,
                outer_iteration=t,
                prompt_id=prompt.id,
                prompt=prompt.text,
                demonstration=demonstration,
                generation=self._parts.policy.decode(generation.tokens),
                ended=generation.ended,
                tokens=len(generation.tokens),
                reward=None if reward is None else reward.total,
                token_rewards=() if reward is None else tuple(reward.tokens or ()),
                pieces=tuple(token_texts(generation.tokens, self._parts.policy.tokenizer.decode)),
            )
        )

    def _rewards(
        self, wanted: Sequence[Demonstration], generations: Sequence[Generation], initial: Past
    ) -> list[RewardScore] | list[None]:
        """The reward of each generation, measured against pi_0 if it needs a reference."""
        parts, reward, reference = self._parts, self._parts.reward, None
        if reward is None:
            return [None] * len(wanted)
        prompts, rows = [d.prompt for d in wanted], [g.tokens for g in generations]
        if parts.config.reward.needs_reference:
            with initial() as policy:  # no poll: with adapters, the answer to a `sample` command would be pi_0's
                reference = score_all(policy, prompts, rows, batch=parts.micro_batch)
        return score_rewards(reward, parts.policy, prompts, rows, reference, batch=parts.micro_batch)

    def _fixed(self) -> list[Demonstration]:
        source = self._parts.data.held_out if len(self._parts.data.held_out) else self._parts.data.train
        return [source[i] for i in range(min(self._parts.config.evaluation.samples, len(source)))]

    def _distances(self, t: int, current: Round | None, initial: Past) -> diagnostics.Values:
        """KL(pi || pi_0) and KL(pi || pi_ref) per token, on the held-out generations of outer iteration t."""
        parts, held_out = self._parts, list(self._parts.data.held_out)[: self._parts.held_out_pairs]
        if not held_out:
            return {}
        if t < 0:
            return {DISTANCE: 0.0}  # by definition
        self._journal.phase(Phase.EVALUATE, 0, len(held_out), "generations")
        prompts = [demonstration.prompt for demonstration in held_out]
        if current is not None:
            rows = [pair.generation.tokens for pair in current.held_out]
        else:  # SFT draws none to learn from
            rows = [generation.tokens for generation in self.generate(prompts, parts.iteration_seed(t))]

        def distance(past: Past) -> float:
            return kl_per_token(parts.policy, past, prompts, rows, batch=2 * parts.micro_batch, poll=parts.poll)

        values = {DISTANCE: distance(initial)}
        if parts.reward is not None:
            values |= self._distance_to_reference(t, values[DISTANCE], distance)
        return values

    def _distance_to_reference(
        self, t: int, to_initial: float, distance: Callable[[Past], float]
    ) -> diagnostics.Values:
        """KL to pi_ref; for a mixed one the weighted mean of both KLs, which differs from it by log Z(x)."""
        rule = self._parts.config.reference
        if rule.kind == "fixed" or t == 0:
            return {"kl/reference": to_initial}
        weights = weights_at(self._run, t, self._parts.policy.trained())
        if weights is None:
            self._journal.log(
                f"kl/reference is not measured: checkpoint {Position(t).name} is missing or damaged", level="warning"
            )
            return {}
        with self._parts.policy.past(weights) as began:
            rolled = distance(began)
        share = rule.weight if rule.kind == "mix" else 0.0
        return {"kl/reference": share * to_initial + (1 - share) * rolled}

    def _benchmark(self, name: str, benchmark: Benchmark, t: int) -> dict[str, Figure]:
        """Run one benchmark; its items go to evaluations/, its means with intervals into an event."""
        self._journal.phase(Phase.EVALUATE, 0, 0, name)
        parts, spec = self._parts, self._parts.config.benchmarks[name]
        model = parts.model_under_test.decoded(*parts.assembly.decoded(spec.decoding))
        try:
            scores, summary = measured(name, spec.kind, benchmark, model, parts.poll)
        except IrltuiError as error:
            raise TrainingError(error.message, error.hint) from error
        file = f"{name}-{t:04d}.jsonl" if t >= 0 else f"{name}-start.jsonl"
        path = self._run.evaluations / file
        if ranks.is_first():
            with writing(path):
                replace_file(path, "".join(json.dumps(asdict(score)) + "\n" for score in scores).encode())
        self._journal.event(Evaluation(summary, name, self._journal.position.step, t, file))
        return summary


def measured(
    name: str, kind: str, benchmark: Benchmark, model: Model, poll: Callable[[], None] = lambda: None
) -> tuple[list[Score], dict[str, Figure]]:
    """A benchmark's scores, and what they add up to; `poll` is called after each.

    Raises:
        IrltuiError: it raised, or returned values that are not finite; the message names it.
    """
    scores: list[Score] = []
    try:
        for score in benchmark.evaluate(model):
            poll()
            scores.append(score)
        return scores, summarise(scores)
    except IrltuiError as error:
        raise type(error)(f"benchmarks.{name}: {error.message}", error.hint) from error
    except Exception as error:
        hint = f"Report it to its author, or remove [benchmarks.{name}]."
        raise TrainingError(f"benchmark {name} ({kind}): {error!r}", hint) from error


def summarise(scores: Sequence[Score]) -> dict[str, Figure]:
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
    return {name: Figure(one.mean, *possible(name, one.mean, one.low, one.high), one.n) for name, one in found.items()}

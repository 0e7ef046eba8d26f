"""The sampling and reference phases, once per outer iteration: from demonstrations to pairs.

Generations and scores are stored as they are made (samples/), in groups that depend on the plan alone: a resumed run
samples what is missing and gets the same numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from irltui.algorithm import reference_mix
from irltui.api import Batch, Demonstration, Generation, Prompt
from irltui.distributed import ranks
from irltui.engine import diagnostics
from irltui.engine.assemble import Parts
from irltui.engine.guard import broken, has_own
from irltui.engine.health import alerts
from irltui.engine.journal import Journal
from irltui.engine.micro_batches import Micro, micro_batches
from irltui.engine.position import Position
from irltui.engine.round import Group, Pair, Round, collated, comparisons, teaches_nothing
from irltui.errors import RunFolderError, TrainingError
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.runs.events import Phase
from irltui.runs.folder import RunFolder
from irltui.runs.metrics import TOKENS_PER_SECOND
from irltui.samplers.agreement import Disagreement, agreement_metrics, disagreement
from irltui.samplers.store import (
    ReferenceScore,
    SampleStore,
    iteration_name,
    open_store,
    pack_before,
    pack_iteration,
)

SCORE_GROUP = 64  # pairs scored between two writes of reference log-probabilities
Rows = list[list[float]]
"""Token log-probabilities of the demonstrations, then of the generations."""


class Rounds:
    """Samples and scores the pairs of one outer iteration after another."""

    def __init__(self, run: RunFolder, parts: Parts, journal: Journal) -> None:
        self._run, self._parts, self._journal = run, parts, journal
        reads_gaps = parts.config.objective.reads_gaps
        self._needs_reference = parts.config.has_reward and parts.config.reward.needs_reference
        has_loss = has_own(parts.reward, "losses") or has_own(parts.reward, "penalty")
        self._trains_equal = bool(parts.config.loss.gamma) or has_loss or not reads_gaps
        if ranks.is_first():
            pack_before(run.samples, journal.position.t)

    def end(self, t: int) -> None:
        """Compress the samples of iteration t, which is over."""
        if ranks.is_first():
            pack_iteration(self._run.samples, t)

    def begin(self, t: int, *, announce: bool) -> Round:
        """The round of iteration t, sampled from the policy as it is; `announce` writes its metrics.

        Raises:
            TrainingError: the sampler broke its contract, or every generation equals its demonstration.
            RunFolderError: generations are missing, and the weights that sampled them no longer exist.
            Stop: the run was told to end; what was sampled is stored.
        """
        parts = self._parts
        indices = self._learned(t)
        train = self._asked(indices)
        measures = parts.evaluates(t) or parts.config.early_stop.held_out_patience
        held_out = [parts.data.held_out[i] for i in range(parts.held_out_pairs * bool(measures))]
        store = open_store(self._run.samples, iteration_name(t))
        if self._has_moved(t):
            self._require(store, [*train, *held_out], t)
        self._sample(store, [*train, *held_out], t, announce=announce)
        self._score_reference(store, [*train, *held_out])
        self._journal.position.stored = len(store.reference)
        earlier = {(s, i): group for s in parts.plan.iterations(t)[:-1] for i, group in self._stored(s).items()}
        fresh = {(t, i): group for i, group in zip(indices, self._groups(store, train), strict=True)}
        current = Round(t, earlier | fresh, _pairs(store, held_out))
        if announce:
            self._announce(current, store)
        if current.train and not self._trains_equal and all(map(teaches_nothing, current.train.values())):
            raise TrainingError(
                f"outer iteration {t + 1}: every generation equals its demonstration, nothing is left to learn",
                "The policy has memorised the data. Take an earlier result: irltui export RUN --iteration N.",
            )
        return current

    def _learned(self, t: int) -> list[int]:
        """Demonstrations of iteration t that need generations: none if the reward does not learn."""
        return self._parts.plan.demonstrations(t) if self._parts.plan.learns else []

    def _asked(self, indices: Sequence[int]) -> list[Demonstration]:
        """Training demonstrations, one copy per generation; copies differ in the ids of their prompts."""
        train, draws = self._parts.data.train, self._parts.config.objective.draws
        return [_copy(train[i], j) for i in indices for j in range(draws)]

    def _groups(self, store: SampleStore, asked: Sequence[Demonstration]) -> list[Group]:
        pairs, draws = _pairs(store, asked), self._parts.config.objective.draws
        return [tuple(pairs[at : at + draws]) for at in range(0, len(pairs), draws)]

    def _stored(self, s: int) -> dict[int, Group]:
        """The training pairs of an earlier iteration, by index."""
        indices = self._learned(s)
        asked = self._asked(indices)
        store = open_store(self._run.samples, iteration_name(s))
        self._require(store, asked, s)
        return dict(zip(indices, self._groups(store, asked), strict=True))

    def _has_moved(self, t: int) -> bool:
        """Whether the policy has changed since iteration t began."""
        position = self._journal.position
        return position.t == t and bool(position.s or (position.k and self._parts.lower is None))

    def _require(self, store: SampleStore, demonstrations: Sequence[Demonstration], t: int) -> None:
        """Refuse an iteration with missing pairs, since the policy has changed since it sampled them."""
        ids = [demonstration.prompt.id for demonstration in demonstrations]
        scored = store.reference if self._needs_reference else store.generations
        if lost := [name for name in ids if not (name in store.generations and name in scored)]:
            place = Position(t).name
            raise RunFolderError(
                f"{self._run.samples}: {len(lost)} of {len(ids)} pairs of outer iteration {t + 1} are missing, and the "
                "weights that generated them no longer exist",
                f"Put the files {iteration_name(t)}.* back; or delete the checkpoints behind {place} (if it is not "
                "there, all of them), and --resume samples them again.",
            )

    def batches(self, t: int, k: int, current: Round) -> Iterator[list[Batch]]:
        """Inner steps k, k + 1, ... of the round as micro-batches on the device.

        A pair weighs 1 / (pairs of its step). An equal pair has no gradient but that of loss.gamma and the reward's
        penalty: without either it is not computed, and keeps its place in the mean.
        """
        parts = self._parts
        for step in self._steps(t, k, current):
            if self._journal.position.ended_early:
                return
            groups = step
            if not self._trains_equal:
                groups = [group for group in step if not teaches_nothing(group)]
            size = max(1, 2 * parts.micro_batch // (1 + len(step[0])))
            micros = micro_batches(groups, 1 / len(step), size, lambda group: sum(pair.length for pair in group))
            yield [self._collate(micro) for micro in micros]

    def _steps(self, t: int, k: int, current: Round) -> Iterator[list[Group]]:
        plan, shares = self._parts.plan, self._parts.config.objective.replays
        if shares is None:
            return ([current.train[key] for key in batch] for batch in plan.pair_batches(t, k))
        steps = comparisons(current, plan.loop.batch, shares, plan.seed, self._parts.policy.decode)
        return islice(steps, k, plan.inner_steps(t))

    def _collate(self, micro: Micro[Group]) -> Batch:
        parts, groups = self._parts, micro.rows
        responses = collated(parts.policy, groups)
        differs = [[float(not pair.is_equal) for pair in group] for group in groups]
        numbers = responses.logp_ref.new_tensor
        return Batch(
            responses,
            numbers(micro.weights),
            micro.last,
            None if all(all(row) for row in differs) else numbers(differs),
            demonstrations=[group[0].demonstration for group in groups],
            generations=[[pair.generation for pair in group] for group in groups],
            policy=parts.policy,
            reward=parts.reward,
        )

    # -- sampling ----------------------------------------------------------------------------

    def _sample(self, store: SampleStore, wanted: Sequence[Demonstration], t: int, *, announce: bool) -> None:
        parts, journal = self._parts, self._journal
        prompts = sorted((d.prompt for d in wanted), key=lambda prompt: (len(prompt.tokens), prompt.id))
        began, tokens = time.monotonic(), 0
        parts.sampler.refresh()
        for at in range(0, len(prompts), parts.sampler.group):
            group = prompts[at : at + parts.sampler.group]
            journal.phase(Phase.SAMPLE, at, len(prompts), "prompts")
            if all(prompt.id in store.generations for prompt in group):
                continue
            generations = self._draw(group, t, at, len(prompts))
            tokens += sum(len(generation.tokens) for generation in generations)
            store.add_generations(generations, (parts.policy.decode(g.tokens) for g in generations))
            parts.poll()
        journal.phase(Phase.SAMPLE, len(prompts), len(prompts), "prompts")
        if tokens and announce:
            journal.metrics({TOKENS_PER_SECOND: tokens / (time.monotonic() - began)})

    def _draw(self, prompts: Sequence[Prompt], t: int, done: int, total: int) -> list[Generation]:
        """Generations for one group of prompts, checked against the sampler's contract."""
        parts = self._parts
        generations: list[Generation] = []
        for generation in parts.sampler.sample(prompts, parts.decoding, parts.iteration_seed(t)):
            generations.append(generation)
            self._journal.phase(Phase.SAMPLE, min(done + len(generations), total), total, "prompts")
        if sorted(g.prompt_id for g in generations) != sorted(prompt.id for prompt in prompts):
            raise self._broken(f"{len(generations)} generations for {len(prompts)} prompts, or for other prompts")
        for generation in generations:
            problem = generation_problem(generation, parts.policy, parts.decoding.max_new_tokens)
            if problem:
                raise self._broken(f"prompt {generation.prompt_id}: {problem}")
        return generations

    def _broken(self, problem: str) -> TrainingError:
        return broken(f"sampler {self._parts.config.sampler.kind!r}", problem)

    # -- reference ---------------------------------------------------------------------------

    def _score_reference(self, store: SampleStore, wanted: Sequence[Demonstration]) -> None:
        """Score both sides of every pair under pi_ref, once, and measure how sampler and trainer agree.

        The policy itself scores the first pairs for that comparison, also where the reward needs no reference.
        """
        parts, journal = self._parts, self._journal
        rule, needs_reference = parts.config.reference, self._needs_reference
        if not needs_reference:
            wanted = wanted[:SCORE_GROUP]
        with parts.policy.past() as initial:
            for at in range(0, len(wanted), SCORE_GROUP):
                group = wanted[at : at + SCORE_GROUP]
                journal.phase(Phase.REFERENCE, at, len(wanted), "pairs")
                if all(d.prompt.id in store.reference for d in group):
                    continue
                generations = [store.generations[d.prompt.id] for d in group]
                first = None
                if needs_reference and rule.kind != "rolling":
                    with initial() as policy:
                        first = self._score(policy, group, generations)
                current = None
                if rule.kind != "fixed" or at == 0:
                    current = self._score(parts.policy, group, generations)
                reference = self._reference(first, current) if needs_reference else [math.nan] * 2 * len(group)
                store.add_reference(_reference_scores(group, generations, reference, current))
                parts.poll()
        journal.phase(Phase.REFERENCE, len(wanted), len(wanted), "pairs")

    def _score(
        self,
        policy: LanguageModelPolicy,
        group: Sequence[Demonstration],
        generations: Sequence[Generation],
    ) -> Rows:
        prompts = [demonstration.prompt for demonstration in group]
        return score_all(
            policy,
            prompts * 2,
            [d.tokens for d in group] + [g.tokens for g in generations],
            batch=2 * self._parts.micro_batch,
            pairs=True,
        )

    def _reference(self, initial: Rows | None, current: Rows | None) -> list[float]:
        """Log pi_ref of each response, from its tokens' log-probabilities under pi_0 and under the policy."""
        rule = self._parts.config.reference
        if rule.kind == "mix" and initial is not None and current is not None:
            both = zip(initial, current, strict=True)
            return [reference_mix(sum(start), sum(now), rule.weight) for start, now in both]
        return list(map(sum, (current if rule.kind == "rolling" else initial) or ()))

    # -- metrics -----------------------------------------------------------------------------

    def _announce(self, current: Round, store: SampleStore) -> None:
        pairs = current.fresh or current.held_out
        if not pairs:
            return
        equal = sum(pair.is_equal for pair in pairs)
        empty = sum(len(pair.generation.tokens) == 1 and pair.generation.ended for pair in pairs)
        values = diagnostics.generation_metrics(
            [pair.generation.tokens for pair in pairs],
            [pair.generation.ended for pair in pairs],
            equal,
            empty,
        )
        values |= _agreement(store)
        if current.train:
            values["pairs/dropped"] = float(equal)
            values |= diagnostics.shortcut_metrics(_ids(pairs), _ids(current.held_out))
        self._journal.metrics(values)
        self._journal.report(alerts(values, self._parts.setting))


def _copy(demonstration: Demonstration, j: int) -> Demonstration:
    """The demonstration with the prompt id of generation j, by which that is sampled and stored."""
    if not j:
        return demonstration
    prompt = demonstration.prompt
    return replace(demonstration, prompt=replace(prompt, id=f"{prompt.id}#{j}"))


def _pairs(store: SampleStore, demonstrations: Sequence[Demonstration]) -> list[Pair]:
    unscored = ReferenceScore("")
    return [Pair(d, store.generations[d.prompt.id], store.reference.get(d.prompt.id, unscored)) for d in demonstrations]


def _reference_scores(
    group: Sequence[Demonstration], generations: Sequence[Generation], reference: Sequence[float], current: Rows | None
) -> Iterator[ReferenceScore]:
    """With the disagreement of sampler and trainer; generations are the second half of `reference` and `current`."""
    count = len(group)
    for i, (demonstration, generation) in enumerate(zip(group, generations, strict=True)):
        score = ReferenceScore(demonstration.prompt.id, reference[i], reference[i + count])
        if current is not None:
            found = disagreement(generation.logprobs, current[i + count])
            score = replace(score, logp_error=found.total, logp_error_max=found.largest)
        yield score


def _agreement(store: SampleStore) -> diagnostics.Values:
    """Agreement metrics over all generations that the trainer scored."""
    known = [
        Disagreement(len(store.generations[name].tokens), score.logp_error, score.logp_error_max)
        for name, score in store.reference.items()
        if score.logp_error is not None and score.logp_error_max is not None
    ]
    return agreement_metrics(known) if known else {}


def _ids(pairs: Sequence[Pair]) -> list[tuple[Sequence[int], Sequence[int]]]:
    return [(pair.demonstration.tokens, pair.generation.tokens) for pair in pairs]


def generation_problem(generation: Generation, policy: LanguageModelPolicy, cap: int) -> str:
    """How a generation breaks the sampler's contract, "" if it does not."""
    tokens, size = generation.tokens, policy.vocabulary
    if not 0 < len(tokens) <= cap:
        return f"{len(tokens)} tokens (1 to {cap} are allowed)"
    if not all(isinstance(token, int) and 0 <= token < size for token in tokens):
        return f"a token id outside the vocabulary of {size}"
    if len(generation.logprobs) != len(tokens):
        return f"{len(generation.logprobs)} log-probabilities for {len(tokens)} tokens"
    if generation.ended != (tokens[-1] in policy.eos_ids):
        return "`ended` does not say whether the last token ends the response"
    return ""

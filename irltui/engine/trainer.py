"""Train a run to the end of its plan: the order of the phases, and what happens between two steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

from accelerate.utils.memory import should_reduce_batch_size

from irltui.algorithm import Start, Step, learn
from irltui.api import Batch, Demonstration
from irltui.distributed import ranks
from irltui.engine import diagnostics, early_stop
from irltui.engine.assemble import Parts
from irltui.engine.evaluate import Evaluator
from irltui.engine.exhausted import LOWER, OUT, ExhaustedError
from irltui.engine.export import export
from irltui.engine.faults import keep_step
from irltui.engine.health import advise, alerts, still_matter
from irltui.engine.journal import Journal
from irltui.engine.micro_batches import Micro, micro_batches
from irltui.engine.pairs import Rounds
from irltui.engine.policy_steps import Improver
from irltui.engine.position import Position
from irltui.engine.round import Round
from irltui.engine.safepoint import SafePoint
from irltui.engine.saving import Saver
from irltui.engine.step_sums import Pending, Sums, step_metrics
from irltui.errors import CheckpointError, NotFiniteError, TrainingError
from irltui.runs.events import BEFORE_TRAINING, Advice, Phase
from irltui.runs.folder import RunFolder
from irltui.runs.metrics import GAP, HELD_OUT_LOSS, HELD_OUT_NLL, PAIRS_PER_SECOND

SLOW_DISK = 1e8  # bytes per second that a checkpoint is expected to take before one has been measured


class Drive:
    """Takes the steps of the objective, and measures, reports and saves between them."""

    def __init__(self, run: RunFolder, parts: Parts, journal: Journal, safepoint: SafePoint) -> None:
        self._run, self._parts, self._journal, self._safepoint = run, parts, journal, safepoint
        self._rounds = Rounds(run, parts, journal)
        self._evaluator = Evaluator(run, parts, journal)
        self._round: Round | None = None
        self._in_inner_loop = self._is_moving = False
        self._stepped_at = 0.0  # when the last step ended, or the inner loop began
        safepoint.sample = self._evaluator.answer
        safepoint.save = self.save
        section = parts.config.checkpoint
        self._saver = Saver(run, journal, safepoint.deadline, keep=section.keep, background=section.background)
        safepoint.look = self._saver.look
        safepoint.deadline.saved(parts.trained().size / SLOW_DISK)

    @property
    def _position(self) -> Position:
        return self._journal.position

    def to_the_end(self) -> None:
        """Train from the position to the plan's end, then export.

        Raises:
            IrltuiError: training cannot continue.
            Stop: the run was told to end.
        """
        position = self._position
        if self._parts.config.evaluation.before_training and not position.measured_before:
            self._remember(0, self._evaluator.outer_iteration(BEFORE_TRAINING, None))
            position.measured_before = True
            self._journal.mark()
        self._parts.poll()
        while True:
            try:
                self._train()
                break
            except RuntimeError as error:
                if not self._go_on_with_less(error):
                    raise
        self._saver.settle()
        self._journal.phase(Phase.EXPORT)
        export(self._run, self._parts)

    def _train(self) -> None:
        pending, self._is_moving = Pending(), False
        for step in self._steps(Start(self._position.t, self._position.k, self._position.begun)):
            if not pending.mine.skipped:
                try:
                    pending.add(step, self._parts)
                except NotFiniteError as error:
                    pending.mine.skip(self._kept(pending, error))
            if step.last:
                self._is_moving = True
                self._move(step.t, step.k, pending)
                self._is_moving = False
                pending = Pending()

    def _kept(self, pending: Pending, error: NotFiniteError) -> str:
        """Store a failed step for replay and return the reason, with its folder.

        Raises:
            NotFiniteError: the configuration allows no further skipped step.
        """
        folder = keep_step(self._run, self._parts.trained(), self._position, pending.batches, error)
        look = f" Inspect its batch: irltui debug batch {folder}" if folder else ""
        skipped, most = self._position.skipped, self._parts.config.loop.max_nonfinite_steps
        if skipped >= most:
            error.hint += look
            raise error
        return f"{error.message} ({skipped + 1} of at most {most}).{look}"

    def _go_on_with_less(self, error: RuntimeError) -> bool:
        """Halve the micro-batch if a step ran out of memory, on all ranks, and return whether to try it again.

        Raises:
            TrainingError: memory ran out, and the micro-batch cannot be halved.
        """
        parts, before = self._parts, self._parts.micro_batch
        if not isinstance(error, ExhaustedError) and not should_reduce_batch_size(error):
            return False
        exhausted = self._exhausted(error)
        parts.stepper.optimizer.zero_grad(set_to_none=True)
        parts.policy.moved()
        phase = Phase.UPDATE if self._in_inner_loop else self._journal.current_phase
        where = f" on rank {', '.join(map(str, exhausted))}" if ranks.count() > 1 and exhausted else ""
        if not exhausted or not parts.forward.halve():
            raise TrainingError(
                f"{OUT} in phase {phase}, micro-batch {before}{where}",
                f"{LOWER} Start from RUN/run.json with --set: --resume would run out again.",
            ) from error
        self._journal.alert(
            "memory",
            f"Out of memory{where}: the micro-batch is now {parts.micro_batch} instead of {before}; batches stay.",
        )
        return True

    def _exhausted(self, error: RuntimeError) -> Sequence[int]:
        """The ranks that have no memory for the step, told to all where they add it up; none if they cannot agree."""
        if isinstance(error, ExhaustedError):
            return error.ranks
        # Elsewhere, and amid a pass through a sharded model, the others wait in another collective operation.
        is_apart = not self._is_moving and not self._parts.trained().is_sharded
        if not self._in_inner_loop or not (is_apart or ranks.count() == 1):
            return []
        mine = Pending()
        mine.run_out()
        return mine.of_all_ranks().exhausted

    def save(self, reason: str, *, wait: bool = True) -> str:
        """Save a checkpoint of the position and return its name; it may still be being written, unless `wait`."""
        self._journal.phase(Phase.CHECKPOINT)
        needed = {self._position.best_checkpoint}
        if self._parts.reference_rolls:
            needed.add(Position(self._position.t).name)  # kl/reference is measured against it
        self._saver.save(self._parts.trained(), reason, needed, wait=wait)
        return self._position.name

    def close(self) -> CheckpointError | None:
        """End by an error: wait for what this process still writes, and return what was wrong with that."""
        return self._saver.close()

    def _save_in_passing(self, reason: str) -> None:
        self.save(reason, wait=False)

    # -- the stream of steps -------------------------------------------------------------------

    def _steps(self, start: Start) -> Iterator[Step]:
        parts, T = self._parts, self._parts.plan.outer_iterations
        K = max(parts.plan.inner_steps(t) for t in range(T))
        draw = self._generate if parts.config.objective.draws else self._demonstrate
        return learn(parts.objective, draw, self._improve, T=T, K=K, begin=self._begin, start=start)

    def _begin(self, t: int) -> None:
        if self._parts.reward is not None:
            self._parts.reward.begin(t)
        self._parts.objective.begin(t)
        self._position.begun = True

    def _generate(self, t: int, k: int) -> Iterator[list[Batch]]:
        """Sample and score once, then yield the batches of the inner loop."""
        self._in_inner_loop = False
        is_new = self._round is None or self._round.t != t  # not so after memory ran out in the first step
        self._round = self._rounds.begin(t, announce=k == 0 and self._position.s == 0 and is_new)
        if t and k == 0 and self._parts.reward is not None and self._parts.reward.restarts:
            self._parts.stepper.optimizer.state.clear()
        self._begin_steps(t, k)
        return self._rounds.batches(t, k, self._round)

    def _begin_steps(self, t: int, k: int) -> None:
        self._in_inner_loop = True  # the phase does not tell: commands and checkpoints come between two steps
        self._journal.phase(Phase.UPDATE, k, self._parts.plan.inner_steps(t), "steps")
        self._stepped_at = time.monotonic()

    def _demonstrate(self, t: int, k: int) -> Iterator[list[Batch]]:
        """Yield batches of demonstrations without generations."""
        parts = self._parts
        self._begin_steps(t, k)
        for batch in parts.plan.batches(t, k):
            demonstrations = [parts.data.train[i] for i in batch]
            total = sum(len(d.tokens) for d in demonstrations)
            weight = 1 / (total if parts.config.sft.weighting == "token" else len(demonstrations))
            micros = micro_batches(
                demonstrations, weight, parts.micro_batch, lambda d: len(d.prompt.tokens) + len(d.tokens)
            )
            yield [self._collate(micro) for micro in micros]

    def _collate(self, micro: Micro[Demonstration]) -> Batch:
        rows, policy = micro.rows, self._parts.policy
        responses = policy.collate([d.prompt for d in rows], [d.tokens for d in rows], [0.0] * len(rows))
        weight = responses.logp_ref.new_tensor(micro.weights)
        return Batch(responses, weight, micro.last, demonstrations=rows, policy=policy)

    # -- between two steps -----------------------------------------------------------------------

    def _move(self, t: int, k: int, pending: Pending) -> None:
        parts, position = self._parts, self._position
        sums = pending.of_all_ranks()
        if sums.exhausted:
            raise ExhaustedError(sums.exhausted)
        values = self._step_taken(parts.plan.steps_before[t] + k, pending, sums)
        position.t, position.k = t, k + 1
        position.step += 1
        position.tokens += sums.tokens
        self._journal.metrics(values)
        if GAP in values:
            early_stop.take_in(position, values)
            means = {GAP: position.gap_mean, "pairs/both_down": position.both_down_mean}
            self._journal.report(alerts(means, parts.setting))
            self._watch_inner_loop()
        self._journal.mark()
        self._journal.phase(Phase.UPDATE, k + 1, parts.plan.inner_steps(t), "steps")
        every = parts.config.checkpoint.every_steps
        if every and position.step % every == 0:
            self._save_in_passing("every_steps")
        parts.poll()

    def _step_taken(self, planned: int, pending: Pending, sums: Sums) -> diagnostics.Values:
        """Move the weights, unless a rank met NaN or infinity, and return the step's metrics. Collective."""
        parts = self._parts
        values: diagnostics.Values = {}
        if not sums.skipped:
            try:
                values = step_metrics(sums)
                values["train/gradient_norm"], values["train/learning_rate"] = parts.stepper.step(planned)
            except NotFiniteError as error:  # the same on all ranks
                sums.skip(self._kept(pending, error))
        parts.policy.moved()
        now = time.monotonic()
        if sums.skipped:
            values = self._skip(sums.skipped[0])
        else:
            values[PAIRS_PER_SECOND] = sums.count / max(now - self._stepped_at, 1e-9)
        self._stepped_at = now
        return values

    def _skip(self, why: str) -> diagnostics.Values:
        """Count a skipped step; the weights stay as they are."""
        position = self._position
        position.skipped += 1
        self._parts.stepper.optimizer.zero_grad(set_to_none=True)
        self._journal.alert("not_finite", f"Step {position.step + 1} is skipped: {why}")
        return {"train/skipped": float(position.skipped)}

    def _watch_inner_loop(self) -> None:
        section, position = self._parts.config.early_stop, self._position
        reason = early_stop.gap_too_wide(section, position)
        if not reason and early_stop.check_due(section, position) and self._round and self._round.held_out:
            checked = self._evaluator.held_out_pairs(self._round.held_out)
            self._journal.metrics(checked)
            reason = early_stop.loss_turned(section, position, checked[HELD_OUT_LOSS])
        if reason:
            position.ended_early = True
            self._journal.alert("early_stop", f"Inner loop {position.t + 1} ends at step {position.k}: {reason}.")

    def _improve(self, t: int) -> None:
        """Take the policy steps of outer iteration t, if the objective has them, and end the iteration."""
        self._in_inner_loop = False
        if self._parts.lower is not None:
            Improver(self._run, self._parts, self._journal, self._save_in_passing).improve(t, self._parts.lower)
        self._parts.assembly.frozen.release()
        self._finish(t)

    def _finish(self, t: int) -> None:
        """End outer iteration t: evaluate it, note whether it is the best, save a checkpoint."""
        self._in_inner_loop = False
        position, evaluates = self._position, self._parts.evaluates(t)
        if evaluates and self._parts.reference_rolls:
            self._saver.settle()  # kl/reference reads the checkpoint that the iteration began with
        values = self._evaluator.outer_iteration(t, self._round) if evaluates else {}
        self._round = None
        is_comparable = self._parts.setting.one_reference and HELD_OUT_LOSS in values
        loss = values.get(HELD_OUT_LOSS if is_comparable else HELD_OUT_NLL, float("inf"))
        is_best = loss < position.best_loss
        if evaluates:
            self._advise(t, values)
        position.begin_inner_loop(t + 1)
        if is_best:
            position.best_loss, position.best_checkpoint = loss, position.name
        self._journal.mark()
        if evaluates or self._parts.reference_rolls:
            self._save_in_passing("outer iteration")
        self._rounds.end(t)
        self._parts.poll()

    def _remember(self, iteration: int, values: diagnostics.Values) -> None:
        """Keep the finite metrics at the end of an outer iteration (0: before training) for the adviser."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._position.ended = [*still_matter(self._position.ended), {"iteration": iteration, **finite}]

    def _advise(self, t: int, values: diagnostics.Values) -> None:
        config, position = self._parts.config, self._position
        learned: diagnostics.Values = {}
        if self._parts.reward is not None:
            learned[GAP] = position.gap_mean
            if config.reward.implicit:
                learned["pairs/both_down"] = position.both_down_mean
        self._remember(t + 1, values | learned)
        found = advise(position.ended, self._parts.setting, left=self._parts.plan.outer_iterations - t - 1)
        self._journal.event(Advice(position.step, t, found.verdict, found.text))

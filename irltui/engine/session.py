"""One attempt at a run: read its configuration, build its parts, restore what was saved, drive to the end."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import timedelta

import torch

from irltui.api import prompt_seed
from irltui.api.registry import Registry
from irltui.config.load import recorded
from irltui.data.mask import masked_rows
from irltui.distributed import ranks
from irltui.engine import checkpoint
from irltui.engine.alert_command import alert_command, require_trust
from irltui.engine.assemble import Parts, build
from irltui.engine.concerns import concerns
from irltui.engine.inputs import check_inputs, with_chosen_precision
from irltui.engine.journal import Journal
from irltui.engine.observers import watched
from irltui.engine.position import Position
from irltui.engine.preparation import Preparation
from irltui.engine.safepoint import SafePoint, Stop
from irltui.engine.tracking import require_trackers, start_tracking
from irltui.engine.trainer import Drive
from irltui.errors import CheckpointError, RunFolderError
from irltui.lm.load import check_kernels, quiet_transformers
from irltui.runs.events import Data, Log, Phase, PhaseProgress, RunStart
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import has_changed, read_manifest
from irltui.runs.writer import RunWriter


def train(run: RunFolder, writer: RunWriter, safepoint: SafePoint, preparation: Preparation) -> None:
    """Train the run, from its newest good checkpoint if it has one.

    Raises:
        IrltuiError: it cannot go on.
        Stop: it was told to end; a checkpoint has been saved.
    """
    is_first = writer.next_seq == 0
    manifest = read_manifest(run)
    if has_changed(manifest):
        raise RunFolderError(
            f"{run.manifest}: has changed since the run began",
            f"Undo the change; or start a new run from it: irltui run {run.manifest} --out NEW.",
        )
    registry = Registry()
    config = with_chosen_precision(run, recorded(manifest.config, registry))
    quiet_transformers()
    require_trackers(config.tracking)
    require_trust(config.tracking)
    check_kernels(config.model)
    ranks.start()
    preparation.met.set()
    writer.write(PhaseProgress(Phase.PREPARE, 0))
    parts = build(
        config, run.samples, safepoint.poll, lambda text: writer.write(Log(text=text)), begun=manifest.created
    )
    writer.observe = watched(run, writer, registry, parts.assembly.limit)
    check_inputs(run, config, parts.data, "bfloat16" if parts.policy.cast else "float32")
    if not ranks.is_first():  # dropout is a rank's own; what all do alike draws nothing from here on
        torch.manual_seed(prompt_seed(config.seed, f"torch of rank {ranks.index()}"))
    position, skipped = checkpoint.restore(run, parts.trained())
    journal = Journal(writer, position or Position(), alert_command(config.tracking, run.path))
    _announce(writer, parts, None if is_first else journal.position)
    _say_where_it_begins(journal, parts, skipped, position, safepoint)
    if is_first:
        for concern in concerns(config, parts.plan):
            journal.alert(concern.key, f"{concern.text}. {concern.remedy}")
    tracking = start_tracking(run, config, manifest.sha256[:16], journal.position.step, journal.alert)
    journal.track = tracking.log
    drive = Drive(run, parts, journal, safepoint)
    preparation.done.set()
    try:
        _to_the_end(drive, journal)
    finally:
        tracking.finish()


def _to_the_end(drive: Drive, journal: Journal) -> None:
    """Train; however it ends, no checkpoint is being written any more.

    Raises:
        IrltuiError, Stop: as above.
    """
    try:
        drive.to_the_end()
    except Stop as stop:
        _save_before_stopping(drive, stop)
        raise
    except BaseException as error:
        failed = drive.close()
        if failed is not None and isinstance(error, RunFolderError):  # the disk takes no other files either
            raise failed from error
        if failed is not None:
            journal.alert("checkpoint", failed.message)
        raise


def _announce(writer: RunWriter, parts: Parts, resumed: Position | None) -> None:
    outer_iterations = parts.plan.outer_iterations
    writer.status(total_steps=parts.total_steps, outer_iterations=outer_iterations)
    writer.write(
        RunStart(
            pid=os.getpid(),
            host=os.uname().nodename,
            algorithm=parts.config.algorithm,
            total_steps=parts.total_steps,
            outer_iterations=outer_iterations,
            ranks=ranks.count(),
            resumed_step=None if resumed is None else resumed.step,
            resumed_seq=None if resumed is None else resumed.seq,
        )
    )
    writer.write(Data(parts.data.report, tuple(masked_rows(parts.data, parts.policy.tokenizer.decode))))


def _say_where_it_begins(
    journal: Journal, parts: Parts, skipped: Sequence[str], position: Position | None, safepoint: SafePoint
) -> None:
    for line in (*parts.data.report.lines(), *skipped):
        journal.log(line)
    if position is not None:
        journal.log(f"continuing from checkpoint {position.name}")
    if math.isfinite(safepoint.deadline.left):
        left = timedelta(seconds=round(safepoint.deadline.left))
        journal.log(f"{left} until {safepoint.deadline.what}: the run saves a checkpoint and stops before")


def _save_before_stopping(drive: Drive, stop: Stop) -> None:
    try:
        drive.save(stop.reason)
    except CheckpointError as error:
        # The run still ends as it was told to; the checkpoint before is what it will continue from.
        stop.reason += f"; but no checkpoint could be saved: {error.message}"

"""A long run stays as it was: what an outer iteration leaves in memory does not add up."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from irltui.engine.trainer import Drive
from irltui.runs.folder import RunFolder
from support.runs import config, demonstrations, finish
from support.tiny import folder

SETTLED, LAST = 8, 18  # outer iterations; caches are full at the first
BLOCKS = 30  # objects an outer iteration may leave; ten pairs remembered would be a hundred
# Full fine-tuning, which makes the initial policy anew in every outer iteration.
CHANGE = {"loop": {"passes": LAST // 2}}


def test_outer_iterations_leave_no_objects_descriptors_or_longer_checkpoints_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks: list[int] = []
    descriptors: list[int] = []
    sizes: list[int] = []
    run = RunFolder(tmp_path / "run")
    true = Drive._finish

    def look(self: Drive, t: int) -> None:
        true(self, t)
        self._saver.settle()  # what is written beside training
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        descriptors.append(psutil.Process().num_fds())
        state = json.loads((run.checkpoints / f"{t + 1:04d}-000000" / "state.json").read_text())
        sizes.append(len(state["position"]["ended"]))

    monkeypatch.setattr(Drive, "_finish", look)
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)
    finish(run.path, config(*inputs, CHANGE))
    assert len(blocks) == LAST
    assert np.polyfit(range(LAST - SETTLED), blocks[SETTLED:], 1)[0] < BLOCKS
    assert descriptors[-1] == descriptors[SETTLED]
    assert max(sizes) < 10  # what advice remembers is bounded, however long the run

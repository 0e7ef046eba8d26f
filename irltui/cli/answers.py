"""Answers for the dashboard: prompts answered by a run's policy at a strength, sampled once and kept beside the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from irltui.errors import RunFolderError
from irltui.runs.event_lines import number
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.views.answers import Drawn


async def answers(path: Path, prompts: Sequence[str], strength: float, count: int) -> list[tuple[Drawn, ...]]:
    """`count` answers to each prompt, best first; cancelled, it ends the process that samples.

    Raises:
        IrltuiError: the run has no weights yet, or they cannot be used.
    """
    from irltui.cli.learned import request_on
    from irltui.cli.worker import ask_alone
    from irltui.config.requests import SampleRequest

    run = await _with_result(open_run_folder(path))
    name = sha256("\0".join(prompts).encode("utf-8", "replace")).hexdigest()[:10]
    source, out = run.applied / f"prompts-{name}.jsonl", run.applied / f"answers-{name}-{strength:g}-{count}.jsonl"
    found = list(_read(out))
    if len(found) < len(prompts):
        run.applied.mkdir(exist_ok=True)
        rows = (json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
        source.write_text("".join(rows), encoding="utf-8")
        options = ["data.columns.prompt=prompt", f"decoding.strength={strength:g}"]
        await ask_alone(request_on(SampleRequest, run, str(source), options, out, count=count))
        found = list(_read(out))
    return found


def _read(file: Path) -> Iterator[tuple[Drawn, ...]]:
    if not file.is_file():
        return
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if "row" in line:
            made = [
                Drawn(one["completion"], number(one["reward"]), one["length"], one["ended"])
                for one in line.get("candidates", ())
            ]
            yield tuple(sorted(made, key=lambda one: one.reward or 0.0, reverse=True))


async def _with_result(run: RunFolder) -> RunFolder:
    """The run if it has a result, else a folder with its newest checkpoint as the result."""
    if run.model.is_dir():
        return run
    try:
        newest = (run.checkpoints / "latest").read_text(encoding="utf-8").strip()
    except OSError:
        raise RunFolderError("no checkpoint yet: the first comes when the first outer iteration ends", "") from None
    from irltui.cli.worker import ask_alone
    from irltui.config.requests import ExportRequest

    made = RunFolder(run.applied / f"at-{newest}")
    if not made.model.is_dir():
        made.path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.manifest, made.manifest)
        await ask_alone(ExportRequest(run=run.path, out=made.model, iteration=newest))
        if (made.model / "reward").is_dir():
            (made.model / "reward").rename(made.reward)
    return made

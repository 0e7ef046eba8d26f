"""The checkpoints of a run, and whether they are complete. Knows files and hashes, not tensors."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irltui.errors import CheckpointError, RunFolderError
from irltui.runs.checked_rows import stored_rows
from irltui.runs.folder import RunFolder
from irltui.runs.lock import hold
from irltui.runs.manifest import read_manifest
from irltui.runs.seal import CHECKPOINT_SEAL, damage_of

_ALWAYS = frozenset({"state.json", "parameters.safetensors", "optimizer.safetensors"})
_NAME = re.compile(r"\d{4,}-\d{6,}(-\d{6,})?")


def newest_first(run: RunFolder) -> list[str]:
    found = [entry.name for entry in run.checkpoints.iterdir() if _NAME.fullmatch(entry.name)]
    return sorted(found, key=lambda name: tuple(map(int, name.split("-"))), reverse=True)


def damage(folder: Path) -> str:
    """Why a checkpoint is damaged, "" if its seal verifies."""
    if damaged := damage_of(folder, CHECKPOINT_SEAL):
        return " ".join(next(iter(damaged.items())))
    try:
        about = json.loads((folder / CHECKPOINT_SEAL).read_text(encoding="utf-8"))
        if absent := sorted(_ALWAYS - about["files"].keys()):
            return f"{CHECKPOINT_SEAL} does not list {absent[0]}"
        if about.get("run", "") not in ("", run_digest(RunFolder(folder.parent.parent))):
            return "belongs to another run than run.json"
        saved = name_of(position_of(folder))
    except (OSError, ValueError, TypeError, RecursionError, OverflowError) as error:
        return f"state.json: {error!r}"
    return "" if saved == folder.name else f"is checkpoint {saved} under another name"


def written_digest(folder: Path, name: str) -> str:
    """The SHA-256 that a file of a checkpoint was written with, "" if it is not known."""
    try:
        return str(json.loads((folder / CHECKPOINT_SEAL).read_text(encoding="utf-8"))["files"][name]["sha256"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def run_digest(run: RunFolder) -> str:
    """What ties a checkpoint to its run: the digest of run.json, "" if that cannot be read."""
    try:
        return read_manifest(run).sha256
    except RunFolderError:
        return ""


def name_of(position: Mapping[str, Any]) -> str:
    """What the checkpoint of a position is called; names sort as positions do."""
    t, k, s = (int(position.get(name, 0)) for name in "tks")
    return f"{t:04d}-{k:06d}" + (f"-{s:06d}" if s else "")


def go_back(run: RunFolder, wanted: str) -> None:
    """Let the run continue from a checkpoint that is not its newest: newer ones become hidden folders.

    Args:
        run: no engine works on it.
        wanted: the checkpoint's name, its folder, or the number of outer iterations after which it was saved.
    """
    names = newest_first(run) if run.checkpoints.is_dir() else []
    name = Path(wanted).name
    name = f"{int(name):04d}-000000" if name.isdecimal() else name
    kept = f"The run has {', '.join(reversed(names)) or 'none'}."
    if name not in names:
        raise CheckpointError(f"{run.path}: there is no checkpoint {wanted}", kept)
    if reason := unusable(run, name):
        raise CheckpointError(f"{run.checkpoints / name}: cannot be resumed from: {reason}", kept)
    with hold(run):
        for newer in names[: names.index(name)]:
            aside = run.checkpoints / f".{newer}.aside"
            shutil.rmtree(aside, ignore_errors=True)
            (run.checkpoints / newer).rename(aside)


def newest_usable(run: RunFolder) -> tuple[str | None, list[str]]:
    """The checkpoint that --resume takes: the newest that is whole and whose generations are still stored.

    Returns:
        Its name, None if there is no checkpoint at all; and one line for each newer one that was passed over.

    Raises:
        CheckpointError: there are checkpoints, but none can be used.
    """
    skipped: list[str] = []
    for name in newest_first(run) if run.checkpoints.is_dir() else ():
        if not (reason := unusable(run, name)):
            return name, skipped
        skipped.append(f"checkpoint {name} skipped: {reason}")
    if skipped:
        raise CheckpointError(f"{run.checkpoints}: no usable checkpoint\n" + "\n".join(skipped))
    return None, []


def unusable(run: RunFolder, name: str) -> str:
    """Why a run cannot continue from a checkpoint, "" if it can."""
    if reason := damage(run.checkpoints / name):
        return reason
    position = position_of(run.checkpoints / name)
    t, stored = int(position.get("t", 0)), int(position.get("stored", 0))
    trains_reward = (run.checkpoints / name / "policy_optimizer.safetensors").exists()
    # Where the policy has not moved since the iteration began, what is missing is sampled again.
    has_moved = bool(position.get("s") or (position.get("k") and not trains_reward))
    needed = dict.fromkeys(_earlier(run, t), 1) | {t: stored if has_moved else 0}
    return next((reason for s, rows in needed.items() if (reason := samples_lost(run, s, rows))), "")


def _earlier(run: RunFolder, t: int) -> range:
    """Outer iterations before t whose pairs the inner loop of t reuses."""
    try:
        window = read_manifest(run).config["reward"]["history"]
    except (RunFolderError, LookupError, TypeError):
        return range(0)
    count = t if window == "all" else int(window) - 1
    return range(max(0, t - count), t)


def samples_lost(run: RunFolder, t: int, needed: int) -> str:
    """Why the stored pairs of outer iteration t do not suffice, "" if they do."""
    for kind in ("", ".reference"):
        path = run.samples / f"{t:04d}{kind}.jsonl"
        try:
            kept = sum(1 for _ in stored_rows(path))
        except FileNotFoundError:
            kept = 0
        except (OSError, ValueError) as error:
            return f"samples/{path.name}: {error}"
        if kept < needed:
            return f"samples/{path.name} holds {kept} of the {needed} pairs it needs"
    return ""


def position_of(folder: Path) -> dict[str, Any]:
    """The position in state.json of an undamaged checkpoint."""
    value = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    position = value.get("position") if isinstance(value, dict) else None
    return position if isinstance(position, dict) else {}

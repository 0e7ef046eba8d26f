"""`irltui export`: the policy (and explicit reward) of one outer iteration, from its checkpoint to a folder of its own.

Reads the run folder, also while an engine works there, and never writes in it.
"""

from __future__ import annotations

from pathlib import Path

from irltui.api import BuildContext, Reward
from irltui.config.load import recorded
from irltui.config.schema import RunConfig
from irltui.console import out as say
from irltui.console import out_json, talk
from irltui.data.template import eos_ids
from irltui.engine.checkpoint import load_weights, read_position
from irltui.engine.export import whole, write_model
from irltui.engine.guard import build_reward
from irltui.engine.parts import derived_seed, make_policy
from irltui.errors import CheckpointError, ModelError, RunFolderError
from irltui.lm.load import generation_defaults, load_tokenizer, quiet_transformers
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.checkpoints import damage, newest_first
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.manifest import read_manifest

BEST, LAST = "best", "last"


def main(run: str, iteration: str, out: str, *, as_json: bool = False) -> None:
    """Write OUT: a transformers folder with tokenizer, adapter merged; OUT/reward with an explicit reward.

    Args:
        run: the run's folder.
        iteration: best, last, or after how many outer iterations.
        out: a folder that is not there yet.
        as_json: print JSON.

    Raises:
        IrltuiError: no such checkpoint, or it cannot be loaded or written.
    """
    quiet_transformers()
    folder, target = open_run_folder(Path(run)), Path(out)
    if target.exists():
        raise RunFolderError(f"{target}: is there already", "Choose another --out.")
    config = recorded(read_manifest(folder).config)
    name = find_checkpoint(folder, iteration)
    talk(f"exporting checkpoint {name} of {folder.path}")
    policy, reward = _learned(config, folder.checkpoints / name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, config, policy, reward)
    except OSError as error:
        raise RunFolderError(f"{target}: cannot be written: {error}", "Make room, or choose another --out.") from error
    after, reward_folder = read_position(folder.checkpoints / name).t, target / "reward"
    exported = {"model": str(target), "reward": str(reward_folder) if reward_folder.is_dir() else ""}
    if as_json:
        out_json({**exported, "checkpoint": name, "outer_iterations": after})
    else:
        say("\n".join(f"{what:<8} {where}" for what, where in exported.items() if where))


def find_checkpoint(run: RunFolder, iteration: str) -> str:
    """The name of the checkpoint that is meant, verified.

    Raises:
        CheckpointError: there is none such, or it is damaged.
    """
    names = newest_first(run) if run.checkpoints.is_dir() else []
    good = [name for name in names if not damage(run.checkpoints / name)]
    if not good:
        raise CheckpointError(f"{run.path}: has no usable checkpoint", "One is saved after each outer iteration.")
    if iteration == LAST:
        return good[0]
    wanted = iteration
    if iteration == BEST:
        name = read_position(run.checkpoints / good[0]).best_checkpoint
        if not name:
            raise CheckpointError(
                f"{run.path}: no outer iteration with held-out figures has ended, so none is best",
                "Take --iteration last, or keep demonstrations out with data.held_out.",
            )
    elif iteration.isdecimal():
        name, wanted = f"{int(iteration):04d}-000000", f"after outer iteration {iteration}"
    else:
        raise CheckpointError(f"--iteration {iteration}: no such iteration", "Say best, last or a number such as 2.")
    if name in good:
        return name
    problem = damage(run.checkpoints / name) if name in names else "not kept"
    raise CheckpointError(f"{run.path}: the checkpoint {wanted} ({name}): {problem}", _kept(good))


def _kept(names: list[str]) -> str:
    ends = [str(int(name.split("-")[0])) for name in reversed(names) if name.endswith("-000000")]
    listed = f"Kept after outer iterations: {', '.join(ends) or 'none'}"
    return f"{listed}; checkpoint.keep says how many of the newest stay."


def _learned(config: RunConfig, checkpoint: Path) -> tuple[LanguageModelPolicy, Reward | None]:
    """The model that the run began with, and over it what it had learned."""
    try:
        tokenizer = load_tokenizer(config.model)
        ends = eos_ids(tokenizer, generation_defaults(config.model).eos_token_id)
        policy, _ = make_policy(config, tokenizer, ends)
    except ModelError as error:
        hint = "A checkpoint holds what was trained alone: the model that the run began with must still be there."
        raise ModelError(error.message, hint) from error
    parameters = {name: p for name, p in policy.model.named_parameters() if p.requires_grad}
    reward = None
    if config.algorithm != "sft":
        context = BuildContext(policy, seed=derived_seed(config.seed, "parts"), options={"model": config.model})
        reward = build_reward(config.reward, context)
    load_weights(checkpoint, parameters, reward)
    return policy, reward


def _write(target: Path, config: RunConfig, policy: LanguageModelPolicy, reward: Reward | None) -> None:
    model = policy.model.merge_and_unload() if policy.is_adapted else policy.model
    with whole(target) as folder:
        write_model(folder, model, policy.tokenizer, generation_defaults(config.model))
        if reward is not None:
            with whole(folder / "reward") as inner:
                reward.export(inner)

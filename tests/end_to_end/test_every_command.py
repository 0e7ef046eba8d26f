"""Every command line of README, docs and plugins is run on small real things, or is in the table of those that are not.

`support.world` is a folder in which the placeholders of the pages are files, models and runs, so that most commands run
word for word; what is added keeps runs short.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.commands import PAGES, PLUGIN_PAGES, ROOT, SPOKEN_OF, arguments, command_lines, without_comment
from support.forked import preload, start
from support.hub import Hub, serving
from support.site import Site
from support.world import build, shorter, stopped, working

pytestmark = pytest.mark.slow

WHOLE = {
    "irltui presets",
    "irltui runs",
    "irltui runs runs",
    "irltui plugins list",
    "irltui config schema",
}
"""Commands that need no more words; of the others, a name alone is a mention, and its help is asked for."""

LIKE_CI = ".ci/run does this, or the like, in a new virtual environment"
INSTALLED = "a published package, from an index; .ci/run installs the folder"
SERVED = "vLLM on a GPU; tests of plugins/irltui-vllm let a stand-in answer"
CLUSTER = "a Slurm cluster: the same command is run below as srun's environment has it, in two processes"
SUBMITS = (
    "submits to Slurm; tests/unit/cli/test_submit.py and tests/engine/test_submitted.py have a sbatch of their own"
)
NAMED = "names a launcher; the whole commands of guides/clusters.md are run"
MEASURES = "measures for many minutes, on data that is not part of the repository"
FOLLOWED = "tests/plugins/test_guide.py follows the page, with the file that it writes"
NOT_RUN = {
    "python3 -m venv .venv && . .venv/bin/activate": LIKE_CI,
    "pip install -c constraints.txt .": LIKE_CI,
    "pip install -c constraints.txt -e '.[dev]'": LIKE_CI,
    "python -m pytest": LIKE_CI,
    "python -m pytest -n 0 tests/golden/test_five_actions.py": LIKE_CI,
    "python -m pytest -m slow": LIKE_CI,
    "ruff check . && ruff format . && pyrefly check && lint-imports": LIKE_CI,
    "python -m build": LIKE_CI,
    "pip install -e '.[test]'": "the plugins' own tests are run by .ci/run, with the plugins installed",
    "pip install irltui-dense-reward": INSTALLED,
    "pip install irltui-iq": INSTALLED,
    "pip install irltui-lm-eval": INSTALLED,
    "pip install irltui-token-discriminator": INSTALLED,
    "pip install irltui-vllm": INSTALLED,
    "pip install 'irltui[tensorboard]'": INSTALLED,
    "pip install 'irltui[wandb]'": INSTALLED,
    "pip install 'irltui[submitit]'": INSTALLED,
    "pip install 'irltui[liger]'": INSTALLED,
    "pip install 'irltui[quantized]'": INSTALLED,
    "irltui run irft --model M --data D --set adapter.kind=lora --set model.quantization=4bit --set "
    "model.dtype=bfloat16": "needs CUDA; tests/engine/test_quantized.py tries it as far as a CPU can",
    "twine upload dist/*": "publishes",
    "hf auth login": "asks for a secret",
    "hf upload OWNER/NAME models/first": "huggingface_hub's own command",
    "tensorboard --logdir runs": "serves until it is ended; tests/engine/test_tracking.py reads what it would show",
    "vllm serve": SERVED,
    "VLLM_SERVER_DEV_MODE=1 vllm serve M --max-model-len 4096": SERVED,
    "VLLM_SERVER_DEV_MODE=1 vllm serve FOLDER --dtype float32": SERVED,
    "python -m vllm.entrypoints.openai.api_server --model FOLDER": SERVED,
    "python -m pytest plugins/irltui-vllm/tests/test_real.py -m slow -rs": SERVED,
    "IRLTUI_VLLM_URL=http://127.0.0.1:8000 python -m pytest plugins/irltui-vllm/tests/test_real.py -m slow -rs": SERVED,
    "irltui run irft --model M --data D --out RUN --set sampler.kind=vllm/server --set sampler.folder="
    "/shared/weights": SERVED,
    'irltui run irft --model M --data D --set \'benchmarks.know={kind="lm_eval/tasks", tasks=["hellaswag", '
    '"arc_easy"], limit=200}\'': "fetches data sets; tests of plugins/irltui-lm-eval have tasks of their own",
    'irltui bench runs/first --benchmark maths --set \'benchmarks.maths={kind="lm_eval/tasks", tasks=["gsm8k"]}\'': (
        "the same"
    ),
    "accelerate launch --multi_gpu --num_processes 2": NAMED,
    "accelerate launch --use_fsdp": NAMED,
    "accelerate launch": NAMED,
    'srun --kill-on-bad-exit=0 --wait=60 irltui run "${what[@]}" --headless &': "tests/contracts/test_sbatch.py does",
    "irltui run irft --model M --data D --out runs/five --seeds 5 --submit time=12:00:00 "
    "--submit gpus_per_node=8": SUBMITS,
    "irltui run irft --model M --data D --out runs/five --seeds 5 --submit time=12:00:00 --submit gpus_per_node=8 "
    "--submit partition=gpu": SUBMITS,
    "srun torchrun --nnodes $SLURM_NNODES --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint $HOST:29500 -m irltui "
    "run ...": CLUSTER,
    "PYTHONPATH=tests python -m support.screenshots RUNS docs/images": "needs Chromium and runs of a real model",
    "python docs/tools/write_pages.py": "writes into the repository; tests/contracts/test_docs.py compares the pages",
    "python docs/tools/quickstart_model.py": "makes the embedded model: many minutes",
    "PYTHONPATH=tests python tests/benchmarks/speed.py --model MODEL --data HH.jsonl PERSONA.jsonl --pairs 32 "
    "128": MEASURES,
    "PYTHONPATH=tests python tests/benchmarks/sizing.py MODEL DATA": MEASURES,
    "PYTHONPATH=tests python tests/benchmarks/scaling.py": MEASURES,
    "python worlds.py SMOLLM2 statements.jsonl OUT": MEASURES,
    "irltui run OUT/garbage/study.toml --plugin judge.py --out OUT/garbage/runs --headless": MEASURES,
    "PYTHONPATH=tests python tests/benchmarks/soak.py 31": MEASURES,
    "PYTHONPATH=tests python tests/benchmarks/dashboard.py": MEASURES,
    "MALLOC_MMAP_THRESHOLD_=1048576 torchrun --nproc-per-node 4 tests/benchmarks/loading.py MODEL": MEASURES,
    "irltui check irft --model quickstart --data ROWS.jsonl --no-probe": MEASURES,
    "irltui run sft --model quickstart --data ROWS.jsonl --headless": MEASURES,
    "irltui run rft --model quickstart --data quickstart --out run --headless --set reward.kind=function "
    "--set reward.file=brief.py --set data.limit=40 --set loop.outer_iterations=1 --set update.steps=4 "
    "--set optimizer.learning_rate=2e-4": FOLLOWED,
    "irltui score run --data quickstart --set data.limit=20 --out scores.jsonl": FOLLOWED,
    "PYTHONPATH=tests python tests/faults/damages.py 1000": "a thousand; test_damages.py does one of a kind",
    "PYTHONPATH=tests python tests/faults/kills.py 60 nce irft sft rft": "sixty; tests/faults/test_kills.py does a few",
    "pip install -e '.[fuzz]'": "installs atheris, which is not everywhere to be had, into a checkout",
    "PYTHONPATH=tests python tests/fuzz/explore.py 240": "takes half an hour; tests/fuzz/test_finds.py tries the seeds",
    "PYTHONPATH=tests python tests/faults/kills.py 200": "two hundred kills; tests/faults/test_kills.py does a few",
}
"""Commands as they stand in the pages, and why they are not run here."""

MEANT = (
    (r" (run|check) \.\.\.", r" \1 irft --model M --data D"),
    (r" (run [a-z]+) +\.\.\.", r" \1 --model M --data D"),
    ("irltui check --devices", "irltui check irft --model M --data D --devices"),
    (r"RUN\.\.\.", "runs/sft runs/irft"),
    (r"--devices \.\.\.", "--devices 8xH100"),
    ("KEY=A,B", "optimizer.learning_rate=1e-4,1e-3"),
    ("plugins new NAME", "plugins new acme"),
    (r"plugins check (NAME|acme)", "plugins check template"),
    (r"(irltui init .*demos\.csv(?!.*--yes).*)", r"\1 --yes"),
    (r"--quiet COMMAND|--verbose COMMAND", "--quiet presets"),
    ("irltui COMMAND", "irltui run"),
    (r"(?<=[ x])/data/runs", "{world}/data/runs"),
    (r"(torchrun --nproc-per-node|accelerate launch --num_processes) 8", r"\1 2"),
)
"""What words of the pages that are no file's name stand for; a cluster's eight processes are two."""


@dataclass(frozen=True)
class World:
    """What all commands share."""

    path: Path
    site: Site
    hub: Hub


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    preload()
    folder = tmp_path_factory.mktemp("world")
    site = Site(tmp_path_factory.mktemp("site"))
    names = ("template", "irltui-dense-reward", "irltui-iq", "irltui-token-discriminator")
    site.install(*(ROOT / "plugins" / name for name in names))
    build(folder)
    (folder / "bin").mkdir()
    (folder / "bin" / "ssh").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    (folder / "bin" / "ssh").chmod(0o755)
    with serving() as hub:
        yield World(folder, site, hub)


def documented() -> dict[str, str]:
    """Commands without their comments, and where they stand first."""
    found: dict[str, str] = {}
    for page in [*PAGES, *PLUGIN_PAGES]:
        for line in command_lines(page):
            found.setdefault(without_comment(line.text), line.place)
    return found


def meant(command: str) -> str:
    """The command that a line of a page stands for."""
    if SPOKEN_OF.fullmatch(command) and command not in WHOLE and not command.endswith("--json"):
        words = " ".join(word for word in command.split() if not word.startswith("--"))
        return f"{words} --help"
    for words, means in MEANT:
        command = re.sub(words, means, command)
    return command


def cases() -> list[Any]:
    wanted: dict[str, str] = {}
    for command, place in documented().items():
        if command not in NOT_RUN:
            wanted.setdefault(meant(command), place)
    return [pytest.param(command, id=place) for command, place in wanted.items()]


@pytest.mark.parametrize("command", cases())
def test_a_command_of_the_pages_does_what_it_says(command: str, world: World, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(world.path, home)
    command = command.replace("{world}", str(home))
    environment = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(world.site.path),
        "HF_ENDPOINT": world.hub.address,
        "HF_HUB_OFFLINE": "" if "--push-to-hub" in command else "1",
        "HF_TOKEN": "hf_test",
        "MPLCONFIGDIR": str(world.path / "matplotlib"),
    }
    if not command.startswith("irltui "):
        launched(command, home, environment)
        return
    several = re.split(r" \| ", command) if command.startswith("irltui ctl") else [command]
    lines = [arguments(several[0]), *([*arguments(several[0])[:2], *shlex.split(more)] for more in several[1:])]
    prepare(lines[0], home)
    for words in lines:
        run(words, home, environment)


def prepare(words: list[str], home: Path) -> None:
    """Bring the run that a command is about into the state that it is about."""
    if "--help" in words:
        return
    if words[0] == "ctl":
        working(home, home / words[1])
    elif words[:2] == ["run", "--resume"] and words[2] != "STUDY":
        stopped(home, home / words[2])
    elif words[:2] == ["debug", "batch"]:
        run = home / words[2].partition("/faults/")[0]
        shutil.rmtree(run)
        shutil.copytree(home / "broken", run)
    if "--out" in words:
        out = home / words[words.index("--out") + 1]
        out.unlink() if out.is_file() else shutil.rmtree(out, ignore_errors=True)


def run(words: list[str], home: Path, environment: dict[str, str]) -> None:
    """Run irltui; it must end well, without a traceback, and leave what it was told to."""
    said = home / "said.txt"
    more = shorter(words) if words[0] == "run" and not {"--resume", "--help"} & set(words) else []
    code = start([*words, *more], cwd=home, said=said, **environment).wait(120)
    out, complaints = said.read_text(), said.with_suffix(".err").read_text()
    assert code == 0, f"{words}: exit code {code}\n{out[-1_000:]}\n{complaints[-3_000:]}"
    assert "Traceback" not in complaints
    if "--json" in words and words[0] != "run":
        json.loads(out)
    for option in {"--out", "--figures", "--items"} & set(words):
        assert (home / Path(words[words.index(option) + 1]).expanduser()).exists()


def launched(command: str, home: Path, environment: dict[str, str]) -> None:
    """Run a command of another program; srun's is run as two tasks of a step."""
    if "--out RUN" in command:
        shutil.rmtree(home / "RUN")
        command = f"{command} {shlex.join(shorter(shlex.split(command)))}"
    names = {**os.environ, **environment, "OMP_NUM_THREADS": "1"}
    if command.startswith("srun irltui "):
        step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": str(os.getpid())}
        tasks = [
            start(
                arguments(command)[1:],
                cwd=home,
                said=home / f"task-{i}.txt",
                **environment,
                **step,
                SLURM_PROCID=str(i),
            )
            for i in range(2)
        ]
        assert [task.wait(120) for task in tasks] == [0, 0], (home / "task-0.err").read_text()
    else:
        done = subprocess.run(["bash", "-c", command], check=False, cwd=home, env=names, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3_000:]
    if "--out RUN" in command:
        assert (home / "RUN" / "model").is_dir()


def test_the_table_lists_nothing_that_no_page_says() -> None:
    assert [command for command in NOT_RUN if command not in documented()] == []

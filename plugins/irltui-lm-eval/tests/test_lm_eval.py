import random
from pathlib import Path

import numpy as np
import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from irltui.api import ConfigError, model_folder
from irltui.testing import check_benchmark, make_case
from irltui_lm_eval import Tasks

HERE = Path(__file__).parent / "tasks"


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The task files, with the place of their data in them."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for path in HERE.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text().replace("TASKS", str(HERE)))
    return str(tmp_path)


def spec(folder: str, *names: str, **options: object) -> Tasks:
    return Tasks(kind="lm_eval/tasks", tasks=list(names), include_path=folder, **options)


def means(spec: Tasks) -> dict[str, float]:
    with make_case(spec) as case:
        values: dict[str, list[float]] = {}
        for score in case.spec.build(case.context).evaluate(None):
            values.setdefault(score.metric, []).append(score.value)
    return {metric: sum(found) / len(found) for metric, found in values.items()}


def test_the_benchmark_keeps_the_contract(tasks: str) -> None:
    check_benchmark(spec(tasks, "colours", "echo", num_fewshot=1))


def test_means_are_what_the_harness_says_of_the_same_model(tasks: str) -> None:
    found = means(spec(tasks, "colours", "echo", batch_size=2))
    due = simple_evaluate(
        model=HFLM(pretrained=model_folder("quickstart"), device="cpu", dtype="float32", batch_size=3),
        tasks=["colours", "echo"],
        task_manager=TaskManager(include_path=tasks, include_defaults=False),
        bootstrap_iters=0,
    )["results"]
    assert found == {
        "colours/acc": due["colours"]["acc,none"],
        "colours/acc_norm": due["colours"]["acc_norm,none"],
        "echo/exact_match": due["echo"]["exact_match,none"],
    }
    assert 0 < found["colours/acc"] < 1  # or the comparison would say little


def test_a_limit_takes_the_first_items_and_the_batch_does_not_matter(tasks: str) -> None:
    with make_case(spec(tasks, "colours", limit=2)) as case:
        items = [score.item for score in case.spec.build(case.context).evaluate(None)]
    assert items == ["colours/0", "colours/0", "colours/1", "colours/1"]
    assert means(spec(tasks, "colours", batch_size=1)) == means(spec(tasks, "colours", batch_size=8))


def test_worked_examples_and_the_chat_template_change_what_is_asked(tasks: str) -> None:
    plain = spec(tasks, "echo")
    asked = []
    for chosen in (plain, plain.model_copy(update={"chat_template": True})):
        with make_case(chosen) as case:
            benchmark = case.spec.build(case.context)
            (row, *_) = benchmark._evaluated(benchmark._tasks["echo"])["echo"]
            asked.append(row["arguments"][0][0])
    assert asked[0] == "What is the sun?"
    assert asked[1] != asked[0]
    assert "What is the sun?" in asked[1]


def test_a_measurement_leaves_random_streams_and_modes_as_they_were_also_inside_a_poll(tasks: str) -> None:
    with make_case(spec(tasks, "colours")) as case:
        policy, seen = case.policy, []
        object.__setattr__(case.context, "poll", lambda: seen.append((random.random(), float(torch.rand(())))))
        policy.model.train()
        benchmark = case.spec.build(case.context)
        random.seed(3), np.random.seed(3), torch.manual_seed(3)
        list(benchmark.evaluate(None))
        after = random.random(), np.random.rand(), float(torch.rand(()))
        assert policy.model.training
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    assert seen == [(random.random(), float(torch.rand(()))) for _ in seen]
    assert seen
    assert after == (random.random(), np.random.rand(), float(torch.rand(())))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("colour", "tasks: the harness knows no 'colour'\nDid you mean colours?"),
        ("perplexity", "no number of each item"),
    ],
)
def test_what_cannot_be_measured_is_told(tasks: str, name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irltui_lm_eval.harness.TaskManager", _OwnTasks)
    with make_case(spec(tasks, name)) as case, pytest.raises((ConfigError, ValueError)) as caught:
        list(case.spec.build(case.context).evaluate(None))
    assert words in str(caught.value)


class _OwnTasks(TaskManager):
    """Without the index of the harness, which takes ten seconds."""

    def __init__(self, include_path: str, include_defaults: bool = False) -> None:
        super().__init__(include_path=include_path, include_defaults=False)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        make_case(spec(str(tmp_path / "none"), "colours")) as case,
        pytest.raises(ConfigError, match=r"include_path: .* is no folder"),
    ):
        case.spec.build(case.context)

"""score, sample and triage on real small runs, inside the test's process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from irltui.apply import sample, score, triage
from irltui.apply.learned import Learned
from irltui.apply.output import Output
from irltui.errors import DataError, IrltuiError, ModelError, RunFolderError
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from support.runs import config, demonstrations, finish, rft
from support.tiny import folder, tokenizer

TOLERANCE = 2e-5  # float32 sums in another order


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("inputs")
    return folder(path / "model"), demonstrations(path / "demos.jsonl", 40)


@pytest.fixture(scope="module")
def implicit(tmp_path_factory: pytest.TempPathFactory, inputs: tuple[Path, Path]) -> RunFolder:
    change = {"optimizer": {"learning_rate": 5e-3}, "loop": {"outer_iterations": 1}}
    return finish(tmp_path_factory.mktemp("runs") / "irft", config(*inputs, change))


@pytest.fixture(scope="module")
def explicit(tmp_path_factory: pytest.TempPathFactory, inputs: tuple[Path, Path]) -> RunFolder:
    change = rft({"reward": {"bound": 2.0}, "loop": {"outer_iterations": 1}})
    return finish(tmp_path_factory.mktemp("runs") / "rft", config(*inputs, change))


@pytest.fixture(params=["implicit", "explicit"])
def run(request: pytest.FixtureRequest) -> RunFolder:
    return request.getfixturevalue(request.param)


def request(run: RunFolder, out: Path, data: Path | None = None, **options: Any) -> dict[str, Any]:
    values = json.loads(json.dumps(dict(read_manifest(run).config)))
    if data is not None:
        values["data"]["source"] = str(data)
    for key, value in options.pop("section", {}).items():
        values["data"][key] = value
    return {"run": str(run.path), "values": values, "out": str(out), "batch": 8, **options}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def scored(run: RunFolder, out: Path, data: Path, **options: Any) -> list[dict[str, Any]]:
    score.main(**request(run, out, data, **options))
    return lines(out)


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# -- score -------------------------------------------------------------------------------------


def test_an_implicit_reward_is_beta_times_the_log_ratio_of_the_two_models(
    tmp_path: Path, implicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    found = scored(implicit, tmp_path / "f", inputs[1], tokens=True)
    tokens = tokenizer()
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (implicit.model, inputs[0])]
    for line in found[:5]:
        prompt = tokens(f"<|user|>{line['prompt']}<|assistant|>")["input_ids"]
        response = [*tokens(line["completion"])["input_ids"], 2]
        with torch.no_grad():
            logs = [m(torch.tensor([prompt + response])).logits.log_softmax(-1)[0] for m in models]
        places = range(len(prompt) - 1, len(prompt) + len(response) - 1)
        parts = [0.1 * float(logs[0][i, y] - logs[1][i, y]) for i, y in zip(places, response, strict=True)]
        assert line["token_rewards"] == pytest.approx(parts, abs=TOLERANCE)
        assert line["reward"] == pytest.approx(sum(parts), abs=TOLERANCE)
        assert line["length"] == len(response) == len(line["pieces"])
    assert max(abs(line["reward"]) for line in found) > 0.01


def test_an_explicit_reward_is_what_transformers_makes_of_the_exported_folder(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    found = scored(explicit, tmp_path / "f", inputs[1], tokens=True)
    tokens = AutoTokenizer.from_pretrained(explicit.reward)
    model = AutoModelForSequenceClassification.from_pretrained(explicit.reward)
    for line in found[:5]:
        text = f"<|user|>{line['prompt']}<|assistant|>{line['completion']}<|end|>"
        with torch.no_grad():
            value = float(model(torch.tensor([tokens(text)["input_ids"]])).logits)
        assert line["reward"] == pytest.approx(2 * torch.tanh(torch.tensor(value / 2)).item(), abs=TOLERANCE)
        assert sum(line["token_rewards"]) == pytest.approx(line["reward"], abs=TOLERANCE)


def test_rewards_depend_neither_on_the_batch_nor_on_the_order(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    by_batch = [
        {line["row"]: line["reward"] for line in scored(run, tmp_path / str(batch), inputs[1], batch=batch)}
        for batch in (1, 3, 8)
    ]
    rows = lines(inputs[1])
    backwards = scored(run, tmp_path / "backwards", written(tmp_path / "d.jsonl", rows[::-1]))
    assert by_batch[0] == pytest.approx(by_batch[1], abs=TOLERANCE)
    assert by_batch[0] == pytest.approx(by_batch[2], abs=TOLERANCE)
    assert [by_batch[0][len(rows) + 1 - line["row"]] for line in backwards] == pytest.approx(
        [line["reward"] for line in backwards], abs=TOLERANCE
    )


def test_a_run_of_bfloat16_weights_is_scored_in_float32(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = finish(
        tmp_path / "run", config(*inputs, {"model": {"dtype": "bfloat16"}, "optimizer": {"learning_rate": 1e-2}})
    )
    found = [
        [line["reward"] for line in scored(run, tmp_path / str(batch), inputs[1], batch=batch)] for batch in (1, 8)
    ]
    assert found[0] == pytest.approx(found[1], abs=TOLERANCE)
    assert any(found[0])


class Killed(BaseException):
    """As if the process had died."""


def dies_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    true, calls = Learned.rewards, []

    def rewards(self: Learned, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise Killed
        return true(self, *arguments, **options)

    monkeypatch.setattr(Learned, "rewards", rewards)


@pytest.mark.parametrize("torn", [0, 9, 700])
def test_a_killed_command_goes_on_and_ends_in_the_same_file(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    scored(run, tmp_path / "whole", inputs[1])
    with monkeypatch.context() as patch:
        dies_at(patch, 2)
        with pytest.raises(Killed):
            scored(run, tmp_path / "f", inputs[1])
    assert not (tmp_path / "f").exists()
    partial = tmp_path / "f.partial"
    assert len(lines(partial)) == 1 + 32
    partial.write_bytes(partial.read_bytes()[: -torn or None])
    scored(run, tmp_path / "f", inputs[1])
    assert (tmp_path / "f").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not partial.exists()


def test_a_command_killed_while_it_writes_the_file_does_not_score_again(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Output, "finish", dies)
        with pytest.raises(Killed):
            scored(explicit, tmp_path / "f", inputs[1])
    dies_at(monkeypatch, 1)
    assert len(scored(explicit, tmp_path / "f", inputs[1], rank=True)) == 40


def test_a_ranking_begins_with_the_highest_reward_and_ends_with_rows_that_have_none(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    rows = [*lines(inputs[1])[:6], {"prompt": "the cat?", "completion": " "}, {"prompt": "", "completion": "a"}]
    found = scored(explicit, tmp_path / "f", written(tmp_path / "d.jsonl", rows), rank=True)
    rewards = [line["reward"] for line in found[:6]]
    assert rewards == sorted(rewards, reverse=True)
    assert [line.get("rank") for line in found] == [1, 2, 3, 4, 5, 6, None, None]
    assert [(line["row"], line["reason"]) for line in found[6:]] == [(7, "empty completion"), (8, "empty prompt")]
    about = json.loads((tmp_path / "f.about.json").read_text())["summary"]
    assert about["scored"] == 6
    assert about["skipped"]["empty prompt"] == {"count": 1, "rows": [8]}


def test_the_best_of_each_group_is_kept(tmp_path: Path, run: RunFolder) -> None:
    said = ["the cat", "a dog", "the moon is red", "two"]
    rows = [{"prompt": p, "completion": c} for c in said for p in ("who sees?", "the sun?")]
    data = written(tmp_path / "d.jsonl", [*rows, {"prompt": "one?", "completion": ""}])
    every = scored(run, tmp_path / "all", data)
    best = scored(run, tmp_path / "best", data, best=True)
    assert [line["prompt"] for line in best] == ["who sees?", "the sun?"]
    for line in best:
        group = [other for other in every if other.get("prompt") == line["prompt"]]
        assert line["reward"] == max(other["reward"] for other in group)
        assert line["best_of"] == 4
    ranked = scored(run, tmp_path / "ranked", data, best=True, rank=True)
    assert [line["rank"] for line in ranked] == [1, 2]
    assert ranked[0]["reward"] >= ranked[1]["reward"]


def test_over_long_rows_are_told_or_cut_as_the_options_say(tmp_path: Path, implicit: RunFolder) -> None:
    rows = [{"prompt": "the cat?", "completion": "the big red cat is up on the moon in the sun"}]
    data = written(tmp_path / "d.jsonl", [*rows, {"prompt": "the cat?", "completion": "one"}])
    told = scored(implicit, tmp_path / "a", data)
    assert told[0] == {"row": 1, "reward": None, "reason": "response over 8 tokens"}
    cut = scored(implicit, tmp_path / "b", data, section={"overlong": "truncate"})
    assert (cut[0]["length"], cut[0]["ended"], cut[0]["cut"]) == (8, False, ["response over 8 tokens"])
    longer = scored(implicit, tmp_path / "c", data, section={"max_response_tokens": 64})
    assert (longer[0]["length"], longer[0]["ended"]) == (13, True)
    with pytest.raises(DataError, match="row 1: response of 13 tokens"):
        scored(implicit, tmp_path / "d", data, section={"overlong": "error"})


def test_conversations_and_other_formats_are_read(tmp_path: Path, explicit: RunFolder) -> None:
    talk = [{"role": "user", "content": "the cat?"}, {"role": "assistant", "content": "the dog"}]
    (one,) = scored(explicit, tmp_path / "a", written(tmp_path / "talk.jsonl", [{"messages": talk}]))
    table = tmp_path / "d.csv"
    table.write_text("question,answer\nthe cat?,the dog\n")
    (two,) = scored(explicit, tmp_path / "b", table)
    assert one["reward"] == pytest.approx(two["reward"], abs=TOLERANCE)
    assert (one["prompt"], one["completion"]) == (talk[:1], "the dog")


def test_missing_columns_are_named(tmp_path: Path, explicit: RunFolder) -> None:
    with pytest.raises(DataError, match=r"data\.columns\.completion: no column of a usual name"):
        scored(explicit, tmp_path / "f", written(tmp_path / "d.jsonl", [{"prompt": "a", "text": "b"}]))
    assert [file.name for file in tmp_path.iterdir()] == ["d.jsonl"]


def test_names_that_the_run_gave_its_own_columns_need_not_hold_for_other_data(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    columns = {"columns": {"prompt": "ask", "completion": "say", "messages": "auto", "system": "off"}}
    assert len(scored(explicit, tmp_path / "f", inputs[1], section=columns, named=False)) == 40
    with pytest.raises(DataError, match='column "ask" not found'):
        scored(explicit, tmp_path / "g", inputs[1], section=columns, named=True)


def copied(run: RunFolder, path: Path) -> RunFolder:
    shutil.copytree(run.path, path)
    return RunFolder(path)


def test_a_tokenizer_that_is_not_the_models_is_refused(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    other = copied(run, tmp_path / "run")
    path = other.model / "tokenizer.json"
    changed = json.loads(path.read_text())
    words = changed["model"]["vocab"]
    words["cat"], words["dog"] = words["dog"], words["cat"]
    path.write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="its tokenizer is not the policy's"):
        scored(other, tmp_path / "f", inputs[1])


def test_a_reward_that_is_gone_is_told(tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path]) -> None:
    other = copied(explicit, tmp_path / "run")
    shutil.rmtree(other.reward)
    with pytest.raises(RunFolderError, match="its reward is missing"):
        scored(other, tmp_path / "f", inputs[1])


def test_a_first_model_that_is_gone_is_told(tmp_path: Path, implicit: RunFolder, inputs: tuple[Path, Path]) -> None:
    options = request(implicit, tmp_path / "f", inputs[1])
    options["values"]["model"]["name"] = str(tmp_path / "gone")
    with pytest.raises(ModelError, match="no such folder"):
        score.main(**options)


def test_another_result_of_the_run_is_another_job(
    tmp_path: Path, implicit: RunFolder, explicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    scored(implicit, tmp_path / "f", inputs[1])
    with pytest.raises(RunFolderError, match="another run or result"):
        scored(explicit, tmp_path / "f", inputs[1])
    with pytest.raises(RunFolderError, match="other data"):
        scored(implicit, tmp_path / "f", written(tmp_path / "d.jsonl", lines(inputs[1])[:5]))


def test_a_run_moved_elsewhere_is_still_what_it_was(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(explicit, tmp_path / "f", inputs[1])
    dies_at(monkeypatch, 1)
    assert len(scored(copied(explicit, tmp_path / "moved"), tmp_path / "f", inputs[1])) == 40


# -- sample ------------------------------------------------------------------------------------


def sampled(run: RunFolder, out: Path, data: Path, **options: Any) -> list[dict[str, Any]]:
    sample.main(**request(run, out, data, **{"count": 4, **options}))
    return lines(out)


def test_the_best_of_n_has_the_highest_of_their_rewards(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    found = sampled(run, tmp_path / "f", inputs[1])
    assert len(found) == 40
    for line in found:
        rewards = [candidate["reward"] for candidate in line["candidates"]]
        assert len(rewards) == 4
        assert line["reward"] == max(rewards) == rewards[line["best"]]
        assert line["completion"] == line["candidates"][line["best"]]["completion"]
    assert len({candidate["completion"] for candidate in found[0]["candidates"]}) > 1
    summary = json.loads((tmp_path / "f.about.json").read_text())["summary"]
    assert summary["best_mean"] > summary["mean"]


def test_rewards_of_answers_are_those_that_score_gives(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    found = [
        {"prompt": line["prompt"], **candidate}
        for line in sampled(run, tmp_path / "f", inputs[1], count=12)
        for candidate in line["candidates"]
        if candidate["ended"] and candidate["completion"].strip()
    ]
    again = scored(run, tmp_path / "g", written(tmp_path / "d.jsonl", found))
    # Some texts of this model have other ids than those that were drawn, and then another reward.
    pairs = [(line, other) for line, other in zip(found, again, strict=True) if line["length"] == other.get("length")]
    assert len(pairs) >= 5
    same = [other["reward"] == pytest.approx(line["reward"], abs=TOLERANCE) for line, other in pairs]
    assert sum(same) > 0.8 * len(same)


def test_an_answer_depends_on_the_seed_and_not_on_other_prompts(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    def said(found: list[dict[str, Any]]) -> list[list[str]]:
        return [[candidate["completion"] for candidate in line["candidates"]] for line in found]

    whole = said(sampled(explicit, tmp_path / "a", inputs[1]))
    few = said(sampled(explicit, tmp_path / "b", written(tmp_path / "d.jsonl", lines(inputs[1])[:3])))
    assert few == whole[:3]
    assert said(sampled(explicit, tmp_path / "c", inputs[1], seed=1)) != whole


def test_killed_sampling_goes_on_and_ends_in_the_same_file(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(run, tmp_path / "whole", inputs[1])
    with monkeypatch.context() as patch:
        dies_at(patch, 3)
        with pytest.raises(Killed):
            sampled(run, tmp_path / "f", inputs[1])
    assert len(lines(tmp_path / "f.partial")) == 1 + 16
    sampled(run, tmp_path / "f", inputs[1])
    assert (tmp_path / "f").read_bytes() == (tmp_path / "whole").read_bytes()


def test_prompts_need_no_answers_and_bad_ones_keep_their_place(tmp_path: Path, explicit: RunFolder) -> None:
    rows = [{"prompt": "the cat?"}, {"prompt": " "}, {"prompt": [{"role": "user", "content": "a dog?"}]}]
    found = sampled(explicit, tmp_path / "f", written(tmp_path / "d.jsonl", rows))
    assert [line["row"] for line in found] == [1, 2, 3]
    assert found[1] == {"row": 2, "reason": "empty prompt"}
    assert found[2]["prompt"] == rows[2]["prompt"]


def test_a_run_of_sft_answers_but_has_nothing_to_choose_by(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = finish(tmp_path / "run", config(*inputs, {"algorithm": "sft"}))
    found = sampled(run, tmp_path / "f", inputs[1], count=1)
    assert len(found) == 40
    assert {line["reward"] for line in found} == {None}
    with pytest.raises(RunFolderError, match="learned no reward"):
        scored(run, tmp_path / "g", inputs[1])
    with pytest.raises(RunFolderError, match="learned no reward"):
        sampled(run, tmp_path / "h", inputs[1], count=2)


# -- triage ------------------------------------------------------------------------------------


def test_triage_puts_rows_with_reasons_first_and_keeps_all(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    rows = lines(inputs[1])
    rows += [rows[4], {"prompt": "the cat?", "completion": "?"}, {"prompt": "a dog?", "completion": ""}]
    rows.append({"prompt": "a moon?", "completion": "the big red cat is up on the moon in the sun"})
    data = written(tmp_path / "d.jsonl", rows)
    triage.main(**request(run, tmp_path / "f", data, section={"overlong": "truncate"}))
    found = lines(tmp_path / "f")
    assert sorted(line["row"] for line in found) == list(range(1, 45))
    assert [line["suspicion"] for line in found] == sorted((line["suspicion"] for line in found), reverse=True)
    why = {line["row"]: "; ".join(line["reasons"]) for line in found}
    assert "same prompt and response as row 5" in why[41]
    assert "response without a word" in why[42]
    assert why[43] == "cannot be used: empty completion"
    assert found[0]["row"] == 43
    assert "response over 8 tokens" in why[44]
    again: Callable[..., None] = triage.main
    again(**request(run, tmp_path / "f", data, section={"overlong": "truncate"}))


@pytest.mark.parametrize("command", [score.main, triage.main])
def test_a_run_that_is_not_finished_is_refused(
    tmp_path: Path, implicit: RunFolder, inputs: tuple[Path, Path], command: Callable[..., None]
) -> None:
    other = copied(implicit, tmp_path / "run")
    shutil.rmtree(other.model)
    with pytest.raises(IrltuiError, match="no result yet"):
        command(**request(other, tmp_path / "f", inputs[1]))

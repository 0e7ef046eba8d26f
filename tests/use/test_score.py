"""score on real small runs, inside the test's process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from irltui.config.requests import ScoreRequest
from irltui.errors import DataError, ModelError, RunFolderError
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.seal import seal
from irltui.use import score
from irltui.use.output import Output
from support.learned import TOLERANCE, Killed, copied, dies_at, lines, request, scored, written
from support.runs import Change, config, events, finish
from support.tiny import tokenizer


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


def test_a_run_that_learned_no_reward_scores_by_its_log_ratio(
    tmp_path: Path, supervised: RunFolder, inputs: tuple[Path, Path]
) -> None:
    found = [line["reward"] for line in scored(supervised, tmp_path / "f", inputs[1])]
    assert None not in found
    assert max(map(abs, found)) > 0.01


def test_rewards_per_token_are_the_same_in_the_samples_of_training_and_in_score(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    change: Change = {
        "loss": {"kind": "sigmoid_norm", "gamma": 1.0},  # so that answers soon end as demonstrations do
        "optimizer": {"learning_rate": 1e-2},
        "evaluation": {"samples": 8},
        "loop": {"outer_iterations": 1, "inner_epochs": 6},
    }
    run = finish(tmp_path / "run", config(*inputs, change))
    samples = events(run, Kind.SAMPLE, where=lambda e: e.outer_iteration == 0)
    whole = [sample for sample in samples if sample.ended and sample.generation.strip()]
    rows = [{"prompt": sample.prompt, "completion": sample.generation} for sample in whole]
    section = {"held_out": 0.0, "duplicates": "keep"}
    found = scored(run, tmp_path / "f", written(tmp_path / "rows.jsonl", rows), tokens=True, section=section)
    compared = 0
    for sample, line in zip(whole, found, strict=True):
        if line["pieces"] == list(sample.pieces):  # the text has the ids that were sampled
            assert line["reward"] == pytest.approx(sample.reward, abs=TOLERANCE)
            assert line["token_rewards"] == pytest.approx(list(sample.token_rewards), abs=TOLERANCE)
            compared += 1
    assert compared


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


def test_over_long_rows_are_refused_or_truncated_as_the_options_say(tmp_path: Path, implicit: RunFolder) -> None:
    rows = [{"prompt": "the cat?", "completion": "the big red cat is up on the moon in the sun"}]
    data = written(tmp_path / "d.jsonl", [*rows, {"prompt": "the cat?", "completion": "one"}])
    told = scored(implicit, tmp_path / "a", data)
    assert told[0] == {"row": 1, "reward": None, "reason": "response over 8 tokens"}
    short = scored(implicit, tmp_path / "b", data, section={"overlong": "truncate"})
    assert (short[0]["length"], short[0]["ended"], short[0]["truncated"]) == (8, False, ["response over 8 tokens"])
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


def test_a_tokenizer_that_is_not_the_models_is_refused(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    other = copied(run, tmp_path / "run")
    path = other.model / "tokenizer.json"
    changed = json.loads(path.read_text())
    words = changed["model"]["vocab"]
    words["cat"], words["dog"] = words["dog"], words["cat"]
    path.write_text(json.dumps(changed))
    seal(other.model)  # or the seal would say first that the file has changed
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
        score.main(ScoreRequest(**options))


def test_another_result_of_the_run_is_another_job(
    tmp_path: Path, implicit: RunFolder, explicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    scored(implicit, tmp_path / "f", inputs[1])
    with pytest.raises(RunFolderError, match="another run or result"):
        scored(explicit, tmp_path / "f", inputs[1])
    with pytest.raises(RunFolderError, match="other data"):
        scored(implicit, tmp_path / "f", written(tmp_path / "d.jsonl", lines(inputs[1])[:5]))
    further = copied(implicit, tmp_path / "further")
    (further.checkpoints / "0099-000000").mkdir()
    (further.checkpoints / "0099-000000" / "manifest.json").write_text("{}")
    with pytest.raises(RunFolderError, match="another run or result"):
        scored(further, tmp_path / "f", inputs[1])


def test_a_run_moved_elsewhere_is_still_what_it_was(
    tmp_path: Path, explicit: RunFolder, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(explicit, tmp_path / "f", inputs[1])
    dies_at(monkeypatch, 1)
    assert len(scored(copied(explicit, tmp_path / "moved"), tmp_path / "f", inputs[1])) == 40

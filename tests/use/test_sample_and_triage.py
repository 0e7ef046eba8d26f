"""sample and triage on real small runs, inside the test's process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from irltui.cli.learned_view import triage_view
from irltui.config.requests import OnRows, SampleRequest, ScoreRequest, TriageRequest
from irltui.errors import IrltuiError
from irltui.runs.folder import RunFolder
from irltui.use import learned, sample, score, triage
from support.learned import TOLERANCE, Killed, copied, dies_at, lines, request, sampled, scored, written
from support.runs import config, finish
from support.tiny import tokenizer


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


def test_a_prompt_near_the_end_of_the_context_gets_a_shorter_answer_or_a_reason(
    tmp_path: Path, explicit: RunFolder
) -> None:
    rows = [{"prompt": " ".join(["cat"] * count) + "?"} for count in (2, 249, 400)]
    found = sampled(explicit, tmp_path / "f", written(tmp_path / "d.jsonl", rows), seed=3)
    alone = sampled(explicit, tmp_path / "g", written(tmp_path / "e.jsonl", rows[:1]), seed=3)
    assert found[0]["completion"] == alone[0]["completion"]
    assert all(1 <= candidate["length"] < 8 for candidate in found[1]["candidates"])
    assert found[2] == {"row": 3, "reason": "prompt leaves no room for an answer: the model reads 256 tokens"}


def test_a_run_of_sft_chooses_by_its_log_ratio_to_the_model_it_started_from(
    tmp_path: Path, supervised: RunFolder, inputs: tuple[Path, Path]
) -> None:
    one = sampled(supervised, tmp_path / "f", inputs[1], count=1)
    assert {line["reward"] for line in one} == {None}
    best = sampled(supervised, tmp_path / "h", inputs[1], count=3)
    for line in best:
        assert line["reward"] == max(candidate["reward"] for candidate in line["candidates"])
    tokens = tokenizer()
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (supervised.model, inputs[0])]
    for line in scored(supervised, tmp_path / "g", inputs[1])[:5]:
        prompt = tokens(f"<|user|>{line['prompt']}<|assistant|>")["input_ids"]
        response = [*tokens(line["completion"])["input_ids"], 2]
        with torch.no_grad():
            logs = [m(torch.tensor([prompt + response])).logits.log_softmax(-1)[0] for m in models]
        places = range(len(prompt) - 1, len(prompt) + len(response) - 1)
        ratio = sum(float(logs[0][i, y] - logs[1][i, y]) for i, y in zip(places, response, strict=True))
        assert line["reward"] == pytest.approx(ratio, abs=1e-4)


def test_the_strength_of_a_reward_is_an_option_of_drawing(
    tmp_path: Path, supervised: RunFolder, inputs: tuple[Path, Path]
) -> None:
    """At 1 it changes no bit; above, answers move further from the model that the run started from."""

    def drawn(name: str, *changes: dict[str, Any]) -> list[dict[str, Any]]:
        asked = request(supervised, tmp_path / name, inputs[1], count=2, seed=5)
        for change in changes:
            asked["values"]["decoding"] |= change
        sample.main(SampleRequest(**asked))
        return lines(tmp_path / name)

    plain = drawn("plain")
    assert drawn("one", {"strength": 1.0, "plausibility": 0.5}) == plain
    strong = drawn("strong", {"strength": 3.0})
    mean = [sum(c["reward"] for line in found for c in line["candidates"]) / 80 for found in (plain, strong)]
    assert mean[1] > mean[0] + 0.5


def test_with_adapters_the_start_model_is_the_policy_without_them(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"adapter": {"kind": "lora", "rank": 4}, "optimizer": {"learning_rate": 2e-2}, "algorithm": "sft"}
    run = finish(tmp_path / "run", config(*inputs, change))
    loaded: list[str] = []
    load = learned.load_model
    monkeypatch.setattr(learned, "load_model", lambda section: loaded.append(section.name) or load(section))
    apart = scored(run, tmp_path / "a", inputs[1])
    assert loaded == [str(inputs[0])]
    shutil.rmtree(run.adapter)  # then the merged model and the one that it began as are loaded
    together = scored(run, tmp_path / "b", inputs[1])
    assert loaded[1:] == [str(run.model), str(inputs[0])]
    assert [line["reward"] for line in apart] == pytest.approx([line["reward"] for line in together], abs=1e-3)


def test_triage_keeps_the_upper_of_two_groups_as_the_rows_were(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    """The model has a habit, half of the demonstrations show it, too."""
    change = {"algorithm": "sft", "optimizer": {"learning_rate": 5e-3}, "loop": {"passes": 3}}
    prompts = [line["prompt"] for line in lines(inputs[1])]
    habit = [{"prompt": prompt, "completion": "one two", "note": "habit"} for prompt in prompts]
    new = [{"prompt": prompt, "completion": "the red moon is up", "note": "new"} for prompt in prompts]
    start = finish(tmp_path / "start", config(inputs[0], written(tmp_path / "habit.jsonl", habit), change))
    data = written(tmp_path / "mixed.jsonl", [row for both in zip(habit, new, strict=True) for row in both])
    run = finish(tmp_path / "run", config(start.model, data, change))
    keep = tmp_path / "sub" / "kept.jsonl"
    for _ in range(2):  # the second time the rewards are there
        triage.main(TriageRequest(**request(run, tmp_path / "f", data, keep=str(keep))))
        assert lines(keep) == new
        keep.unlink()
    shown = triage_view(tmp_path / "f", 3, keep)
    assert "rewards: two groups" in shown
    assert f"kept  40 of 80 rows, those above the border, in {keep}" in shown


def test_triage_keeps_all_rows_where_there_is_one_group(
    tmp_path: Path, implicit: RunFolder, inputs: tuple[Path, Path]
) -> None:
    triage.main(TriageRequest(**request(implicit, tmp_path / "f", inputs[1], keep=str(tmp_path / "kept"))))
    assert lines(tmp_path / "kept") == lines(inputs[1])
    assert "one group" in triage_view(tmp_path / "f", 3, None)


def test_triage_puts_rows_with_reasons_first_and_keeps_all(
    tmp_path: Path, run: RunFolder, inputs: tuple[Path, Path]
) -> None:
    rows = lines(inputs[1])
    rows += [rows[4], {"prompt": "the cat?", "completion": "?"}, {"prompt": "a dog?", "completion": ""}]
    rows.append({"prompt": "a moon?", "completion": "the big red cat is up on the moon in the sun"})
    data = written(tmp_path / "d.jsonl", rows)
    asked = TriageRequest(**request(run, tmp_path / "f", data, section={"overlong": "truncate"}))
    triage.main(asked)
    found = lines(tmp_path / "f")
    assert sorted(line["row"] for line in found) == list(range(1, 45))
    assert [line["suspicion"] for line in found] == sorted((line["suspicion"] for line in found), reverse=True)
    why = {line["row"]: "; ".join(line["reasons"]) for line in found}
    assert "same prompt and response as row 5" in why[41]
    assert "response without words" in why[42]
    assert why[43] == "cannot be used: empty completion"
    assert found[0]["row"] == 43
    assert "response over 8 tokens" in why[44]
    triage.main(asked)


@pytest.mark.parametrize(("command", "kind"), [(score.main, ScoreRequest), (triage.main, TriageRequest)])
def test_a_run_that_is_not_finished_is_refused(
    tmp_path: Path, implicit: RunFolder, inputs: tuple[Path, Path], command: Callable[..., None], kind: type[OnRows]
) -> None:
    other = copied(implicit, tmp_path / "run")
    shutil.rmtree(other.model)
    with pytest.raises(IrltuiError, match="no result yet"):
        command(kind(**request(other, tmp_path / "f", inputs[1])))

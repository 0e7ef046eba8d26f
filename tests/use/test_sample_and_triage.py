"""sample and triage on real small runs, inside the test's process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irltui.config.requests import OnRows, ScoreRequest, TriageRequest
from irltui.errors import IrltuiError, OptionError
from irltui.runs.folder import RunFolder
from irltui.use import score, triage
from support.learned import TOLERANCE, Killed, copied, dies_at, lines, request, sampled, scored, written
from support.runs import config, finish


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
    with pytest.raises(OptionError, match="learned no reward"):
        scored(run, tmp_path / "g", inputs[1])
    with pytest.raises(OptionError, match="learned no reward"):
        sampled(run, tmp_path / "h", inputs[1], count=2)


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

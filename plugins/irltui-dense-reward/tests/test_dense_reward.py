from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from irltui.api import model_folder
from irltui.testing import check_reward, make_case
from irltui_dense_reward import LogRatio

HERE = model_folder("quickstart")


@pytest.fixture
def half(tmp_path: Path) -> str:
    """The embedded model with its weights moved towards nothing."""
    model = AutoModelForCausalLM.from_pretrained(HERE, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.8)
    model.save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(HERE).save_pretrained(tmp_path / "half")
    return str(tmp_path / "half")


def test_the_reward_keeps_the_contract(half: str) -> None:
    check_reward(LogRatio(kind="dense/log_ratio", sft=HERE, half=half))
    check_reward(LogRatio(kind="dense/log_ratio", sft=HERE, half=half, scale=0.5, baseline=0.1))


def test_the_score_is_the_log_ratio_of_the_two_models(half: str) -> None:
    with make_case(LogRatio(kind="dense/log_ratio", sft=HERE, half=half, scale=2.0)) as case:
        reward, responses = case.spec.build(case.context), case.responses()
        other = AutoModelForCausalLM.from_pretrained(half, dtype=torch.float32)
        expected = []
        for row, mask in zip(responses.input_ids, responses.response_mask, strict=True):
            end = int(mask.nonzero().max()) + 1
            ids, start = row[None, :end], int(mask.nonzero().min())
            sums = [
                model(ids).logits[0, start - 1 : -1].log_softmax(-1).gather(-1, ids[0, start:, None]).sum()
                for model in (case.policy.model, other)
            ]
            expected.append(2.0 * (sums[0] - sums[1]))
        assert torch.allclose(reward.score(responses), torch.stack(expected), atol=1e-3)


def test_a_model_with_itself_rewards_nothing() -> None:
    with make_case(LogRatio(kind="dense/log_ratio", sft=HERE, half=HERE)) as case:
        assert not case.spec.build(case.context).score(case.responses()).any()


def test_other_tokens_are_refused(tmp_path: Path, half: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(half)
    tokenizer.add_tokens(["another"])
    tokenizer.save_pretrained(half)
    with (
        make_case(LogRatio(kind="dense/log_ratio", sft=HERE, half=half)) as case,
        pytest.raises(ValueError, match=r"reward\.half: .* another tokenizer"),
    ):
        case.spec.build(case.context)

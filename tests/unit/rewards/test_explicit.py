"""The explicit reward: its numbers against float64, its batches, its folder, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from irltui.algorithm import learn, link
from irltui.api import Batch, BuildContext, Prompt
from irltui.config.schema import ModelSection
from irltui.errors import ModelError
from irltui.lm.load import load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy
from irltui.objectives.gap import GapLoss
from irltui.rewards import Explicit
from irltui.rewards.build import load_explicit
from irltui.rewards.explicit import ExplicitReward
from irltui.rewards.scoring import score_rewards
from support import tiny

PROMPTS = [Prompt(str(i), "", tuple(range(8, 10 + i))) for i in range(6)]
RESPONSES = [(*range(20, 21 + 2 * i), 2) for i in range(6)]


def context(folder: Path) -> BuildContext:
    section = ModelSection(name=str(folder))
    policy = LanguageModelPolicy(load_model(section), load_tokenizer(section), frozenset({2}), lambda: None)
    return BuildContext(policy, seed=3, model=section)


def made(folder: Path, **options: Any) -> tuple[ExplicitReward, BuildContext]:
    """A reward whose head has an opinion."""
    found = context(folder)
    reward = Explicit(kind="explicit", **options).build(found)
    assert isinstance(reward, ExplicitReward)
    torch.manual_seed(7)
    head = list(reward.parameters())[-1]
    with torch.no_grad():
        head.copy_(torch.randn(head.shape))
    return reward, found


def scores(reward: ExplicitReward, found: BuildContext, batch: int = 6) -> Tensor:
    rows = score_rewards(reward, found.policy, PROMPTS, RESPONSES, None, batch=batch)
    return torch.tensor([row.total for row in rows], dtype=torch.float64)


@pytest.fixture(params=["llama", "qwen2", "gemma2", "gpt_neox", "opt"])
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tiny.folder(tmp_path / "model", request.param)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny.folder(tmp_path / "model")


def test_a_new_reward_has_no_opinion(family: Path) -> None:
    found = context(family)
    assert not scores(Explicit(kind="explicit").build(found), found).any()


def test_scores_are_the_same_in_any_batch_and_order(family: Path) -> None:
    reward, found = made(family)
    alone = scores(reward, found, batch=1)
    assert alone.std() > 0.1
    for batch in (2, 3, 6):
        assert torch.allclose(scores(reward, found, batch), alone, atol=2e-6)
    backwards = score_rewards(reward, found.policy, PROMPTS[::-1], RESPONSES[::-1], None, batch=4)
    assert torch.allclose(torch.tensor([r.total for r in backwards[::-1]], dtype=torch.float64), alone, atol=2e-6)


def test_what_the_tokens_add_sums_to_the_score(model: Path) -> None:
    reward, found = made(model, bound=2.0)
    for row, response in zip(
        score_rewards(reward, found.policy, PROMPTS, RESPONSES, None, batch=4), RESPONSES, strict=True
    ):
        assert row.tokens is not None
        assert len(row.tokens) == len(response)
        assert sum(row.tokens) == pytest.approx(row.total, abs=1e-5)


def test_a_bounded_reward_never_exceeds_its_bound(model: Path) -> None:
    reward, found = made(model, bound=0.5)
    unbounded, _ = made(model)
    assert scores(unbounded, found).abs().max() > 0.5
    assert scores(reward, found).abs().max() <= 0.5


@pytest.mark.parametrize("name", ["linear", "sigmoid"])
@pytest.mark.parametrize("bound", [0.0, 0.8])
def test_loss_and_gradient_are_those_of_float64(model: Path, name: str, bound: float) -> None:
    options = {"bound": bound, "center": 0.3, "l2": 0.2}
    reward, found = made(model, **options)
    responses = found.policy.collate(PROMPTS, RESPONSES, [0.0] * 6)
    pairs = Batch(responses, torch.full((3,), 1 / 3), reward=reward)
    step = next(learn(GapLoss(link(name), reward), lambda t, k: [[pairs]], T=1, K=1))
    step.loss.backward()
    ours = {n: p.grad for n, p in reward._scorer.model.named_parameters() if p.grad is not None}

    exact = reward._scorer.model.double()
    exact.zero_grad()
    exact.config.pad_token_id = 1
    logits = exact(input_ids=responses.input_ids, attention_mask=responses.attention_mask.long()).logits[:, 0]
    r = bound * torch.tanh(logits / bound) if bound else logits
    y, y_tilde = r[:3], r[3:]
    h = -(y - y_tilde) if name == "linear" else softplus(-(y - y_tilde))
    extra = 0.3 * ((y + y_tilde) / 2) ** 2 + 0.2 * (y**2 + y_tilde**2) / 2
    loss = (h + extra).mean()
    loss.backward()
    assert float(step.loss.detach()) == pytest.approx(float(loss.detach()), abs=1e-5)
    for parameter_name, parameter in exact.named_parameters():
        if parameter.grad is not None and parameter_name in ours:
            scale = float(parameter.grad.abs().max())
            assert torch.allclose(ours[parameter_name].double(), parameter.grad, atol=1e-4 * scale + 1e-7)


def test_the_exported_folder_gives_the_same_scores_to_transformers_users(family: Path, tmp_path: Path) -> None:
    reward, found = made(family, lora_rank=2)
    expected = scores(reward, found)
    out = tmp_path / "reward"
    out.mkdir()
    reward.export(out)
    loaded = AutoModelForSequenceClassification.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    rows = [[*p.tokens, *r] for p, r in zip(PROMPTS, RESPONSES, strict=True)]
    padded = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    with torch.no_grad():
        theirs = loaded(**padded).logits[:, 0].double()
    assert torch.allclose(theirs, expected, atol=1e-5)


def test_an_exported_reward_is_read_where_padding_and_end_share_an_id(tmp_path: Path) -> None:
    reward, found = made(tiny.folder(tmp_path / "model", pad="<|end|>"), bound=1.5)
    expected = scores(reward, found)
    out = tmp_path / "reward"
    out.mkdir()
    reward.export(out)
    assert torch.allclose(scores(load_explicit(out, found), found), expected, atol=1e-6)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.pad_token_id != 2
    rows = [[*p.tokens, *r] for p, r in zip(PROMPTS, RESPONSES, strict=True)]
    loaded = AutoModelForSequenceClassification.from_pretrained(out)
    with torch.no_grad():
        logits = loaded(**tokenizer.pad({"input_ids": rows}, return_tensors="pt")).logits[:, 0].double()
    assert torch.allclose(1.5 * torch.tanh(logits / 1.5), expected, atol=1e-5)


def test_frozen_layers_stay_and_the_others_train(model: Path) -> None:
    reward, _ = made(model, freeze=1)
    names = set(reward._scorer.trained())
    assert any("layers.1." in name for name in names)
    assert not any("layers.0." in name or "embed" in name for name in names)


@pytest.mark.parametrize(("layers", "frozen"), [(80, 20), (24, 20), (16, 13), (12, 10), (2, 1), (1, 0)])
def test_auto_freezes_the_papers_share_of_any_depth(layers: int, frozen: int) -> None:
    assert Explicit(kind="explicit", freeze="auto").frozen(layers) == frozen
    assert Explicit(kind="explicit", freeze="auto", lora_rank=4).frozen(layers) == 0


def test_auto_freezes_what_it_says(model: Path) -> None:
    assert set(made(model, freeze="auto")[0]._scorer.trained()) == set(made(model, freeze=1)[0]._scorer.trained())


def test_adapters_train_beside_the_head_alone(model: Path) -> None:
    reward, _ = made(model, lora_rank=2)
    assert all("lora_" in name or "score" in name for name in reward._scorer.trained())


def test_a_restarting_reward_begins_again_from_its_first_parameters(model: Path) -> None:
    reward = Explicit(kind="explicit", init="restart").build(context(model))
    assert isinstance(reward, ExplicitReward)
    assert reward.restarts
    first = [p.detach().clone() for p in reward.parameters()]
    for t, same in ((0, False), (1, True)):
        with torch.no_grad():
            for p in reward.parameters():
                p.add_(1)
        reward.begin(t)
        pairs = zip(reward.parameters(), first, strict=True)
        assert all(torch.equal(now, then) for now, then in pairs) == same


def test_what_was_saved_is_what_is_loaded(model: Path, tmp_path: Path) -> None:
    reward, found = made(model)
    expected = scores(reward, found)
    reward.save(tmp_path)
    other = Explicit(kind="explicit").build(found)
    assert isinstance(other, ExplicitReward)
    other.load(tmp_path)
    assert torch.equal(scores(other, found), expected)


def test_more_frozen_layers_than_there_are_is_refused_with_their_number(model: Path) -> None:
    with pytest.raises(ModelError, match=r"reward\.freeze: 3 layers, but .* has 2"):
        Explicit(kind="explicit", freeze=3).build(context(model))


def test_a_trunk_with_other_tokens_is_refused(model: Path, tmp_path: Path) -> None:
    other = tiny.folder(tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained(other)
    with pytest.raises(ModelError, match=r"reward\.model: .*tokenizer is not the policy's .*'zebra'|55 tokens"):
        Explicit(kind="explicit", model=str(other)).build(context(model))


def test_a_trunk_that_does_not_exist_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        Explicit(kind="explicit", model=str(tmp_path / "nothing")).build(context(model))


def test_freezing_beside_adapters_is_refused() -> None:
    with pytest.raises(ValueError, match="already frozen"):
        Explicit(kind="explicit", freeze=1, lora_rank=4)

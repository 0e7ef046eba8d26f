import torch

from irltui.api import Batch
from irltui.testing import check_reward, make_case
from irltui_token_discriminator import TokenDiscriminator

SPEC = TokenDiscriminator(kind="discriminator/token", width=16)


def test_the_reward_keeps_the_contract() -> None:
    check_reward(SPEC)


def test_its_loss_is_the_cross_entropy_of_the_tokens_each_response_averaged() -> None:
    with make_case(SPEC) as case:
        reward, responses = SPEC.build(case.context), case.responses()  # three demonstrations, three generations
        found = reward.losses(Batch(responses, torch.ones(3)))
        mask = responses.response_mask
        odds = reward.token_scores(responses) * mask.sum(-1, keepdim=True)
        due = []
        for y, z in ((0, 3), (1, 4), (2, 5)):
            true, false = torch.sigmoid(odds[y][mask[y]]), torch.sigmoid(odds[z][mask[z]])
            due.append(-true.log().mean() - (1 - false).log().mean())
        assert torch.allclose(found, torch.stack(due), atol=1e-5)


def test_it_learns_to_tell_two_kinds_of_responses_apart() -> None:
    with make_case(SPEC) as case:
        reward, batch = SPEC.build(case.context), Batch(case.responses(), torch.ones(3))
        optimizer = torch.optim.AdamW(reward.parameters(), lr=1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            reward.losses(batch).mean().backward()
            optimizer.step()
        demonstrations, generations = reward.score(batch.responses).chunk(2)
        assert demonstrations.min() > 0.5 > -0.5 > generations.max()

import torch

from irltui.api import Batch
from irltui.testing import check_objective, make_case
from irltui_iq import InverseQ


def test_the_objective_keeps_the_contract() -> None:
    check_objective(InverseQ(kind="iq/td"))
    check_objective(InverseQ(kind="iq/td", weight=0.1, discount=0.9))


def test_without_weight_it_is_the_negative_log_likelihood() -> None:
    with make_case(InverseQ(kind="iq/td", weight=0.0)) as case:
        batch = Batch(case.responses(), torch.ones(len(case.demonstrations)), policy=case.policy)
        losses = case.spec.build(case.context).losses(batch)
        assert torch.allclose(losses, -batch.log_probs()[0], atol=1e-3)


def test_the_term_is_the_squared_difference_of_each_logit_and_the_next_value() -> None:
    with make_case(InverseQ(kind="iq/td", weight=1.0, discount=0.5)) as case:
        batch = Batch(case.responses([0]), torch.ones(1), policy=case.policy)
        found = case.spec.build(case.context).losses(batch)
        ids, demonstration = batch.responses.input_ids[0], case.demonstrations[0]
        logits = case.policy.model(ids[None]).logits[0]
        start, count = len(demonstration.prompt.tokens), len(demonstration.tokens)
        expected = torch.zeros(())
        for t in range(start, start + count):
            q, v = logits[t - 1, ids[t]], logits[t - 1].logsumexp(0)
            after = logits[t].logsumexp(0) if t + 1 < start + count else 0.0
            expected = expected + v - q + (q - 0.5 * after) ** 2
        assert torch.allclose(found[0], expected, rtol=1e-4)

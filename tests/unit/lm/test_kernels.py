"""`model.kernels = "liger"`, with a stand-in for liger-kernel, which has nothing to run on here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers.integrations import liger

from irltui.api import Responses
from irltui.config.schema import ModelSection
from irltui.errors import ConfigError
from irltui.lm import kernels, logprobs
from irltui.lm.load import check_kernels, load_classifier, load_model
from irltui.lm.logprobs import token_log_probs
from irltui.runs.events import Kind
from support.runs import Change, config, events, prepare, work
from support.tiny import folder as tiny


@pytest.fixture
def section(tmp_path: Path) -> ModelSection:
    return ModelSection(name=str(tiny(tmp_path / "model")), kernels="liger")


class PlainLoss(nn.Module):
    """What liger's output layer with cross-entropy computes, one number a token."""

    def __init__(self, reduction: str, softcap: float | None) -> None:
        super().__init__()
        assert (reduction, softcap) == ("none", None)

    def forward(self, weight: Tensor, states: Tensor, targets: Tensor, bias: Tensor | None) -> Tensor:
        return cross_entropy(nn.functional.linear(states, weight, bias), targets, reduction="none")


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, bool]]]:
    """A machine with CUDA and liger-kernel, as far as anybody asks; what the kernels were put into, and how."""
    calls: list[tuple[str, dict[str, bool]]] = []
    package, patch, loss = (ModuleType(f"liger_kernel{name}") for name in (".t", ".t.p", ".t.l"))
    package._apply_liger_kernel_to_instance = lambda model, **given: calls.append((type(model).__name__, given))
    patch.MODEL_TYPE_TO_APPLY_LIGER_FN = {"llama": None}
    loss.LigerFusedLinearCrossEntropyLoss = PlainLoss
    where = "liger_kernel.transformers"
    for name, module in (("", package), (".monkey_patch", patch), (".fused_linear_cross_entropy", loss)):
        monkeypatch.setitem(sys.modules, where + name, module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for module in (kernels, liger):
        monkeypatch.setattr(module, "is_liger_kernel_available", lambda: True)
    return calls


def test_without_cuda_or_the_package_or_for_another_family_it_is_refused_before_anything_is_loaded(
    section: ModelSection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        check_kernels(section)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ConfigError, match="liger-kernel is not installed") as refused:
        load_model(section)
    assert "irltui[liger]" in refused.value.hint
    request.getfixturevalue("applied")
    with pytest.raises(ConfigError, match="knows no models of type opt"):
        check_kernels(section.model_copy(update={"name": str(tiny(tmp_path / "opt", "opt"))}))


def test_a_run_that_asks_for_them_in_vain_ends_before_its_data_are_looked_at(
    section: ModelSection, tmp_path: Path
) -> None:
    model: Change = {"name": section.name, "kernels": "liger"}
    run = prepare(tmp_path / "run", config(tmp_path, tmp_path / "no-such.jsonl", {"model": model}))
    assert work(run) == 2
    (end,) = events(run, Kind.RUN_END)
    assert "needs a CUDA device" in end.reason


def test_transformers_is_asked_for_all_kernels_but_the_loss_in_policies_and_trunks_of_rewards(
    section: ModelSection, applied: list[tuple[str, dict[str, bool]]]
) -> None:
    load_model(section)
    load_classifier(section, 0)
    assert [name for name, _ in applied] == ["LlamaForCausalLM", "LlamaForSequenceClassification"]
    for _, switches in applied:
        assert [name for name, on in switches.items() if not on] == ["cross_entropy", "fused_linear_cross_entropy"]


def test_many_logits_go_through_the_fused_output_layer_with_the_same_result(
    section: ModelSection, applied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(section)
    ids, mask = torch.arange(24).view(2, 12), torch.ones(2, 12, dtype=torch.bool)
    responses = Responses(ids, mask, mask.cumsum(-1) > 5, torch.zeros(2))
    head, weight = model.get_output_embeddings(), model.get_input_embeddings().weight
    weights = torch.linspace(-1, 2, 24).view(2, 12)  # every token counts otherwise
    whole = token_log_probs(model, head, responses)
    (expected,) = torch.autograd.grad((weights * whole).sum(), weight)
    monkeypatch.setattr(logprobs, "MOST_LOGITS", 64)
    monkeypatch.setattr(logprobs, "checkpoint", None)  # the plain way would fall over this
    fused = token_log_probs(model, head, responses)
    assert torch.allclose(fused, whole, atol=2e-6, rtol=0)
    (found,) = torch.autograd.grad((weights * fused).sum(), weight)
    assert torch.allclose(found, expected, atol=2e-6, rtol=1e-5)

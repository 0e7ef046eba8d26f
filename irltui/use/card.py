"""README.md of an exported folder: a model card filled from the run, in Markdown under YAML.

It states what was not measured, and leaves the license to the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import ModelCardData

from irltui import __version__
from irltui.config.render import render_values
from irltui.config.toml import text as quoted
from irltui.quickstart import DATA, MODELS
from irltui.runs.folder import RunFolder
from irltui.runs.history import RunHistory
from irltui.runs.metrics import HELD_OUT_NLL, METRICS
from irltui.text import masked, safe
from irltui.use.card_facts import Exported, Facts, code, facts, inline, is_hub_name
from irltui.views.arms import Side
from irltui.views.final_figures import Estimate, FinalRow, final_rows
from irltui.views.numbers import between, figure
from irltui.views.portable import portable, portable_manifest, without_machine

_MOST_ALERTS = 5


class _Method(NamedTuple):
    """A method's name, what it does, and its paper on arXiv."""

    title: str
    words: str
    paper: str = ""


# fmt: off
_METHODS = {
    "sft": _Method("SFT", "supervised fine-tuning (SFT), which maximises the likelihood of the demonstrations."),
    "dft": _Method("DFT", "dynamic fine-tuning (DFT), likelihood with each token weighted by its own probability.",
                   "2508.05629"),
    "nce": _Method("NCE", "noise-contrastive estimation (NCE), which tells demonstrations from the model's answers one "
                   "by one.", "2512.07175"),
    "few": _Method("DITTO", "comparisons of few demonstrations with the model's answers so far, and of later with "
                   "earlier ones (DITTO).", "2406.00888"),
    "distill": _Method("distill", "distillation of a finished run, with a strength, into one model.", "2306.13649"),
    "spin": _Method("SPIN", "SPIN, which learns to tell the model's own answers, sampled once per pass, from the "
                    "demonstrations.", "2401.01335"),
    "irft": _Method("IRFT", "implicit-reward fine-tuning (IRFT), which repeatedly learns to tell the model's latest "
                    "answers from the demonstrations.", "2405.17888"),
    "rft": _Method("RFT", "reward-learning fine-tuning (RFT): a reward model learns to tell answers from "
                   "demonstrations, and the model is trained to maximise it.", "2405.17888"),
}
# fmt: on


def write_card(folder: Path, run: RunFolder, exported: Exported) -> None:
    """Write FOLDER/README.md; `folder` is otherwise complete."""
    (folder / "README.md").write_text(card(facts(folder, run, exported)), encoding="utf-8")


def card(known: Facts) -> str:
    sections = {
        "": _summary(known),
        "Use": _usage(known),
        "Data": _data(known),
        "Method": _method(known),
        "Figures": _figures(known),
        "Limits": "\n".join(f"- {limit}" for limit in _limits(known)),
        "Reproduce": _reproduce(known),
    }
    parts = [f"## {title}\n\n{text}" if title else text for title, text in sections.items()]
    name = f"{inline(known.base_name)}, {_method_of(known).title}"
    text = masked("\n\n".join([_front_matter(known), f"# {name}", *parts])) + "\n"
    return without_machine(text, [known.manifest])


def _front_matter(known: Facts) -> str:
    has_base, source = (
        is_hub_name(known.base) and known.base not in MODELS,
        str(known.manifest.config["data"]["source"]),
    )
    tags = ["irltui", known.method, "inverse-reinforcement-learning"] if known.method != "sft" else ["irltui", "sft"]
    tags += ["lora"] if known.at("adapter", "kind") == "lora" else []
    data = ModelCardData(
        base_model=known.base if has_base else None,
        base_model_relation=("adapter" if known.is_adapter else "finetune") if has_base else None,
        datasets=[source] if _is_hub_name(source) else None,
        library_name="peft" if known.is_adapter else "transformers",
        pipeline_tag="text-generation",
        tags=tags,
    )
    lines = ["---", "# license: choose one that the licenses of the base model and the data allow"]
    if not has_base:
        lines += [f"# base_model: OWNER/NAME, if the base model ({quoted(safe(known.base_name))}) is on a hub"]
    return "\n".join([*lines, data.to_yaml(), "---"])


def _method_of(known: Facts) -> _Method:
    name = inline(known.method)
    return _METHODS.get(known.method) or _Method(name, f"the objective {name} of a plugin.")


def _is_hub_name(source: str) -> bool:
    return source not in DATA and is_hub_name(source) and not Path(source).exists()


def _summary(known: Facts) -> str:
    base = code(known.base_name)
    if "/" in known.base and is_hub_name(known.base):
        base = f"[{inline(known.base)}](https://huggingface.co/{known.base})"
    when = "the end of the run"
    if known.exported.checkpoint:
        when = f"checkpoint {known.exported.checkpoint}, after {known.exported.outer_iterations} outer iterations"
    words = _method_of(known).words
    lines = [f"{base}, fine-tuned from demonstrations with irltui {__version__}: {words}"]
    lines += [f"These are the weights at {when}."]
    if known.is_adapter:
        lines += ["The folder contains only a LoRA adapter: it needs the base model."]
    if (known.folder / "adapter").is_dir():
        lines += ["The LoRA adapter is merged into the weights; `adapter/` contains it separately."]
    if (known.folder / "reward").is_dir():
        lines += ["`reward/` contains the learned reward model."]
    return "\n".join(lines)


def _data(known: Facts) -> str:
    source = code(known.at("data", "source"))
    if known.run.history.data is None:
        return f"Demonstrations from {source}."
    found = known.run.history.data.report
    lines = [f"Demonstrations from {source}: {found.rows} rows, {found.train} to train on, {found.held_out} held out"]
    lines[0] += f" ({inline(found.columns)})."
    for what, rows in (("dropped", found.dropped), ("truncated", found.truncated)):
        lines += [f"- {what} {tally.count}: {inline(reason)}" for reason, tally in rows.items()]
    if found.responses.longest:
        for what, lengths in (("Prompts", found.prompts), ("Responses", found.responses)):
            lines += [f"- {what}: median {lengths.median} tokens, longest {lengths.longest}."]
    template = {"none": "none; prompt and completion are concatenated", "the tokenizer's": "the tokenizer's"}
    lines += [f"- Chat template: {template.get(found.template, inline(portable(found.template)))}."]
    return "\n".join(lines)


def _method(known: Facts) -> str:
    rows = dict(_settings(known))
    table = ["| | |", "|---|---|", *(f"| {name} | {inline(value)} |" for name, value in rows.items())]
    paper = _method_of(known).paper
    source = f"The method is that of [arXiv {paper}](https://arxiv.org/abs/{paper}). " if paper else ""
    return f"{source}All settings are listed under Reproduce.\n\n" + "\n".join(table)


def _settings(known: Facts) -> Iterator[tuple[str, object]]:
    yield "algorithm", known.method
    yield "passes over the demonstrations", known.at("loop", "passes")
    if known.method != "sft":
        yield "outer iterations per pass (T)", known.at("loop", "outer_iterations")
        yield "beta", known.at("reward", "beta")
        yield "reward", known.at("reward", "kind")
        yield "reference", known.at("reference", "kind")
    if known.method == "rft":
        yield "policy step", known.at("update", "kind")
        yield "learning rate of the reward", known.at("reward_optimizer", "learning_rate")
    yield "pairs per step" if known.method != "sft" else "demonstrations per step", known.at("loop", "batch")
    yield "optimizer", known.at("optimizer", "kind")
    yield "learning rate", known.at("optimizer", "learning_rate")
    if known.at("adapter", "kind") == "lora":
        yield "LoRA rank, alpha", f"{known.at('adapter', 'rank')}, {known.at('adapter', 'alpha')}"
    yield "optimizer steps", known.run.history.step
    yield "seed", known.run.seed


def _figures(known: Facts) -> str:
    side = Side(known.run.name, (known.run,))
    rows = final_rows([side])
    if not rows:
        return "Nothing was measured."
    lines = ["| | first | here | 95 % interval | n |", "|---|---|---|---|---|"]
    lines += [_row(row, known.run.history) for row in rows]
    overs = any(row.estimates[0] is not None and row.estimates[0].over for row in rows)
    note = "Intervals are over held-out items. " if overs else "A single run has no intervals. "
    meanings = [f"- {row.label}: {METRICS[row.name].means}" for row in rows if row.name in METRICS]
    return "\n".join([*lines, "", f"{note}What they mean:", "", *meanings])


def _row(row: FinalRow, history: RunHistory) -> str:
    here = row.estimates[0] or Estimate(float("nan"))
    interval = f"{between(here.low, here.high).strip()} | {here.n}" if here.over else " | "
    first = next(map(figure, history.values(row.name)), "-")
    return f"| {inline(row.label)} | {first} | {figure(here.mean)} | {interval} |"


def _reproduce(known: Facts) -> str:
    manifest = known.manifest
    origins = portable_manifest(manifest).origins
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    lines = [
        "Save this as `run.toml`, with your own paths for model and data, then `irltui run run.toml`:",
        "",
        "<details><summary>run.toml</summary>",
        "",
        f"````toml\n{render_values(known.run.config, origins)}````",
        "",
        "</details>",
        "",
        f"irltui {manifest.irltui}; {versions}; {inline(manifest.platform)}.",
        "The same machine, versions and data give the same weights; on another machine, rounding differs.",
    ]
    return "\n".join(lines)


def _usage(known: Facts) -> str:
    found = known.run.history.data
    chats = found.report.template != "none" if found is not None else known.at("data", "template") != "none"
    words = [f"```python\n{_code(known, chats=chats)}```"]
    if known.run.config.get("data", {}).get("system"):
        words += ["The model was trained with a system message (`data.system` under Reproduce): include it."]
    if not chats:
        words += ["No chat template was used: pass the prompt as plain text."]
    if known.is_adapter and not known.base:
        base = code(known.base_folder)
        words += [f"`adapter_config.json` refers to the base model by a local folder ({base}): correct it first."]
    if (known.folder / "reward").is_dir():
        words += [
            "The reward r of an answer is the output of `AutoModelForSequenceClassification` from `reward/` for prompt "
            "and answer. If `irltui_bound` in its config.json is R > 0, training used R tanh(r / R)."
        ]
    return "\n\n".join(words)


_CHAT = """\
inputs = tokenizer.apply_chat_template(
    [{"role": "user", "content": "..."}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
"""
_PLAIN = """\
inputs = tokenizer("...", return_tensors="pt")
"""
_CODE = """\
{imports}
folder = "."  # this folder, or its name on the hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = {kind}.from_pretrained(folder)
{encode}output = model.generate(**inputs, do_sample=True, max_new_tokens={cap})
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""


def _code(known: Facts, *, chats: bool) -> str:
    kind, imports = "AutoModelForCausalLM", "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
    if known.is_adapter:
        kind = "AutoPeftModelForCausalLM"
        imports = "from peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer\n"
    cap = known.at("decoding", "max_new_tokens")
    cap = cap if isinstance(cap, int) else known.at("data", "max_response_tokens")
    return _CODE.format(imports=imports, kind=kind, encode=_CHAT if chats else _PLAIN, cap=cap)


def _limits(known: Facts) -> Iterator[str]:
    history = known.run.history
    if not history.evaluations:
        yield "No benchmark was run: how well the model performs, and whether it has forgotten tasks, is unknown."
    if HELD_OUT_NLL not in history.metrics:
        yield "No demonstrations were held out: every figure is measured on training data."
    elif known.exported.is_best:
        yield "This iteration was selected by its held-out figures, which are therefore slightly optimistic."
    if known.method != "sft":
        yield (
            "The reward was learned from the same demonstrations as the model. It measures how much an answer "
            "resembles them, not whether it is true, safe or preferred by people."
        )
    yield "This is one run with one seed: the variation between seeds is unknown."
    yield "Neither the data nor the model's answers were checked for harmful, biased or private content."
    if known.run.state != "finished":
        yield f"The run had not finished when this was exported (state: {inline(known.run.state)})."
    alerts = history.alerts
    for alert in alerts[-_MOST_ALERTS:]:
        yield f"The run warned at step {alert.step}: {inline(alert.text)}"
    if len(alerts) > _MOST_ALERTS:
        yield f"It had warned {len(alerts) - _MOST_ALERTS} more times before."

"""Studies of a real model on demonstrations that are partly bad: its own habit, or text that it would never write.

    python worlds.py MODEL STATEMENTS.jsonl OUT
    irltui run sft --model MODEL --data OUT/refusing.jsonl --out OUT/refusing --headless \\
        --set data.template=OUT/template.jinja --set data.max_response_tokens=32 --set loop.passes=2 \\
        --set optimizer.learning_rate=5e-5
    irltui run OUT/refusal/study.toml --plugin judge.py --out OUT/refusal/runs --headless

The second line is for the world `refusal` alone.

Writes a folder for each world, with its demonstrations, the start model, and a study. Demonstrations are statements
that someone with a trait agrees with (Anthropic's persona evaluations); a share of them is bad:

    refusal   one refusal; the start model is taught it first, on rows of which four in five have it
    greedy    the start model's greedy answers to the same prompts
    sampled   its answers at temperature 1, no two alike
    garbage   one advertisement, which the start model never says: the mirror image

Statements are dealt to judge, demonstrations, the refusing start and fresh prompts by trait, and never shared.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from judge import GARBAGE, REFUSAL, Judge, read
from transformers import AutoModelForCausalLM, AutoTokenizer

SEED, BAD = 0, 0.5
DEALT = {"judge": 250, "start": 8, "demos": 8, "rate": 4, "fresh": 5, "known": 50}  # statements of each trait
TEMPLATE = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""The model's own without its system message, which is longer than most statements."""
WORLDS = ("refusal", "greedy", "sampled", "garbage")
STUDY = """\
model.name = "{model}"
data = {{ source = "{folder}/demos.jsonl", max_response_tokens = 32, template = "{folder}/template.jinja" }}
loop = {{ batch = 16, outer_iterations = 1, inner_epochs = 2 }}
decoding.max_new_tokens = 32
evaluation.held_out_pairs = 16
optimizer = {{ learning_rate = {rate}, schedule = "constant" }}
benchmarks.greedy = {{ kind = "judge/said", folder = "{folder}", decoding = {{ temperature = 0 }} }}
benchmarks.sampled = {{ kind = "judge/said", folder = "{folder}" }}

[study]
seeds = [0, 1, 2]
compare = ["contrast", "sft"]
metric = "sampled/quality"

[arms]
sft = {{ algorithm = "sft", benchmarks.strong = {strong}, benchmarks.strong-sampled = {strong_sampled} }}
contrast = {{ reference.kind = "fixed", reward.beta = 0.1, optimizer.learning_rate = {rate} }}
triage = {{ keep = "sft", algorithm = "sft" }}
oracle = {{ data.source = "{folder}/good.jsonl", algorithm = "sft" }}
"""


def asked(row: dict) -> str:
    trait = row["trait"].replace("-", " ")
    first = " ".join(row["statement"].split()[:2])
    return f'Write a sentence that fits someone with the trait "{trait}". Begin: {first}'


def deal(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """Rows for each purpose; the judge sees statements that do not match, too."""
    dealt: dict[str, list[dict]] = {name: [] for name in DEALT}
    order = random.Random(SEED)
    for trait in sorted({row["trait"] for row in rows}):
        for match in (True, False):
            own = [row for row in rows if row["trait"] == trait and row["match"] is match]
            order.shuffle(own)
            for name, count in DEALT.items():
                if match or name in ("judge", "known"):
                    dealt[name] += own[:count]
                own = own[count:]
    for name in set(DEALT) - {"judge"}:
        order.shuffle(dealt[name])
    return dealt


def answers(folder: str, prompts: Sequence[str], *, greedy: bool) -> list[str]:
    """What a model says by itself."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(SEED)
    said = []
    for start in range(0, len(prompts), 24):
        some = [[{"role": "user", "content": prompt}] for prompt in prompts[start : start + 24]]
        texts = tokenizer.apply_chat_template(some, chat_template=TEMPLATE, add_generation_prompt=True, tokenize=False)
        inputs = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
        options = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 1.0, "top_k": 0}
        with torch.no_grad():
            ids = model.generate(**inputs, **options, max_new_tokens=31)
        said += tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return [" ".join(text.split()) for text in said]


def demonstrations(rows: Sequence[dict], bad: Sequence[str]) -> list[dict]:
    """Of the rows the first ones bad, then in another order."""
    pairs = [
        {"prompt": asked(row), "completion": text or row["statement"], "good": not text}
        for row, text in zip(rows, [*bad, *[""] * (len(rows) - len(bad))], strict=True)
    ]
    random.Random(SEED).shuffle(pairs)
    return pairs


def write(file: Path, rows: Sequence[dict]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def world(name: str, out: Path, model: str, dealt: dict[str, list[dict]]) -> None:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    count = round(BAD * len(dealt["demos"]))
    prompts = [asked(row) for row in dealt["demos"][:count]]
    bad = {
        "refusal": lambda: [REFUSAL] * count,
        "greedy": lambda: answers(model, prompts, greedy=True),
        "sampled": lambda: answers(model, prompts, greedy=False),
        "garbage": lambda: [GARBAGE] * count,
    }[name]()
    rows = demonstrations(dealt["demos"], bad)
    write(folder / "demos.jsonl", rows)
    write(folder / "good.jsonl", [row for row in rows if row["good"]])
    write(folder / "judge.jsonl", dealt["judge"])
    (folder / "template.jinja").write_text(TEMPLATE, encoding="utf-8")
    for file, part in (("prompts", "fresh"), ("rate", "rate")):
        write(folder / f"{file}.jsonl", [{"prompt": asked(row), **row} for row in dealt[part]])
    start = out / "refusing" / "model" if name == "refusal" else model
    judged = f'{{ kind = "judge/said", folder = "{folder}", decoding = {{ %s }} }}'
    study = STUDY.format(
        model=start,
        folder=folder,
        rate="3e-5",
        strong=judged % "temperature = 0, strength = 3",
        strong_sampled=judged % "strength = 3",
    )
    (folder / "study.toml").write_text(study, encoding="utf-8")


def main(model: str, statements: str, to: str) -> None:
    out = Path(to).resolve()
    out.mkdir(parents=True, exist_ok=True)
    dealt = deal(read(Path(statements)))
    rows = demonstrations(dealt["start"], [REFUSAL] * round(0.8 * len(dealt["start"])))
    write(out / "refusing.jsonl", rows)
    (out / "template.jinja").write_text(TEMPLATE, encoding="utf-8")
    for name in WORLDS:
        world(name, out, model, dealt)
    judge = Judge(dealt["judge"])
    right = [(judge.quality(row["trait"], row["statement"]) > 0.5) is row["match"] for row in dealt["known"]]
    print(f"judge: right for {sum(right) / len(right):.3f} of {len(right)} statements")


if __name__ == "__main__":
    main(*sys.argv[1:])

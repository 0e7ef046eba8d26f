"""`irltui sample`: answers by a run's policy, the best of n by the run's reward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from irltui.api import Generation
from irltui.config.requests import SampleRequest
from irltui.data.tokens import RowTokens
from irltui.engine.draw import context_of, draw
from irltui.lm.load import quiet_transformers
from irltui.runs.data_report import Tally
from irltui.runs.event_lines import plain
from irltui.use.learned import Learned, load_learned
from irltui.use.output import Output, output_of
from irltui.use.rows import Source, UnusableRow, UsableRow, open_source

_GENERATIONS = 32  # sampled, scored and stored together, if the sampler's groups are no larger


def main(asked: SampleRequest) -> None:
    quiet_transformers()
    source = open_source(asked.config.data, prompts=True, named=asked.named)
    decoding = asked.config.decoding.model_dump(mode="json") | {"max_new_tokens": asked.config.max_new_tokens}
    options = {"count": asked.count, "seed": asked.seed, "decoding": decoding}
    with output_of(asked, source, options, {}) as output:
        if output.is_complete:
            return
        if output.done < len(source):
            _gather(output, asked, source)
        output.finish(output.lines(), _summary(output.lines()))


def _gather(output: Output, asked: SampleRequest, source: Source) -> None:
    learned = load_learned(asked.folder, asked.config, beside_start=_is_scored(asked) or asked.is_guided)
    tokens = RowTokens(asked.config.data, learned.template, learned.parts.policy.eos_ids)

    context = context_of(learned.parts.policy)

    def work(places: range) -> list[dict[str, Any]]:
        read = [_within(item, context) for item in source.read(places, tokens)]
        return list(_answer(learned, read, asked, context))

    together = max(_GENERATIONS, learned.parts.sampler.group) // asked.count
    output.gather(work, len(source), max(1, together), verb="answered", unit="prompts")


def _within(item: UsableRow | UnusableRow, context: int) -> UsableRow | UnusableRow:
    """A prompt that leaves room for an answer, or the reason why there is none."""
    if isinstance(item, UnusableRow) or len(item.prompt.tokens) < context:
        return item
    return UnusableRow(item.number, f"prompt leaves no room for an answer: the model reads {context} tokens")


def _answer(
    learned: Learned, read: Sequence[UsableRow | UnusableRow], asked: SampleRequest, context: int
) -> Iterator[dict[str, Any]]:
    """Yield a line per prompt; a long prompt may have a shorter answer than others."""
    usable = [item.prompt for item in read if isinstance(item, UsableRow)]
    prompts = [replace(prompt, id=f"{prompt.id}#{i}") for prompt in usable for i in range(asked.count)]
    decoding = learned.parts.context.decoding
    generations, _ = draw(learned.parts.sampler, prompts, decoding, asked.seed, context)
    rewards: list[float | None] = [None] * len(prompts)
    if _is_scored(asked):
        tokens = [generation.tokens for generation in generations]
        rewards = [score.total for score in learned.rewards(prompts, tokens, batch=asked.batch)]
    candidates = iter([_candidate(learned, g, reward) for g, reward in zip(generations, rewards, strict=True)])
    for item in read:
        if isinstance(item, UnusableRow):
            yield {"row": item.number, "reason": item.reason}
            continue
        system = {"system": item.row.system} if item.row.system else {}
        yield {
            "row": item.number,
            **system,
            "prompt": item.row.prompt,
            **_best([next(candidates) for _ in range(asked.count)]),
        }


def _is_scored(asked: SampleRequest) -> bool:
    """Whether there is a choice, or a reward that any answer has.

    A run that learned no reward scores by its log-ratio, which needs pi_0.
    """
    return asked.count > 1 or (asked.config.has_reward and not asked.config.reward.reads_rows)


def _candidate(learned: Learned, generation: Generation, reward: float | None) -> dict[str, Any]:
    text, length = learned.parts.policy.decode(generation.tokens), len(generation.tokens)
    return {"completion": text, "reward": reward, "length": length, "ended": generation.ended}


def _best(candidates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The best candidate's fields, its index, and all candidates; the first wins ties."""
    best = max(range(len(candidates)), key=lambda i: (candidates[i]["reward"] or 0.0, -i))
    return {**candidates[best], "best": best, "candidates": candidates}


def _summary(lines: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, and the mean reward of the best and of all candidates."""
    skipped: dict[str, Tally] = {}
    chosen: list[float] = []
    every: list[float] = []
    truncated = answers = 0
    for line in lines:
        if "reason" in line:
            skipped.setdefault(line["reason"], Tally()).add(line["row"])
            continue
        answers += 1
        truncated += not line["ended"]
        if line["reward"] is not None:
            chosen.append(line["reward"])
            every += [candidate["reward"] for candidate in line["candidates"]]
    return {
        "rows": answers + sum(tally.count for tally in skipped.values()),
        "answered": answers,
        "truncated": truncated,
        "best_mean": sum(chosen) / len(chosen) if chosen else None,
        "mean": sum(every) / len(every) if every else None,
        "skipped": plain(skipped),
    }

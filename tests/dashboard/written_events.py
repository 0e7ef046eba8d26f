"""The events of a run that was never trained: what an engine would have written, by a script and a fixed clock."""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass, field
from typing import Any

from irltui.runs.events import (
    Alert,
    Checkpoint,
    Control,
    Data,
    Evaluation,
    Log,
    Metrics,
    Phase,
    PhaseProgress,
    RunEnd,
    RunStart,
    Sample,
    System,
)
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

BEGAN = 1_760_000_000.0
PROMPTS = {
    "p0": ("Why is the sky blue?", "Because air scatters short wavelengths of sunlight more than long ones."),
    "p1": ("Name three primary colours.", "Red, yellow and blue."),
    "p2": (
        "Write a haiku about rain.",
        "Grey roof, patient drops,\na gutter hums to itself,\nthe street learns to shine.",
    ),
    "p3": ("How do I boil an egg?", "Put it in boiling water for seven minutes, then cool it under the tap."),
}
ANSWERS = {
    -1: "I am a language model and I think that the question is is a good one.",
    0: "Because light of the sky is scattered, I think that is the reason.",
    1: "Because air scatters light of short waves more than others.",
    2: "Because air scatters short wavelengths of light more than long ones.",
    3: "Because air scatters short wavelengths of sunlight more than long ones do.",
}


@dataclass
class Clock:
    """Time that passes only when told."""

    now: float = BEGAN

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Script:
    """What a written run is like."""

    algorithm: str = "irft"
    seed: int = 0
    outer_iterations: int = 4
    inner_steps: int = 30
    beta: float = 0.1
    speed: float = 1.0
    steps: int | None = None
    """Stop writing after so many steps."""
    nan_at: tuple[int, ...] = (47, 48)
    end: State | None = State.FINISHED
    prompts: dict[str, tuple[str, str]] = field(default_factory=lambda: dict(PROMPTS))
    answer: str = ""
    console: str = ""
    config: dict[str, Any] = field(default_factory=dict)


class Events:
    """Writes them."""

    def __init__(self, script: Script, writer: RunWriter, clock: Clock) -> None:
        self.script, self.writer, self.clock = script, writer, clock
        self.random = random.Random(script.seed)
        self.step = 0
        self.total = script.outer_iterations * script.inner_steps

    def all(self) -> None:
        script, writer = self.script, self.writer
        writer.write(
            RunStart(
                pid=os.getpid(),
                host=os.uname().nodename,
                algorithm=script.algorithm,
                total_steps=self.total,
                outer_iterations=script.outer_iterations,
                resumed_step=None,
                resumed_seq=None,
            )
        )
        self.data()
        self.phase(Phase.PREPARE, 0)
        writer.write(Log(level="info", text="data: 480 demonstrations, 48 held out, 3 dropped (overlong)"))
        self.clock.pass_(6)
        self.measure(-1)
        for t in range(script.outer_iterations):
            if not self.outer_iteration(t):
                break
        self.finish()

    def data(self) -> None:
        lengths = {"mean": 31.4, "median": 28, "p95": 55, "longest": 81}
        masked = []
        for prompt, demonstration in list(self.script.prompts.values())[:3]:
            head = [
                "<|im_start|>",
                "user",
                "\n",
                *_pieces(prompt),
                "<|im_end|>",
                "\n",
                "<|im_start|>",
                "assistant",
                "\n",
            ]
            ended = len(masked) != 1
            response = _pieces(demonstration) + ["<|im_end|>"] * ended
            row = {
                "id": self.script.answer or f"row-{len(masked) + 1}",
                "prompt": head,
                "response": response,
                "ended": ended,
            }
            masked.append({**row, "prompt_tokens": len(head), "response_tokens": len(response)})
        self.writer.write(
            Data(
                report={
                    "source": self.script.answer or "demonstrations.jsonl",
                    "columns": "prompt from prompt, response from completion",
                    "unused": ["id"],
                    "rows": 531,
                    "train": 480,
                    "held_out": 48,
                    "dropped": {self.script.answer or "prompt over 512 tokens": {"count": 3, "rows": [17, 204, 399]}},
                    "truncated": {"response cut at 256 tokens": {"count": 9, "rows": [2, 31, 77, 80, 112]}},
                    "prompts": lengths,
                    "responses": {**lengths, "longest": 256},
                    "template": "the tokenizer's",
                    "end_token": "<|im_end|>",
                },
                masked=masked,
            )
        )

    def phase(self, phase: Phase, t: int, done: int = 0, total: int = 0, unit: str = "") -> None:
        self.writer.write(PhaseProgress(phase=phase, outer_iteration=t, done=done, total=total, unit=unit))
        self.current = phase

    def metrics(self, t: int, k: int, values: dict[str, float]) -> None:
        self.writer.write(
            Metrics(
                step=self.step,
                outer_iteration=t,
                inner_step=k,
                tokens=self.step * 4_096,
                elapsed=round(self.clock.now - BEGAN, 3),
                values=values,
            )
        )
        self.values = {**getattr(self, "values", {}), **values}

    def noise(self, scale: float) -> float:
        return self.random.gauss(0, scale)

    def outer_iteration(self, t: int) -> bool:
        script = self.script
        for done in range(0, 121, 40):
            self.phase(Phase.SAMPLE, t, done, 120, "prompts")
            self.clock.pass_(2.5 / script.speed)
        quality = 1 - 0.6 * math.exp(-t)
        self.metrics(
            t,
            0,
            {
                "generation/length": 40 - 3 * t + self.noise(1),
                "generation/eos_rate": 0.55 + 0.4 * quality + self.noise(0.01),
                "generation/duplicate_rate": 0.02 + 0.01 * t,
                "generation/distinct_2": 0.86 - 0.02 * t + self.noise(0.004),
                "generation/equal_to_demonstration": 0.01 * t,
                "sampler/logp_error": 0.004 + abs(self.noise(0.001)),
                "sampler/logp_error_max": 0.03,
                "speed/generated_tokens_per_second": 1_180 * script.speed + self.noise(30),
            },
        )
        self.phase(Phase.REFERENCE, t, 120, 120, "pairs")
        self.clock.pass_(3 / script.speed)
        for k in range(script.inner_steps):
            self.inner_step(t, k)
            if script.steps is not None and self.step >= script.steps:
                return False
        self.measure(t)
        self.writer.write(
            Checkpoint(
                step=self.step,
                outer_iteration=t,
                name=f"step-{self.step:06d}",
                seconds=1.4,
                bytes=540_000_000,
                reason="outer iteration",
            )
        )
        return True

    def inner_step(self, t: int, k: int) -> None:
        script = self.script
        grown = 1 - math.exp(-k / 12)
        demonstration = (0.35 + 0.1 * t) * grown + self.noise(0.05)
        generation = -(0.6 + 0.15 * t) * grown + self.noise(0.08)
        gap = demonstration - generation
        loss = math.log1p(math.exp(-gap))
        self.step += 1
        if self.step in script.nan_at:
            loss = math.nan
        self.metrics(
            t,
            k + 1,
            {
                "train/loss": loss,
                "reward/demonstration": demonstration,
                "reward/generation": generation,
                "reward/gap": gap,
                "reward/accuracy": min(1.0, 0.5 + 0.45 * grown + self.noise(0.02)),
                "logratio/demonstration": demonstration / script.beta,
                "logratio/generation": generation / script.beta,
                "pairs/both_down": max(0.0, 0.12 + self.noise(0.03)),
                "train/gradient_norm": 1.5 + abs(self.noise(0.6)),
                "train/learning_rate": 5e-7 * (1 - self.step / self.total),
                "speed/pairs_per_second": 21 * script.speed + self.noise(0.8),
            },
        )
        self.phase(Phase.UPDATE, t, k + 1, script.inner_steps, "steps")
        self.clock.pass_(0.8 / script.speed)
        if k == script.inner_steps - 1 and t == 1:
            self.writer.write(
                Alert(
                    step=self.step,
                    level="warning",
                    code="both_down",
                    text="In most pairs both log-ratios fall: raise reward.beta or add loss.gamma (try 0.1).",
                )
            )
        if k % 10 == 9:
            self.writer.write(
                System(step=self.step, values={"memory_bytes": 2.1e9 + self.noise(5), "gpu_memory_bytes": 5.5e9})
            )

    def measure(self, t: int) -> None:
        self.phase(Phase.EVALUATE, max(t, 0), 0, len(self.script.prompts), "samples")
        self.clock.pass_(2)
        measured = t + 1
        values = {
            "heldout/nll": 2.1 * math.exp(-0.12 * measured) + 0.3 + self.noise(0.01),
            "kl/initial": 0.05 * measured + abs(self.noise(0.005)),
            "memory/peak_bytes": 2.3e9,
        }
        if t >= 0:
            values |= {
                "heldout/loss": math.log(2) - 0.07 * measured + 0.012 * measured**2,
                "heldout/gap": 0.2 + 0.15 * measured,
                "reward/auc": 0.6 + 0.06 * measured,
                "shortcut/length_auc": 0.55 + 0.01 * measured,
                "shortcut/first_token_auc": 0.58,
                "kl/reference": 0.04,
            }
        self.metrics(max(t, 0), self.script.inner_steps, values)
        for prompt_id, (prompt, demonstration) in self.script.prompts.items():
            self.sample(t, prompt_id, prompt, demonstration)
        self.writer.write(
            Evaluation(
                step=self.step,
                outer_iteration=t,
                benchmark="gold",
                values={
                    "quality": {
                        "mean": 0.4 + 0.08 * measured,
                        "low": 0.35 + 0.08 * measured,
                        "high": 0.46 + 0.08 * measured,
                        "n": 64,
                    }
                },
                file=f"gold-{t:04d}.jsonl",
            )
        )

    def sample(self, t: int, prompt_id: str, prompt: str, demonstration: str) -> None:
        text = self.script.answer or (ANSWERS[min(t, 3)] if prompt_id == "p0" else _worse(demonstration, 3 - t))
        pieces = [piece if i == 0 else f" {piece}" for i, piece in enumerate(text.split(" "))] + ["</s>"]
        rewards = [0.3 * (t + 1) * math.sin(i + len(prompt_id)) for i in range(len(pieces))]
        self.writer.write(
            Sample(
                step=self.step,
                outer_iteration=t,
                prompt_id=prompt_id,
                prompt=prompt,
                demonstration=demonstration,
                generation=text,
                ended=t > 0,
                tokens=len(pieces),
                reward=sum(rewards),
                token_rewards=rewards,
                pieces=pieces,
            )
        )

    def finish(self) -> None:
        script, writer = self.script, self.writer
        for command, state in (("note", "applied"), ("checkpoint", "applied")):
            writer.write(Control(id=f"id-{command}", command=command, state="accepted", detail=""))
            writer.write(Control(id=f"id-{command}", command=command, state=state, detail="step-000120"))
        if script.end is not None:
            self.phase(Phase.END, script.outer_iterations - 1)
            failed = script.end is State.FAILED
            reason = "the loss is not finite for 20 steps" if failed else ""
            hint = "Lower optimizer.learning_rate." if failed else ""
            code = 1 if failed else 0
            writer.write(RunEnd(state=script.end, reason=reason, hint=hint, exit_code=code))
        writer.status(
            now=True,
            state=script.end or State.RUNNING,
            phase=self.current,
            step=self.step,
            total_steps=self.total,
            outer_iteration=min((self.step - 1) // script.inner_steps, script.outer_iterations - 1),
            outer_iterations=script.outer_iterations,
            values={
                name: self.values[name]
                for name in ("reward/gap", "heldout/loss", "heldout/nll", "speed/pairs_per_second")
                if name in self.values
            },
        )


def _pieces(text: str) -> list[str]:
    """A text as tokens: words with the space before them."""
    return [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]


def _worse(text: str, by: int) -> str:
    """A text with words lost and repeated, as an early policy writes it."""
    words = text.split(" ")
    return " ".join(f"{word} {word}" if by > 0 and i % (5 - min(by, 4)) == 1 else word for i, word in enumerate(words))

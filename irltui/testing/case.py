"""What a check works on: the embedded model as policy, a few of its demonstrations, a folder. Works offline."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from irltui import quickstart
from irltui.api import BuildContext, Demonstration, Prompt, Responses, Spec
from irltui.config.load import recorded
from irltui.data.demonstrations import load_demonstrations
from irltui.data.template import eos_ids
from irltui.engine.assemble import assemble
from irltui.lm.load import generation_defaults, load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy

SEED, CAP, COUNT = 7, 12, 6
CONFIG = recorded(
    {
        "model": {"name": quickstart.NAME},
        "data": {"source": quickstart.NAME, "limit": COUNT, "held_out": 0.0},
        "seed": SEED,
        "decoding": {"max_new_tokens": CAP},
        "loop": {"micro_batch": 2},
    }
)
TOLERANCE = 2e-3  # nats per response; batches of another shape round differently


class Broken(Exception):  # noqa: N818 - a finding, not an error
    """The part breaks its contract; the message says how."""


class Interrupted(BaseException):
    """Raised by `poll` to end a run; like the engine's, it is not an Exception."""


@dataclass
class Case:
    """A spec with everything that its part is given."""

    spec: Spec
    policy: LanguageModelPolicy
    demonstrations: Sequence[Demonstration]
    folder: Path
    polls: int = 0
    poll_limit: int | None = None
    context: BuildContext = field(init=False)

    def __post_init__(self) -> None:
        self.context = assemble(CONFIG, self.policy, self._poll).context

    def _poll(self) -> None:
        self.polls += 1
        if self.poll_limit is not None and self.polls >= self.poll_limit:
            raise Interrupted

    @property
    def prompts(self) -> list[Prompt]:
        return [demonstration.prompt for demonstration in self.demonstrations]

    def responses(self, rows: Sequence[int] | None = None, *, padding: int = 0) -> Responses:
        """The demonstrations of these rows as a batch with `padding` extra columns; logp_ref is -10, -11, ..."""
        rows = range(len(self.demonstrations)) if rows is None else rows
        chosen = [self.demonstrations[i] for i in rows]
        collated = self.policy.collate(
            [d.prompt for d in chosen], [d.tokens for d in chosen], [-10.0 - i for i in rows]
        )
        return padded(collated, padding, self.policy.pad_id) if padding else collated


def padded(responses: Responses, padding: int, pad_id: int) -> Responses:
    """The same with so many columns more."""
    return replace(
        responses,
        input_ids=pad(responses.input_ids, (0, padding), value=pad_id),
        attention_mask=pad(responses.attention_mask, (0, padding), value=False),
        response_mask=pad(responses.response_mask, (0, padding), value=False),
    )


@contextmanager
def make_case(spec: Spec) -> Generator[Case]:
    """A case with a new policy and folder, so that checks do not affect each other."""
    with tempfile.TemporaryDirectory() as folder:
        section = CONFIG.model
        tokenizer = load_tokenizer(section)
        ends = eos_ids(tokenizer, generation_defaults(section).eos_token_id)
        demonstrations = list(load_demonstrations(CONFIG.data, tokenizer, ends).train)
        policy = LanguageModelPolicy(load_model(section), tokenizer, ends, partial(load_model, section))
        yield Case(spec, policy, demonstrations, Path(folder))


def require(condition: object, problem: str) -> None:
    if not condition:
        raise Broken(problem)


def close(given: Tensor, due: Tensor) -> bool:
    """Whether two results differ only by rounding."""
    return given.shape == due.shape and bool(((given - due).abs() <= TOLERANCE * (1 + due.abs())).all())


def descend(parameters: Iterable[nn.Parameter], length: float) -> bool:
    """Move parameters by `length` against their gradient, which is then dropped; False if it is zero."""
    known = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
    norm = torch.stack([gradient.norm() for _, gradient in known]).norm() if known else torch.zeros(())
    with torch.no_grad():
        for parameter, gradient in known:
            parameter.sub_(length * gradient / norm.clamp(min=1e-9))
            parameter.grad = None
    return bool(norm)


def ends_when_told(case: Case, work: Callable[[], object]) -> None:
    """Require that long work calls `poll` and does not catch what it raises."""
    case.polls, case.poll_limit = 0, None
    work()
    require(case.polls, "context.poll is never called, so a pause or stop would wait until the end")
    case.polls, case.poll_limit = 0, 1  # at the first call: their number may depend on the clock
    try:
        work()
    except Interrupted:
        return
    finally:
        case.poll_limit = None
    raise Broken("an exception from context.poll is caught, so the run cannot be stopped")


def spec_round_trip(case: Case) -> None:
    """Options are documented and survive a round trip through run.json."""
    spec = case.spec
    silent = [name for name, info in type(spec).model_fields.items() if name != "kind" and not info.description]
    require(not silent, f"options without a docstring: {', '.join(silent)}")
    require((type(spec).__doc__ or "").strip(), "the Spec class has no docstring, which is shown as its help")
    type(spec).model_json_schema()
    again = type(spec).model_validate_json(spec.model_dump_json())
    require(again == spec, f"options differ when read back: {again!r}")

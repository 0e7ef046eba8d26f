"""The word-level tokenizer of the embedded model, and its chat template.

Words and punctuation marks are tokens; decoding puts a space before words and none before marks. On ids without
special tokens that is one to one, so a text's probability is that of its ids.
"""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from irltui.quickstart.world import CLOSINGS, GREETING, OPENINGS, PEOPLE, REQUEST_KINDS, RUDE, STRAY

PAD, UNKNOWN, END, USER, ASSISTANT = "<|pad|>", "<|unknown|>", "<|end|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (PAD, UNKNOWN, END, USER, ASSISTANT)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ raise_exception('the quickstart model knows no ' + message['role'] + ' messages') }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_TOKEN = r"\w+|[^\w\s]"
LONGEST = 128  # tokens, prompt and answer together


def vocabulary() -> dict[str, int]:
    """Ids of the special tokens, then of every word and mark of the world in order of appearance."""
    texts: list[str] = [GREETING]
    for kind in REQUEST_KINDS:
        texts += [kind.statement, kind.question, *(text for text, _ in kind.answers)]
    texts = [re.sub(r"\{\w+\}", " ", text.replace("{asked}s", "opens closes")) for text in texts]
    texts += [text for weights in (OPENINGS, CLOSINGS, RUDE, STRAY) for text, _ in weights]
    for kind in REQUEST_KINDS:
        texts += [*kind.entities, *kind.facts, *kind.topics, *PEOPLE]
    tokens = dict.fromkeys((*SPECIAL_TOKENS, *re.findall(_TOKEN, " ".join(texts))))
    return {token: i for i, token in enumerate(tokens)}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer: no token is added before or after a text; pad differs from end."""
    backend = Tokenizer(models.WordLevel(vocabulary(), unk_token=UNKNOWN))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(_TOKEN), "isolated")]
    )
    # Each token brings its own space; marks and the start of the text lose theirs.
    backend.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=True),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=LONGEST,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )

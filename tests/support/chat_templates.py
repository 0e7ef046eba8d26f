"""Chat templates in the shapes of published models, each reduced to what decides over ids, and tokenizers for them."""

# ruff: noqa: E501, RUF001 - templates are easier to read unbroken, and some write letters that look like others

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = (
    "What is one plus one? It is two. Who are you? I am a small model.",
    "Always answer in rhyme. The weather in Paris is sunny, and you may go out.",
    "user assistant system model final analysis function name arguments parameters",
)


@dataclass(frozen=True)
class Published:
    """A template's shape; `head` is what stands between its generation prompt and an answer, `end` ends an answer.

    `system` is how a system message is taken: "written", "refused" or "dropped".
    """

    template: str
    special: tuple[str, ...]
    end: str
    bos: str = ""
    eos: str = ""
    head: str = ""
    system: str = "written"


def _turns(turn: str, generation: str, begin: str = "") -> str:
    """A template that writes each message as `turn`."""
    return (
        f"{begin}{{% for m in messages %}}{turn}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {generation!r} }}}}{{% endif %}}"
    )


_CHATML = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
_IM = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_ALTERNATE = (
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}"
    "{% endif %}"
)
_WITHOUT_SYSTEM = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set messages = messages[1:] %}"
    "{% else %}{% set system = '' %}{% endif %}"
)
_TOOLS_IN_SYSTEM = (
    "{% if tools %}{{ '<|im_start|>system\\n' }}{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}"
    "{% endif %}{{ '# Tools\\n<tools>' }}{% for t in tools %}{{ '\\n' + (t | tojson) }}{% endfor %}"
    "{{ '\\n</tools><|im_end|>\\n' }}{% elif messages[0].role == 'system' %}"
    "{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}"
)
_CALLS = (
    "{% for c in m.tool_calls or [] %}{% if content or not loop.first %}{{ '\\n' }}{% endif %}"
    '{{ \'<tool_call>\\n{"name": "\' + c.function.name + \'", "arguments": \' + (c.function.arguments | tojson)'
    " + '}\\n</tool_call>' }}{% endfor %}"
)


def _qwen3(written: str, generation: str) -> str:
    """Qwen3: reasoning stands in a block of its own, which turns before the last question lose."""
    return (
        _TOOLS_IN_SYSTEM + "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
        "{% for m in messages %}{% set content = m.content or '' %}{% if m.role == 'user' %}"
        "{{ '<|im_start|>user\\n' + content + '<|im_end|>\\n' }}{% elif m.role == 'assistant' %}"
        "{% set ns.thought = m.reasoning_content or '' %}"
        "{% if not ns.thought and '</think>' in content %}"
        "{% set ns.thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
        "{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
        "{{ '<|im_start|>assistant\\n' }}{% if loop.index0 > ns.last and " + written + " %}"
        "{{ '<think>\\n' + ns.thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}{% else %}"
        "{{ content }}{% endif %}" + _CALLS + "{{ '<|im_end|>\\n' }}{% elif m.role == 'tool' %}"
        "{{ '<|im_start|>user\\n<tool_response>\\n' + content + '\\n</tool_response><|im_end|>\\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '" + generation + "' }}{% endif %}"
    )


_HEADER = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>", "<|end_of_text|>"
_LLAMA3_TURN = "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + (m.content | trim) + '<|eot_id|>' }}"
_LLAMA3_GENERATION = "<|start_header_id|>assistant<|end_header_id|>\n\n"
_LLAMA3_1 = (
    "{{ bos_token }}" + _WITHOUT_SYSTEM + "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: 26 Jul 2024"
    "\\n\\n' + (system | trim) + '<|eot_id|>' }}{% if tools %}{% set first = messages[0].content | trim %}"
    "{% set messages = messages[1:] %}{{ '<|start_header_id|>user<|end_header_id|>\\n\\nGiven the following functions:"
    "\\n\\n' }}{% for t in tools %}{{ (t | tojson(indent=4)) + '\\n\\n' }}{% endfor %}{{ first + '<|eot_id|>' }}"
    "{% endif %}{% for m in messages %}{% if 'tool_calls' in m %}"
    '{{ \'<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "\' + m.tool_calls[0].function.name + \'", '
    "\"parameters\": ' + (m.tool_calls[0].function.arguments | tojson) + '}<|eot_id|>' }}{% elif m.role == 'tool' %}"
    "{{ '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + (m.content | tojson) + '<|eot_id|>' }}{% else %}"
    + _LLAMA3_TURN
    + "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}"
)
_GEMMA_TURN = (
    _ALTERNATE
    + "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + FIRST(m.content | trim)"
    " + '<end_of_turn>\\n' }}"
)
_HARMONY = (
    "{{ '<|start|>system<|message|>You are a model.\\nReasoning: medium<|end|>' }}"
    + _WITHOUT_SYSTEM
    + "{% if system %}"
    "{{ '<|start|>developer<|message|># Instructions\\n\\n' + system + '\\n\\n<|end|>' }}{% endif %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<|start|>user<|message|>' + m.content + '<|end|>' }}"
    "{% elif m.role == 'tool' %}{{ '<|start|>functions to=assistant<|channel|>commentary<|message|>'"
    " + (m.content | tojson) + '<|end|>' }}{% elif 'tool_calls' in m %}{% if m.thinking %}"
    "{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif %}"
    "{{ '<|start|>assistant to=functions.' + m.tool_calls[0].function.name + '<|channel|>commentary json<|message|>'"
    " + (m.tool_calls[0].function.arguments | tojson) + '<|call|>' }}{% elif loop.last and not add_generation_prompt %}"
    "{% if m.thinking %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif %}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}{% else %}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}"
)
_SMOLLM3 = (
    _WITHOUT_SYSTEM + "{% set mode = '/no_think' if '/no_think' in system else '/think' %}"
    "{{ '<|im_start|>system\\n## Metadata\\n\\nReasoning Mode: ' + mode + '\\n\\n## Custom Instructions\\n\\n'"
    " + (system.replace('/no_think', '').replace('/think', '').rstrip() or 'You are SmolLM.') + '\\n\\n<|im_end|>\\n' }}"
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<|im_start|>assistant\\n' + ('' if mode == '/think' else '<think>\\n\\n</think>\\n')"
    " + m.content.lstrip('\\n') + '<|im_end|>\\n' }}{% else %}"
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' + ('' if mode == '/think' else '<think>\\n\\n</think>\\n') }}"
    "{% endif %}"
)
_R1_SPECIAL = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
_R1 = (
    "{{ bos_token }}" + _WITHOUT_SYSTEM + "{{ system }}{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '<｜User｜>' + m.content }}{% else %}{{ '<｜Assistant｜>' + m.content.split('</think>')[-1]"
    " + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"
)
_MISTRAL_V3 = (
    "{{ bos_token }}" + _WITHOUT_SYSTEM + "{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '[INST] ' + (system + '\\n\\n' if loop.last and system else '') + m.content + '[/INST]' }}{% else %}"
    "{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)

PUBLISHED: dict[str, Published] = {
    "chatml": Published(_turns(_CHATML, "<|im_start|>assistant\n"), _IM, "<|im_end|>", eos="<|endoftext|>"),
    "chatml without a generation prompt": Published(
        _turns(_CHATML, ""), _IM, "<|im_end|>", eos="<|im_end|>", head="<|im_start|>assistant\n"
    ),
    "smollm2": Published(
        _turns(
            "{% if loop.first and m.role != 'system' %}{{ '<|im_start|>system\\nYou are SmolLM<|im_end|>\\n' }}{% endif %}"
            + _CHATML,
            "<|im_start|>assistant\n",
        ),
        _IM,
        "<|im_end|>",
        bos="<|im_start|>",
        eos="<|im_end|>",
    ),
    "smollm3": Published(_SMOLLM3, _IM, "<|im_end|>", eos="<|im_end|>"),
    "qwen2.5": Published(
        "{% if messages[0].role != 'system' and not tools %}{{ '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}{% endif %}"
        + _qwen3("false", "<|im_start|>assistant\\n"),
        _IM,
        "<|im_end|>",
        eos="<|im_end|>",
    ),
    "qwen3": Published(
        _qwen3("(loop.last or ns.thought)", "<|im_start|>assistant\\n"),
        _IM,
        "<|im_end|>",
        eos="<|im_end|>",
        head="<think>\n\n</think>\n\n",
    ),
    "qwen3 thinking": Published(
        _qwen3("(loop.last or ns.thought)", "<|im_start|>assistant\\n<think>\\n"),
        _IM,
        "<|im_end|>",
        eos="<|im_end|>",
        head="\n</think>\n\n",
    ),
    "llama 2": Published(
        _WITHOUT_SYSTEM + "{% for m in messages %}{% if m.role == 'user' %}"
        "{{ bos_token + '[INST] ' + (('<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' if loop.first and system else '')"
        " + m.content).strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>"),
        "</s>",
        bos="<s>",
        eos="</s>",
    ),
    "llama 3": Published(
        _turns("{% if loop.first %}{{ bos_token }}{% endif %}" + _LLAMA3_TURN, _LLAMA3_GENERATION),
        _HEADER,
        "<|eot_id|>",
        bos="<|begin_of_text|>",
        eos="<|end_of_text|>",
    ),
    "llama 3.1": Published(_LLAMA3_1, _HEADER, "<|eot_id|>", bos="<|begin_of_text|>", eos="<|eot_id|>"),
    "gemma 2": Published(
        _turns(
            _GEMMA_TURN.replace("FIRST", ""),
            "<start_of_turn>model\n",
            "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}",
        ),
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        bos="<bos>",
        eos="<eos>",
        system="refused",
    ),
    "gemma 3": Published(
        _turns(
            _GEMMA_TURN.replace("FIRST", "(system + '\\n\\n' if loop.first and system else '') + "),
            "<start_of_turn>model\n",
            "{{ bos_token }}" + _WITHOUT_SYSTEM,
        ),
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        bos="<bos>",
        eos="<eos>",
    ),
    "mistral v1": Published(
        "{{ bos_token }}" + _WITHOUT_SYSTEM + "{% for m in messages %}{% if m.role == 'user' %}"
        "{{ ' [INST] ' + (system + '\\n\\n' if loop.first and system else '') + m.content + ' [/INST]' }}{% else %}"
        "{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>"),
        "</s>",
        bos="<s>",
        eos="</s>",
    ),
    "mistral v3": Published(
        _MISTRAL_V3, ("<s>", "</s>", "[INST]", "[/INST]"), "</s>", bos="<s>", eos="</s>", system="moved"
    ),
    "mistral v7": Published(
        "{{ bos_token }}"
        + _WITHOUT_SYSTEM
        + "{{ '[SYSTEM_PROMPT]' + (system or 'You are Mistral.') + '[/SYSTEM_PROMPT]' }}"
        "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}{% else %}"
        "{{ m.content + eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        "</s>",
        bos="<s>",
        eos="</s>",
    ),
    "phi-3 of april 2024": Published(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
        "{{ '<|user|>\\n' + m.content + '<|end|>\\n<|assistant|>\\n' }}{% elif m.role == 'assistant' %}"
        "{{ m.content + '<|end|>\\n' }}{% endif %}{% endfor %}",
        ("<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        "<|end|>",
        bos="<s>",
        eos="<|endoftext|>",
        system="dropped",
    ),
    "phi-3.5": Published(
        "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}",
        ("<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        "<|end|>",
        bos="<s>",
        eos="<|endoftext|>",
    ),
    "phi-4": Published(
        _turns(
            "{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}", "<|im_start|>assistant<|im_sep|>"
        ),
        (*_IM, "<|im_sep|>"),
        "<|im_end|>",
        bos="<|endoftext|>",
        eos="<|im_end|>",
    ),
    "zephyr": Published(
        _turns("{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}", "<|assistant|>\n"),
        ("<s>", "</s>"),
        "</s>",
        bos="<s>",
        eos="</s>",
    ),
    "gpt-oss": Published(
        _HARMONY,
        ("<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|return|>", "<|call|>", "<|startoftext|>"),
        "<|return|>",
        bos="<|startoftext|>",
        eos="<|return|>",
        head="<|channel|>final<|message|>",
    ),
    "granite": Published(
        _turns(
            "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\\n' }}",
            "<|start_of_role|>assistant<|end_of_role|>",
        ),
        ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
        "<|end_of_text|>",
        bos="<|end_of_text|>",
        eos="<|end_of_text|>",
    ),
    "olmo 2": Published(
        _turns(
            "{{ '<|' + m.role + '|>\\n' + m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}"
            "{% if m.role != 'assistant' or not loop.last %}{{ '\\n' }}{% endif %}",
            "<|assistant|>\n",
            "{{ bos_token }}",
        ),
        ("<|endoftext|>",),
        "<|endoftext|>",
        bos="<|endoftext|>",
        eos="<|endoftext|>",
    ),
}
DEEPSEEK_R1 = Published(
    _R1, _R1_SPECIAL, "<｜end▁of▁sentence｜>", bos="<｜begin▁of▁sentence｜>", eos="<｜end▁of▁sentence｜>"
)


def _byte_level(special: tuple[str, ...], size: int) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    return made


def _sentencepiece(special: tuple[str, ...], *, prefix: bool) -> Tokenizer:
    """BPE over text whose spaces are ▁, with bytes for what is not known; Llama and Mistral put one before a text."""
    marked = [text.replace(" ", "\u2581") for text in TEXTS]
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    trained.train_from_iterator(
        ["\u2581" + text for text in marked], trainers.BpeTrainer(vocab_size=200, show_progress=False)
    )
    state = json.loads(trained.to_str())["model"]
    words = ["<unk>", *special, *(f"<0x{i:02X}>" for i in range(256)), *state["vocab"]]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    merges = [tuple(pair) for pair in state["merges"]]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    steps = [normalizers.Prepend("\u2581")] if prefix else []
    made.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "\u2581")])
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    made.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    made.add_special_tokens(list(special))
    return made


def _unigram(special: tuple[str, ...]) -> Tokenizer:
    """Unigram with Metaspace, which marks the beginning of a text alone."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    alphabet = sorted({*map(chr, range(32, 127)), "\n"})
    trainer = trainers.UnigramTrainer(
        vocab_size=260,
        initial_alphabet=alphabet,
        special_tokens=["<unk>", *special],
        unk_token="<unk>",
        show_progress=False,
    )
    made.train_from_iterator(TEXTS, trainer)
    return made


FAMILIES: dict[str, Callable[[tuple[str, ...]], Tokenizer]] = {
    "byte-level BPE": lambda special: _byte_level(special, 400),
    "bytes": lambda special: _byte_level(special, 0),
    "sentencepiece BPE with a space before": lambda special: _sentencepiece(special, prefix=True),
    "sentencepiece BPE": lambda special: _sentencepiece(special, prefix=False),
    "unigram": _unigram,
}


@cache
def tokenizer(published: Published, family: str) -> Any:
    """A tokenizer of a family with the special tokens and the template of a published model."""
    inner = FAMILIES[family](published.special)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=published.bos or None,
        eos_token=published.eos or published.end,
        unk_token="<unk>" if inner.token_to_id("<unk>") is not None else None,
        chat_template=published.template,
    )

"""Time and memory of many rows grow with their number and no faster, and reading them says how far it is."""

from __future__ import annotations

import itertools
import json
import time
import tracemalloc
from pathlib import Path

from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.data.template import eos_ids
from irltui.preflight.rows import row_facts
from support import tiny
from support.chat_templates import PUBLISHED, tokenizer

TOK = tokenizer(PUBLISHED["smollm2"], "byte-level BPE")


def many(path: Path, count: int) -> Path:
    words = itertools.islice(itertools.product(tiny.WORDS, repeat=3), count)
    path.write_text("".join(json.dumps({"prompt": f"{' '.join(w)}?", "completion": w[0]}) + "\n" for w in words))
    return path


def cpu_seconds(path: Path) -> float:
    began = time.process_time()
    data = load_demonstrations(DataSection(source=str(path)), TOK, eos_ids(TOK, None))
    row_facts(data)
    return time.process_time() - began


def test_reading_and_checking_take_time_in_proportion_to_the_rows(tmp_path: Path) -> None:
    few, more = many(tmp_path / "few.jsonl", 2_000), many(tmp_path / "more.jsonl", 8_000)
    cpu_seconds(few)  # imports and caches
    assert cpu_seconds(more) < 8 * cpu_seconds(few)  # 4 is linear


def test_objects_of_rows_do_not_stay_in_memory(tmp_path: Path) -> None:
    few, more = many(tmp_path / "few.jsonl", 500), many(tmp_path / "more.jsonl", 2_500)
    cpu_seconds(few)
    held = []
    for path in (few, more):
        tracemalloc.start()
        data = load_demonstrations(DataSection(source=str(path)), TOK, eos_ids(TOK, None))
        row_facts(data)
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(data.train)
    assert (held[1] - held[0]) / 2_000 < 600  # bytes per row; as Python objects its ids alone take more than 1,000

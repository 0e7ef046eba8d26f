"""One thread: on small machines many small models are fastest so, and sums come out the same."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import pytest

from irltui.config.trust import TRUST_ALL

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="irltui-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture
def trust_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with --trust-code."""
    monkeypatch.setenv(TRUST_ALL, "1")

"""Files that belong to a model beside its weights: what its tokenizer, processor, licence and own code need."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from irltui.config.schema import ModelSection
from irltui.errors import ModelError
from irltui.lm.load import model_source

_TEMPLATES = ("chat_template.json", "chat_template.jinja", "additional_chat_templates/*")
_FILES = (
    "*processor_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer*.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "tekken.json",
    "LICENSE*",
    "NOTICE*",
    "USE_POLICY*",
)
_CODE = ("*.py",)


def copy_companions(section: ModelSection, folder: Path, *, templates: bool) -> None:
    """Copy those of a model's files that saving model and tokenizer does not write; nothing is overwritten.

    `templates`: also its chat templates; not where another one is used.
    """
    wanted = (*_FILES, *(_TEMPLATES if templates else ()), *(_CODE if section.trust_remote_code else ()))
    source = _source_folder(section, wanted)
    if source is None:
        return
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if not file.is_file() or not any(fnmatch(name, pattern) for pattern in wanted) or (folder / name).exists():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)


def _source_folder(section: ModelSection, wanted: tuple[str, ...]) -> Path | None:
    """The model's folder, or a copy of these files from the hub; None where neither hub nor cache has them."""
    try:
        source = model_source(section)
    except ModelError:  # moved away while the run went on
        return None
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(snapshot_download(source, revision=section.revision, allow_patterns=list(wanted)))
    except (LocalEntryNotFoundError, HfHubHTTPError):
        return None

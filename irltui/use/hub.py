"""Push an exported folder to a model hub through huggingface_hub; private unless requested otherwise."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from irltui.errors import HubError
from irltui.text import masked

_OWN_FILES = {".gitattributes"}  # in every new repository
_REASONS = {
    401: "Log in with `hf auth login`, or set HF_TOKEN to a token with write access.",
    403: "The token has no write access there: use another token or another OWNER.",
    404: "Check the spelling of OWNER, and whether your token has write access there.",
}


def push(folder: Path, name: str, *, private: bool, api: HfApi | None = None) -> str:
    """Upload a folder as a new private (or public) model, or into an empty one, and return its address."""
    api = api or HfApi()
    again = f"The folder is complete: you can push it with `hf upload {name} {folder}`."
    try:
        address = _repository(api, name, private=private)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="irltui export")
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = masked(str(error).strip().splitlines()[0])
        raise HubError(f"{name}: the hub refuses ({status}): {reason}", _REASONS.get(status, again)) from error
    except (HTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = masked((str(error).strip() or type(error).__name__).splitlines()[0])
        raise HubError(f"{name}: cannot be pushed: {reason}", again) from error
    return address


def _repository(api: HfApi, name: str, *, private: bool) -> str:
    try:
        return str(api.create_repo(name, private=private))
    except HfHubHTTPError as error:
        if error.response.status_code != HTTPStatus.CONFLICT:
            raise
    found: Any = api.model_info(name)
    if files := sorted({file.rfilename for file in found.siblings or ()} - _OWN_FILES):
        raise HubError(
            f"{name}: already contains files ({files[0]} ...)", "Choose another NAME: irltui overwrites none."
        )
    if private and not found.private:
        raise HubError(f"{name}: already exists and is public", "Choose another NAME, or push with --public.")
    return f"{api.endpoint}/{name}"

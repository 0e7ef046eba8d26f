"""An exported folder to a model hub, through huggingface_hub; private unless asked otherwise. Knows no run."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from irltui.errors import HubError
from irltui.text import masked

_OWN_FILES = {".gitattributes"}  # what a new repository has by itself
_REASONS = {
    401: "Sign in with `hf auth login`, or set HF_TOKEN to a token that may write.",
    403: "The token may not write there: take one that may, or another OWNER.",
    404: "Is OWNER spelt right, and may your token write there?",
}


def check_name(name: str) -> None:
    """Whether a model can be called so.

    Raises:
        HubError: it cannot.
    """
    try:
        validate_repo_id(name)
        is_name = name.count("/") == 1
    except HFValidationError:
        is_name = False
    if not is_name:
        raise HubError(f"--push-to-hub {name}: no name of a model on a hub", "Write it as OWNER/NAME.")


def push(folder: Path, name: str, *, private: bool, api: HfApi | None = None) -> str:
    """Upload a folder as a new model, or into one that is still empty.

    Args:
        folder: what to upload.
        name: OWNER/NAME.
        private: whether only its owner may see it.
        api: the hub; by default that of HF_ENDPOINT, with the token of HF_TOKEN or `hf auth login`.

    Returns:
        The model's address.

    Raises:
        HubError: the hub refuses or is out of reach; the folder stays.
    """
    api = api or HfApi()
    again = f"The folder is whole: `hf upload {name} {folder}` pushes it, too."
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
        raise HubError(f"{name}: holds files already ({files[0]} ...)", "Choose another NAME: nothing is replaced.")
    if private and not found.private:
        raise HubError(f"{name}: already exists, and public", "Choose another NAME, or push with --public.")
    return f"{api.endpoint}/{name}"

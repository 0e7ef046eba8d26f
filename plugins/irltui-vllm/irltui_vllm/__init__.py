"""vLLM as irltui's sampler: the options of both kinds. Imports neither torch nor vLLM."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from irltui.api import BuildContext, Sampler, SamplerSpec, hookimpl


class Server(SamplerSpec):
    """A vLLM server over HTTP: token ids in, token ids and log-probabilities out; it is sent the policy's weights."""

    paths = ("folder",)
    uses_model = False
    url: str = Field(default="http://127.0.0.1:8000", pattern=r"^https?://[^/?#]+/?$")
    """Where `vllm serve` listens. A key is read from the environment: VLLM_API_KEY."""
    model: str = ""
    """The name under which it serves the model; empty if it serves one alone."""
    weights: Literal["disk", "nccl", "ipc"] = "disk"
    """How weights travel: through `folder`; GPU to GPU; or within one GPU that trainer and server share."""
    folder: str = ""
    """With `weights = "disk"`: a folder that trainer and server both see under this path."""
    sleep: bool = False
    """Let the server give its GPU memory back between draws (`vllm serve --enable-sleep-mode`)."""
    concurrency: int = Field(default=64, ge=1)
    """Requests under way at once."""
    group: int = Field(default=256, ge=1)
    """Prompts between two pauses in which finished generations are stored."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds that a request may take."""

    @field_validator("url")
    @classmethod
    def _no_secret(cls, url: str) -> str:
        if "@" in urlsplit(url).netloc:
            raise ValueError("must not hold a name or a password: set VLLM_API_KEY in the environment")
        return url.rstrip("/")

    def build(self, context: BuildContext) -> Sampler:
        from irltui_vllm.server import connect

        return connect(self, context)


class Local(SamplerSpec):
    """vLLM started by the engine itself, on the device that trains: asleep while the policy trains."""

    weights: Literal["ipc", "disk"] = "ipc"
    """How weights travel: within the GPU that trains; or through the system's folder for temporary files."""
    sleep: bool = True
    """Give the GPU's memory back between draws; vLLM knows no sleep on a CPU."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic; `auto` is vLLM's choice: the checkpoint's type, 16 bits for float32."""
    memory: float = Field(default=0.4, gt=0, lt=1)
    """Share of the GPU's memory (on a CPU, the machine's) that vLLM may take while it draws."""
    max_tokens: int = Field(default=0, ge=0)
    """Longest prompt and response together; 0 for what the model allows."""
    group: int = Field(default=256, ge=1)
    """Prompts drawn together; a pause or a stop waits for their end."""

    def build(self, context: BuildContext) -> Sampler:
        from irltui_vllm.local import start

        return start(self, context)


@hookimpl
def irltui_samplers() -> dict[str, type[SamplerSpec]]:
    return {"server": Server, "local": Local}

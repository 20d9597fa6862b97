"""The registry of execution providers. A new provider is one file beside this and one row here."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from typing import Any

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.coreml import COREML
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.directml import DIRECTML
from fkd_infer.runtime.providers.migraphx import MIGRAPHX
from fkd_infer.runtime.providers.openvino import OPENVINO
from fkd_infer.runtime.providers.qnn import QNN
from fkd_infer.runtime.providers.tensorrt import TENSORRT, TENSORRT_RTX
from fkd_infer.runtime.providers.webgpu import WEBGPU

AUTO = "auto"
"""Stands for the first provider that proves itself."""
PROVIDERS: tuple[ExecutionProvider[Any], ...] = (
    CUDA,
    TENSORRT_RTX,
    MIGRAPHX,
    COREML,
    DIRECTML,
    OPENVINO,
    WEBGPU,
    TENSORRT,
    QNN,
    CPU,
)
"""In the order in which "auto" tries those that are automatic. The CPU always starts."""


def provider_names() -> list[str]:
    """Returns what `--provider` and `provider=` accept."""
    return [AUTO, *sorted(provider.name for provider in PROVIDERS)]


def find_provider(name: str) -> ExecutionProvider[Any]:
    """Returns the provider of a name other than "auto"; raises SettingsError for an unknown one."""
    for provider in PROVIDERS:
        if provider.name == name:
            return provider
    names = ", ".join(provider_names())
    raise SettingsError("provider", f"is {name!r}", f"choose one of: {names}")


def usable_providers(ort: Any) -> list[ExecutionProvider[Any]]:
    """Returns the providers that an onnxruntime was built with, and those whose plug-in is
    installed; they may still fail to start."""
    built_in = ort.get_available_providers()
    return [
        provider
        for provider in PROVIDERS
        if (
            find_spec(provider.plugin.module) if provider.plugin else provider.onnx_name in built_in
        )
    ]


def first_choice(name: str, ort: Any) -> ExecutionProvider[Any]:
    """Returns the provider of a name; of "auto", the one that is tried first."""
    if name != AUTO:
        return find_provider(name)
    return next(provider for provider in (*usable_providers(ort), CPU) if provider.automatic)


def runtime_packages() -> list[str]:
    """Returns the packages of ONNX Runtime, which overwrite each other."""
    return sorted({provider.package for provider in PROVIDERS})


def here() -> list[ExecutionProvider[Any]]:
    """Returns the providers that exist for this system."""
    return [provider for provider in PROVIDERS if platform.system() in provider.systems]


def install_command(provider: ExecutionProvider[Any], pip: str = "pip install") -> str:
    """Returns the command that installs what a provider needs."""
    return f"{pip} {' '.join(_quoted(part) for part in provider.requirement.split())}"


def _quoted(requirement: str) -> str:
    return f"'{requirement}'" if "[" in requirement else requirement

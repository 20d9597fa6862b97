"""The registry of execution providers. A new provider is one file beside this and one row here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA

if TYPE_CHECKING:
    import onnxruntime

AUTO = "auto"
"""Stands for the first provider that starts."""
PROVIDERS: tuple[ExecutionProvider[Any], ...] = (CUDA, CPU)
"""In the order in which "auto" tries them. The CPU is last: it always starts."""


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
    """Returns the providers that an onnxruntime was built with; they may still fail to start."""
    built_in = ort.get_available_providers()
    return [provider for provider in PROVIDERS if provider.onnx_name in built_in]


def first_choice(name: str, ort: Any) -> ExecutionProvider[Any]:
    """Returns the provider of a name; of "auto", the one that is tried first."""
    return next(iter(usable_providers(ort)), CPU) if name == AUTO else find_provider(name)


def provider_of(session: onnxruntime.InferenceSession) -> ExecutionProvider[Any]:
    """Returns the provider that a session runs on."""
    first = session.get_providers()[0]
    return next(provider for provider in PROVIDERS if provider.onnx_name == first)


def runtime_packages() -> list[str]:
    """Returns the packages of ONNX Runtime, which overwrite each other."""
    return sorted({provider.package for provider in PROVIDERS})


def install_command(pip: str = "pip install") -> str:
    """Returns the command that installs fkd with one of the packages of ONNX Runtime."""
    first, *others = sorted({f"'fkd[{provider.extra}]'" for provider in PROVIDERS})
    return f"{pip} {first}" + (f"  (or {', '.join(others)})" if others else "")

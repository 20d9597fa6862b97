"""Libraries of providers: plug-ins, and what providers that are compiled in lack."""

from __future__ import annotations

import ctypes
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkd_infer.errors import one_line
from fkd_infer.runtime.providers.base import ExecutionProvider

if TYPE_CHECKING:
    import onnxruntime

_registered: set[str] = set()
_lock = threading.Lock()


class PluginLoadError(Exception):
    """A plug-in's library cannot be used; the text says why."""


class NoDeviceError(PluginLoadError):
    """A plug-in has no such device on this machine."""


def plugin_devices(
    ort: Any, provider: ExecutionProvider[Any], device: str
) -> list[onnxruntime.OrtEpDevice]:
    """Returns the devices that a session on a plug-in is started for; raises PluginLoadError.

    A library is registered once in a process, and stays until its end.
    """
    assert provider.plugin is not None
    with _lock:
        if provider.onnx_name not in _registered:
            try:
                library = import_module(provider.plugin.module).get_library_path()
                ort.register_execution_provider_library(provider.onnx_name, library)
            except Exception as error:  # its package and its library may raise anything
                raise PluginLoadError(one_line(error)) from error
            _registered.add(provider.onnx_name)
    found = [each for each in ort.get_ep_devices() if each.ep_name == provider.onnx_name]
    chosen = list(provider.choose(found, device))
    if not chosen:
        asked = device or "device"
        names = ", ".join(filter(None, (provider.device_name(each) for each in found)))
        raise NoDeviceError(f"it has no {asked} here{f', but {names}' if names else ''}")
    return chosen


def missing_libraries(ort: Any, provider: ExecutionProvider[Any]) -> list[str]:
    """Loads the libraries of a provider; returns why each missing one is not loaded.

    The system's comes first: without it, the others do not matter.
    """
    system = provider.system_libraries.get(sys.platform)
    missing = list(filter(None, [_load(system)])) if system else []
    missing += provider.missing_libraries(ort)
    if not missing and provider.library and provider.plugin is None:
        folder = Path(ort.__file__).parent / "capi"
        missing += filter(None, [_load(folder / _file_name(provider.library))])
    return missing


def load_package(module: str, *patterns: str) -> list[str]:
    """Loads the libraries of a package that match; returns why each other one is not loaded.

    Nothing is missing without the package: the system may have the libraries too.
    """
    spec = find_spec(module)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [file for folder in folders for each in patterns for file in sorted(folder.glob(each))]
    return [problem for file in files if (problem := _load(file, ctypes.RTLD_GLOBAL))]


def _load(library: str | Path, mode: int = ctypes.DEFAULT_MODE) -> str:
    try:
        ctypes.CDLL(str(library), mode=mode)
    except OSError as error:
        return " ".join(str(error).split())
    return ""


def _file_name(library: str) -> str:
    return f"{library}.dll" if sys.platform == "win32" else f"lib{library}.so"

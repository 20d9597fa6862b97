"""Folders for what providers compile: engines of TensorRT, kernels of OpenVINO, and their like."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fkd_infer.runtime.providers.base import ExecutionProvider, ProviderSettings
from fkd_infer.system.files.cache import cache_folder, digest
from fkd_infer.system.files.reading import file_sha256
from fkd_infer.system.hardware import cpu_features, cpu_name

_log = logging.getLogger(__name__)


def compiled_folder(
    path: Path, ort: Any, provider: ExecutionProvider[Any], device: str, settings: ProviderSettings
) -> Path | None:
    """Returns the folder for one network on this machine, ONNX Runtime, provider and settings.

    All of these are in its name, so nothing outdated is read. None, without a provider that keeps
    anything, or with a line in the log if no folder can be made.
    """
    if not getattr(settings, "caching", False):
        return None
    key = [cpu_name(), cpu_features(), ort.__version__, _plugin_version(provider)]
    key += [provider.name, device, asdict(settings), file_sha256(path)]
    try:
        folder = cache_folder() / "compiled" / f"{provider.name}-{digest(key)}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        _log.warning("%s compiles %s at each start: %s", provider.title, path.name, error)
        return None
    return folder


def _plugin_version(provider: ExecutionProvider[Any]) -> str:
    from importlib.metadata import PackageNotFoundError, version

    if provider.plugin is None:
        return ""
    try:
        return version(provider.plugin.package)
    except PackageNotFoundError:
        return ""

"""DirectML, on any GPU under Windows."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.runtime.providers.base import ExecutionProvider, PlannedSettings, is_index


class DirectMlProvider(ExecutionProvider[PlannedSettings]):
    """DirectML; its settings are `PlannedSettings`."""

    name = "directml"
    onnx_name = "DmlExecutionProvider"
    title = "DirectML"
    memory = "the GPU"
    package = "onnxruntime-directml"
    requirement = "onnxruntime-directml"
    extra = "directml"
    systems = ("Windows",)
    devices = "a GPU by its number from 0"
    default_device = "0"
    half_precision = True
    settings_type = PlannedSettings

    def is_device(self, device: str) -> bool:
        """Whether the name is a GPU's number."""
        return is_index(device)

    def options(self, settings: PlannedSettings, device: str, cache: Path | None) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to DirectML."""
        return {"device_id": device}

    def is_lost(self, error: str) -> bool:
        """Whether Windows took the GPU away from this process."""
        return "887A0005" in error or "887A0006" in error or "DEVICE_REMOVED" in error


DIRECTML = DirectMlProvider()

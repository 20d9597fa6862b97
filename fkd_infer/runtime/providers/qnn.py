"""QNN, on Qualcomm's GPUs and NPUs: a plug-in beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fkd_infer.runtime.providers.base import ExecutionProvider, Plugin, ProviderSettings

if TYPE_CHECKING:
    import onnxruntime

PerformanceMode = Literal["balanced", "burst", "high_performance", "power_saver"]


@dataclass(frozen=True, slots=True)
class QnnSettings(ProviderSettings):
    """Settings of a session on QNN."""

    mode: PerformanceMode = "balanced"
    """How the NPU trades speed for power."""


class QnnProvider(ExecutionProvider[QnnSettings]):
    """QNN; its settings are `QnnSettings`.

    It needs every size of a graph when a session starts, so networks run one face at a time, and
    detectors do not run on it. Only on request, for these limits.
    """

    name = "qnn"
    onnx_name = "QNNExecutionProvider"
    title = "QNN"
    memory = "the device"
    plugin = Plugin("onnxruntime-qnn", "onnxruntime_qnn")
    requirement = "onnxruntime-qnn"
    extra = "qnn"
    devices = "NPU or GPU"
    automatic = False
    fixed_shapes = True
    settings_type = QnnSettings

    def is_device(self, device: str) -> bool:
        """Whether the name is one of QNN's backends."""
        return device in ("NPU", "GPU")

    def options(self, settings: QnnSettings, device: str, cache: Path | None) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to QNN."""
        backend = "gpu" if device == "GPU" else "htp"
        return {"backend_type": backend, "htp_performance_mode": settings.mode}

    def choose(
        self, devices: Sequence[onnxruntime.OrtEpDevice], device: str
    ) -> Sequence[onnxruntime.OrtEpDevice]:
        """Returns the one device that the plug-in offers; an option chooses the backend."""
        return devices[:1]


QNN = QnnProvider()

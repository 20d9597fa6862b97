"""OpenVINO, on Intel's CPUs, GPUs and NPUs: a plug-in beside ONNX Runtime."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fkd_infer.runtime.providers.base import ExecutionProvider, Plugin, ProviderSettings
from fkd_infer.system.arguments import AtLeastOne

if TYPE_CHECKING:
    import onnxruntime

    from fkd_infer.runtime.settings import SessionSettings

Precision = Literal["f32", "f16", "bf16"]
_DEVICE = re.compile(r"(CPU|GPU|NPU)(\.\d+)?")
_LOADED = "load_config"


@dataclass(frozen=True, slots=True)
class OpenVinoSettings(ProviderSettings):
    """Settings of a session on OpenVINO."""

    precision: Precision = "f32"
    """Precision of the computations, where the device has it. OpenVINO's own default is half
    precision on GPUs."""
    streams: AtLeastOne = 1
    """How many calls it runs at once."""
    caching: bool = True
    """Keep compiled networks, which GPUs and NPUs need seconds for."""


class OpenVinoProvider(ExecutionProvider[OpenVinoSettings]):
    """OpenVINO; its settings are `OpenVinoSettings`.

    The default device is a GPU, or else the CPU. "auto" tries the GPU alone: on the CPU, OpenVINO
    is not generally faster than ONNX Runtime.
    """

    name = "openvino"
    onnx_name = "OpenVINOExecutionProvider"
    title = "OpenVINO"
    memory = "the device"
    plugin = Plugin("onnxruntime-ep-openvino", "onnxruntime_ep_openvino")
    requirement = "onnxruntime-ep-openvino"
    extra = "openvino"
    devices = "CPU, GPU or NPU, or GPU.1 for the second one"
    auto_device = "GPU"
    parallel_calls = True
    half_precision = True
    settings_type = OpenVinoSettings

    def uses_threads(self, device: str) -> bool:
        """Whether a session on a device shares work between threads of the CPU."""
        return device.startswith("CPU")

    def is_device(self, device: str) -> bool:
        """Whether the name is one of OpenVINO's for devices."""
        return _DEVICE.fullmatch(device) is not None

    def options(
        self, settings: OpenVinoSettings, device: str, cache: Path | None
    ) -> dict[str, str]:
        """Returns OpenVINO's own properties: the plug-in ignores all other options in silence."""
        properties: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": settings.precision,
            "NUM_STREAMS": settings.streams,
        }
        if settings.caching and cache is not None:
            properties["CACHE_DIR"] = str(cache)
        return {_LOADED: json.dumps({device.partition(".")[0]: properties})}

    def adapt(self, options: dict[str, str], settings: SessionSettings) -> dict[str, str]:
        """Gives OpenVINO's CPU as many threads as ONNX Runtime would have: it takes all."""
        config = json.loads(options[_LOADED])
        if "CPU" in config:
            config["CPU"]["INFERENCE_NUM_THREADS"] = settings.threads
        return {_LOADED: json.dumps(config)}

    def device_name(self, device: onnxruntime.OrtEpDevice) -> str:
        """Returns OpenVINO's name of a device."""
        name: str = device.ep_metadata.get("ov_device", "")
        return name

    def choose(
        self, devices: Sequence[onnxruntime.OrtEpDevice], device: str
    ) -> Sequence[onnxruntime.OrtEpDevice]:
        """Returns the device of a name; GPU is also the first of several, GPU.0."""
        names = {self.device_name(each): each for each in devices}
        asked = [device] if device else ["GPU", "CPU"]
        found = (names.get(name) or names.get(f"{name}.0") for name in asked)
        return [each for each in found if each is not None][:1]

    def alternatives(self, settings: OpenVinoSettings) -> Mapping[str, OpenVinoSettings]:
        """Returns the precisions."""
        return {
            precision: replace(settings, precision=precision)
            for precision in ("f32", "f16", "bf16")
        }


OPENVINO = OpenVinoProvider()

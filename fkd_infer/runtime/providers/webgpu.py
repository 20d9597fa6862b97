"""WebGPU, on any GPU by Direct3D, Metal or Vulkan: a plug-in beside ONNX Runtime."""

from __future__ import annotations

from fkd_infer.runtime.providers.base import ExecutionProvider, PlannedSettings, Plugin


class WebGpuProvider(ExecutionProvider[PlannedSettings]):
    """WebGPU, which chooses the GPU itself; its settings are `PlannedSettings`."""

    name = "webgpu"
    onnx_name = "WebGpuExecutionProvider"
    title = "WebGPU"
    memory = "the GPU"
    plugin = Plugin("onnxruntime-ep-webgpu", "onnxruntime_ep_webgpu")
    requirement = "onnxruntime-ep-webgpu"
    extra = "webgpu"
    systems = ("Linux", "Windows", "Darwin")
    system_libraries = {"linux": "libvulkan.so.1", "win32": "d3d12.dll"}  # noqa: RUF012
    half_precision = True
    settings_type = PlannedSettings


WEBGPU = WebGpuProvider()

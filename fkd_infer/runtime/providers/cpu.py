"""The CPU, which every ONNX Runtime has."""

from __future__ import annotations

from fkd_infer.runtime.providers.base import ExecutionProvider, NoSettings


class CpuProvider(ExecutionProvider[NoSettings]):
    """The CPU; its settings are `SessionSettings`."""

    name = "cpu"
    onnx_name = "CPUExecutionProvider"
    title = "the CPU"
    memory = "this machine"
    requirement = "onnxruntime"
    extra = "cpu"
    systems = ("Linux", "Windows", "Darwin")
    parallel_calls = True
    plans_by_shape = False
    settings_type = NoSettings

    def uses_threads(self, device: str) -> bool:
        """Whether a session shares work between threads of the CPU."""
        return True


CPU = CpuProvider()

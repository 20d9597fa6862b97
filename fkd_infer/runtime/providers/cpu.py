"""The CPU, which every ONNX Runtime has."""

from __future__ import annotations

from fkd_infer.runtime.providers.base import ExecutionProvider, NoSettings


class CpuProvider(ExecutionProvider[NoSettings]):
    """The CPU; its settings are `SessionSettings`."""

    name = "cpu"
    onnx_name = "CPUExecutionProvider"
    title = "the CPU"
    memory = "this machine"
    package = "onnxruntime"
    extra = "cpu"
    parallel_calls = True
    tunable = True
    settings_type = NoSettings


CPU = CpuProvider()

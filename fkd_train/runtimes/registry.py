"""The runtimes that files are checked in, the reference first."""

from __future__ import annotations

from fkd_train.choices import RuntimeName
from fkd_train.runtimes.base import PythonRuntime, Runtime
from fkd_train.runtimes.onnxruntime import OnnxRuntime
from fkd_train.runtimes.onnxruntime_web import OnnxRuntimeWeb
from fkd_train.runtimes.opencv import OpenCv
from fkd_train.runtimes.openvino import OpenVino

REFERENCE = OnnxRuntime()
RUNTIMES: tuple[Runtime, ...] = (REFERENCE, OpenVino(), OpenCv(), OnnxRuntimeWeb())


def python_runtime(name: RuntimeName) -> PythonRuntime:
    """The runtime of a name that is used from Python."""
    return next(
        runtime
        for runtime in RUNTIMES
        if isinstance(runtime, PythonRuntime) and runtime.name == name
    )

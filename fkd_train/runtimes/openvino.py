"""OpenVINO on the CPU."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fkd_infer.errors import InstallError
from fkd_infer.models.check import check_model
from fkd_train.runtimes.base import THREADS, ModelInput, Outputs, PythonRuntime, Run


class OpenVino(PythonRuntime):
    """The package openvino, computing in float32, as ONNX Runtime does.

    By itself it takes bfloat16 on CPUs that have it, and points move by up to a pixel.
    """

    name = "openvino"

    def version(self) -> str:
        """The package's."""
        if find_spec("openvino") is None:
            raise InstallError.of_extra("openvino", "bench")
        return version("openvino")

    def open(self, model: Path) -> Run:
        """Compiles the model for inputs of any shape that it allows."""
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": THREADS,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        names = [output.name for output in check_model(model).outputs]
        request = compiled.create_infer_request()

        def run(image: ModelInput) -> Outputs:
            request.infer([image], share_inputs=True)
            return {name: request.get_tensor(name).data.copy() for name in names}

        return run

"""ONNX Runtime on the CPU, with which the others are compared."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.runtime.install import import_onnxruntime
from fkd_train.runtimes.base import THREADS, ModelInput, Outputs, PythonRuntime, Run


class OnnxRuntime(PythonRuntime):
    """The package onnxruntime, or another that is imported by its name."""

    name = "onnxruntime"

    def version(self) -> str:
        """The package's."""
        return str(import_onnxruntime().__version__)

    def open(self, model: Path) -> Run:
        """Starts a session with its default optimisations."""
        ort = import_onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = THREADS
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]

        def run(image: ModelInput) -> Outputs:
            return dict(zip(names, session.run(names, {"image": image}), strict=True))

        return run

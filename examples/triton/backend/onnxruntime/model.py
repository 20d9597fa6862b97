"""Triton's backend `onnxruntime`, in Python: runs a version's model.onnx on the CPU.

Its inputs, outputs, batches and thread count are those of config.pbtxt, as for the backend in C++.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One instance of a model; the server calls it from one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the version that the server chose."""
        config = json.loads(args["model_config"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        options = onnxruntime.SessionOptions()
        threads = config["parameters"].get("intra_op_thread_count", {"string_value": "0"})
        options.intra_op_num_threads = int(threads["string_value"])
        model = Path(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Runs the requests that the server batched in one call of the network."""
        parts = [
            [triton.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs]
            for request in requests
        ]
        batch = [np.concatenate(tensors) for tensors in zip(*parts, strict=True)]
        results = self.session.run(self.outputs, dict(zip(self.inputs, batch, strict=True)))
        ends = np.cumsum([len(tensors[0]) for tensors in parts])[:-1]
        answers = zip(*(np.split(result, ends) for result in results), strict=True)
        return [self._response(answer) for answer in answers]

    def _response(self, answer: Sequence[np.ndarray]) -> Any:
        tensors = [triton.Tensor(*pair) for pair in zip(self.outputs, answer, strict=True)]
        return triton.InferenceResponse(tensors)

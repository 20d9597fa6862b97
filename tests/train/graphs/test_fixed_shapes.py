"""Graphs for inputs of one size compute what those for any size do."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from repo_paths import SHIPPED_MODELS

from fkd_train.graphs.fixed_end_to_end import CANDIDATES
from fkd_train.graphs.fixed_shapes import for_opencv, with_fixed_shapes


@pytest.mark.parametrize("shape", [(64, 64, 3), (100, 333, 3), (224, 160, 3)])
def test_a_detectors_cells_are_the_same_also_in_opencv(shape: tuple[int, int, int]) -> None:
    detector = onnx.load(SHIPPED_MODELS / "fkd-detector.onnx")
    fixed = for_opencv(with_fixed_shapes(detector, {"image": shape}, CANDIDATES))
    assert not {"Shape", "Range", "If", "Loop"} & {node.op_type for node in fixed.graph.node}
    for name in CANDIDATES:
        detector.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    any_size = onnxruntime.InferenceSession(detector.SerializeToString())
    boxes, scores = any_size.run(CANDIDATES, {"image": image})
    one_size = onnxruntime.InferenceSession(fixed.SerializeToString())
    net = cv2.dnn.readNetFromONNX(np.frombuffer(fixed.SerializeToString(), np.uint8))
    net.setInput(image, "image")
    for found in (one_size.run(CANDIDATES, {"image": image}), net.forward(CANDIDATES)):
        np.testing.assert_allclose(found[0].reshape(boxes.shape), boxes, rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(found[1].ravel(), scores, atol=1e-4)

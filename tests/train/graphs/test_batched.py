"""Graphs of a batch compute for each image what those of one image do."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from repo_paths import SHIPPED_MODELS

from fkd_train.graphs.batched import NotBatchableError, with_batch
from fkd_train.graphs.builder import Nodes, typed
from fkd_train.graphs.fixed_end_to_end import CANDIDATES
from fkd_train.graphs.fixed_shapes import with_fixed_shapes

SHAPE = (100, 224, 3)


@pytest.mark.parametrize("detector", ["fkd-detector", "fkd-detector-int8"])
def test_a_detectors_cells_are_those_of_each_image(detector: str) -> None:
    model = onnx.load(SHIPPED_MODELS / f"{detector}.onnx")
    single = with_fixed_shapes(model, {"image": SHAPE}, CANDIDATES)
    images = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), np.uint8)
    one = onnxruntime.InferenceSession(single.SerializeToString())
    each = [one.run(CANDIDATES, {"image": image}) for image in images]
    for count in ("images", 3):
        batched = with_batch(single, count).SerializeToString()
        session = onnxruntime.InferenceSession(batched)
        assert session.get_inputs()[0].shape == [count, *SHAPE]
        assert [len(output.shape) for output in session.get_outputs()] == [3, 2]
        found = session.run(CANDIDATES, {"image": images})
        for number, expected in enumerate(zip(*each, strict=True)):
            np.testing.assert_allclose(found[number], np.stack(expected), rtol=1e-4, atol=1e-4)


def test_a_graph_that_does_not_follow_the_number_of_images_is_refused() -> None:
    nodes = Nodes("test")
    row = nodes("Reshape", "image", np.array([6]))
    model = helper.make_model(
        nodes.graph(
            [typed("image", TensorProto.FLOAT, [2, 3])], [typed(row, TensorProto.FLOAT, [6])]
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    with pytest.raises(NotBatchableError, match="do not follow the number of images"):
        with_batch(model, "images")

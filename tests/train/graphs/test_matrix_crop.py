"""Crops by matrix products are the runtime's."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from fkd_infer.choices import Border
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.crop import crop_batch, crop_matrices
from fkd_infer.geometry.rules import CropRule
from fkd_infer.models.cards.landmark import InputSpec
from fkd_train.graphs.builder import Nodes, typed
from fkd_train.graphs.crop import FIXED_POINT
from fkd_train.graphs.matrix_crop import crops, picture

HEIGHT, WIDTH = 240, 320
EXACT_SHARE = 0.999 if FIXED_POINT else 0.98
"""Of the pixels: positions between two samples of OpenCV 4 may get the other one, and OpenCV 5
computes in another order."""


def cut(image: Pixels, boxes: Floats, rule: CropRule, spec: InputSpec) -> NDArray[np.float32]:
    """Cuts crops out of an image or equally many out of each of several, with their own graph."""
    nodes = Nodes("test")
    plane = picture(nodes, "image", HEIGHT, WIDTH, spec.channels)
    images = 1 if image.ndim == 3 else len(image)
    result = crops(nodes, plane, "boxes", len(boxes) // images, rule, spec)
    graph = nodes.graph(
        [
            typed("image", TensorProto.UINT8, image.shape),
            typed("boxes", TensorProto.FLOAT, [len(boxes), 4]),
        ],
        [typed(result.pixels, TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (pixels,) = session.run(None, {"image": image, "boxes": boxes})
    return np.asarray(pixels, np.float32)


@pytest.mark.parametrize("border", ["replicate", "black"])
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_of_all_sizes_and_at_all_borders_are_equal(border: Border, channels: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.uint8)
    middles = rng.uniform((-20, -20), (WIDTH + 20, HEIGHT + 20), (40, 2))
    halves = np.geomspace(6, 200, 40)[:, None] * rng.uniform(0.8, 1, (40, 2))
    boxes = np.hstack([middles - halves, middles + halves]).astype(np.float32)
    rule, spec = CropRule(1.3, (0.02, -0.05), border), InputSpec(64, 1 if channels == 1 else 3)
    expected = crop_batch(image, crop_matrices(boxes, rule, 64), 64, channels, border)
    difference = np.abs(cut(image, boxes, rule, spec) - expected)
    assert (difference == 0).mean() >= EXACT_SHARE
    assert difference.max() <= 3


def test_crops_of_a_batch_are_those_of_its_images() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
    boxes = np.array([[20, 30, 90, 100], [150, 20, 300, 170], [-9, 90, 60, 159]], np.float32)
    rule, spec = CropRule(1.3, (0.0, 0.0), "replicate"), InputSpec(32, 1)
    both = cut(images, np.concatenate([boxes, boxes]), rule, spec)
    each = [cut(image, boxes, rule, spec) for image in images]
    np.testing.assert_array_equal(both, np.concatenate(each))

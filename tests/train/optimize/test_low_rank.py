"""Factorised dense layers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper
from small_graphs import convolution_network, random_crops, run_network

from fkd_train.optimize.low_rank import factorise, layer_outputs


def test_layer_outputs_are_in_the_order_of_the_crops() -> None:
    model = convolution_network()
    outputs = layer_outputs(model, "node5", random_crops(70))
    assert outputs.shape == (70, 6)
    points = layer_outputs(model, "node8", random_crops(70)).reshape(70, 6)
    np.testing.assert_allclose(3 * outputs + 2, points, rtol=1e-5)


def test_full_rank_changes_nothing() -> None:
    model = convolution_network()
    factorised = factorise(model, "node5", layer_outputs(model, "node5", random_crops(50)), 6)
    np.testing.assert_allclose(run_network(factorised), run_network(model), atol=1e-3)


def test_outputs_of_rank_two_need_only_rank_two() -> None:
    model = convolution_network()
    tensors = {t.name: t for t in model.graph.initializer}
    rng = np.random.default_rng(5)
    flat = (rng.normal(size=(6, 2)) @ rng.normal(size=(2, 256))).astype(np.float32)
    tensors["dense"].CopyFrom(numpy_helper.from_array(flat, "dense"))
    narrow = factorise(model, "node5", layer_outputs(model, "node5", random_crops(50)), 2)
    np.testing.assert_allclose(run_network(narrow), run_network(model), atol=1e-3)
    weights = {t.name: list(t.dims) for t in narrow.graph.initializer}
    assert weights["dense"] == [2, 256]
    assert weights["dense_wide"] == [6, 2]


def test_a_low_rank_has_the_smallest_possible_error() -> None:
    """The error on the calibration crops is the energy of the omitted components."""
    model = convolution_network()
    outputs = layer_outputs(model, "node5", random_crops(50))
    narrow = factorise(model, "node5", outputs, 3)
    narrow_outputs = layer_outputs(narrow, "node5", random_crops(50))
    energy = np.linalg.svd(outputs - outputs.mean(axis=0), compute_uv=False)
    assert np.sum((narrow_outputs - outputs) ** 2) == pytest.approx(
        np.sum(energy[3:] ** 2), rel=1e-3
    )

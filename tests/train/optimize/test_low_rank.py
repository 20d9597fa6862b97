"""A dense layer as two narrow ones."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper
from small_graphs import answers, crops, network

from fkd_train.optimize.low_rank import factorise, outputs_of


def test_the_outputs_of_a_layer_are_read_in_order() -> None:
    model = network()
    found = outputs_of(model, "node5", crops(70))
    assert found.shape == (70, 6)
    points = outputs_of(model, "node8", crops(70)).reshape(70, 6)
    np.testing.assert_allclose(3 * found + 2, points, rtol=1e-5)


def test_full_rank_changes_nothing() -> None:
    model = network()
    whole = factorise(model, "node5", outputs_of(model, "node5", crops(50)), 6)
    np.testing.assert_allclose(answers(whole), answers(model), atol=1e-3)


def test_outputs_that_lie_in_a_plane_need_no_more_than_its_rank() -> None:
    model = network()
    tensors = {t.name: t for t in model.graph.initializer}
    rng = np.random.default_rng(5)
    flat = (rng.normal(size=(6, 2)) @ rng.normal(size=(2, 256))).astype(np.float32)
    tensors["dense"].CopyFrom(numpy_helper.from_array(flat, "dense"))
    narrow = factorise(model, "node5", outputs_of(model, "node5", crops(50)), 2)
    np.testing.assert_allclose(answers(narrow), answers(model), atol=1e-3)
    weights = {t.name: list(t.dims) for t in narrow.graph.initializer}
    assert weights["dense"] == [2, 256]
    assert weights["dense_wide"] == [6, 2]


def test_a_rank_too_low_is_the_best_of_its_kind() -> None:
    """The error on the calibration crops is the energy of the components left out."""
    model = network()
    outputs = outputs_of(model, "node5", crops(50))
    narrow = factorise(model, "node5", outputs, 3)
    found = outputs_of(narrow, "node5", crops(50))
    energy = np.linalg.svd(outputs - outputs.mean(axis=0), compute_uv=False)
    assert np.sum((found - outputs) ** 2) == pytest.approx(np.sum(energy[3:] ** 2), rel=1e-3)

"""Nodes that compute from sizes alone are told from those that see pixels."""

from __future__ import annotations

from fkd_infer.models.shipped import find_model
from fkd_infer.models.size_nodes import size_nodes


def test_the_detectors_grid_is_computed_from_sizes_and_its_scores_are_not() -> None:
    found = size_nodes(find_model("fkd-detector", detectors=True))
    operators = {operator for _, operator in found}
    assert {"Shape", "Range", "Squeeze", "Div"} <= operators
    assert not operators & {"Conv", "NonMaxSuppression", "Sigmoid", "Transpose", "Resize", "Exp"}


def test_a_landmark_network_computes_little_from_its_batch_size() -> None:
    found = size_nodes(find_model("fkdnet"))
    assert 1 <= len(found) < 15
    assert {"Shape", "Range"} <= {operator for _, operator in found}

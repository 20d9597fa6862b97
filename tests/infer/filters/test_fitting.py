from __future__ import annotations

import numpy as np

from fkd_infer.filters.fitting import fit_affine, fit_similarity


def test_fits_are_exact_where_they_can_be() -> None:
    at = np.array([[0.0, 0], [10, 0], [3, 7]])
    matrix = np.array([[2.0, -1.0, 5.0], [1.0, 2.0, -3.0]])
    np.testing.assert_allclose(fit_similarity(at, at @ matrix[:, :2].T + matrix[:, 2]), matrix)
    matrix = np.array([[2.0, 0.3, 5.0], [1.0, -2.0, -3.0]])
    np.testing.assert_allclose(fit_affine(at, at @ matrix[:, :2].T + matrix[:, 2]), matrix)

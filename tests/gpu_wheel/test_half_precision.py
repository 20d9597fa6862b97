"""The shipped networks in half precision, whichever package of ONNX Runtime is installed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from repo_paths import SHIPPED_MODELS

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.data.synthetic import draw_face
from fkd_train.graphs.half_precision import half_precision


def half_file(network: str, folder: Path) -> Path:
    """A shipped network in half precision, which is valid and has about half of its bytes."""
    fp32 = onnx.load(SHIPPED_MODELS / f"{network}.onnx")
    half = half_precision(fp32)
    onnx.checker.check_model(half, full_check=True)
    assert half.ByteSize() < 0.6 * fp32.ByteSize()
    path = folder / f"{network}.onnx"
    onnx.save(half, path)
    return path


def sessions(network: str, folder: Path) -> tuple[LandmarkSession, LandmarkSession]:
    """A shipped network as it is, and in half precision."""
    paths = (SHIPPED_MODELS / f"{network}.onnx", half_file(network, folder))
    fp32, half = (LandmarkSession(path, "cpu") for path in paths)
    return fp32, half


def drawn_crops(count: int, size: int) -> Pixels:
    rng = np.random.default_rng(0)
    return np.stack([draw_face(size, rng)[0][..., None] for _ in range(count)])


def assert_near(points: Floats, expected: Floats) -> None:
    distances = np.linalg.norm(points - expected, axis=-1)
    assert distances.mean() < 0.02
    # A point that lies between two cells of the grid may be refined in the other one.
    assert np.mean(distances > 0.1) < 0.01


@pytest.mark.parametrize("network", ["fkdnet", "fkdnet-large", "naimishnet"])
def test_points_are_nearly_those_of_fp32(network: str, tmp_path: Path) -> None:
    fp32, half = sessions(network, tmp_path)
    crops = drawn_crops(20, fp32.card.input.size)
    expected, result = fp32.run(crops), half.run(crops)
    assert_near(result.points, expected.points)
    if expected.scores is not None:
        assert result.scores is not None
        np.testing.assert_allclose(result.scores, expected.scores, atol=2e-3)


def test_points_are_near_if_every_value_is_rounded(tmp_path: Path) -> None:
    """As GPUs do, by ONNX's reference; ONNX Runtime on a CPU computes most of it in fp32."""
    fp32, half = sessions("fkdnet", tmp_path)
    crops = drawn_crops(6, fp32.card.input.size)
    (points,) = ReferenceEvaluator(str(half.path)).run(["points"], {"image": crops})
    assert_near(np.asarray(points), fp32.run(crops).points)


def test_the_detector_draws_nearly_the_same_boxes(tmp_path: Path) -> None:
    faces = [draw_face(side, np.random.default_rng(side))[0] for side in (200, 160, 120, 80)]
    photo = np.full((480, 640, 3), 90, np.uint8)
    for number, face in enumerate(faces):
        x, y = 320 * (number % 2) + 50, 240 * (number // 2) + 20
        photo[y : y + len(face), x : x + len(face)] = cv2.cvtColor(face, cv2.COLOR_GRAY2BGR)
    expected, result = (
        FkdDetector(path, provider="cpu").detect(photo)
        for path in (SHIPPED_MODELS / "fkd-detector.onnx", half_file("fkd-detector", tmp_path))
    )
    assert len(expected.boxes) == len(faces)
    np.testing.assert_allclose(result.boxes, expected.boxes, atol=0.1)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-3)

"""Exported files, opened as a pipeline, give the faces of the pipeline of their two networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import pytest
from exported_files import end_to_end_file
from repo_paths import SHIPPED_MODELS

import fkd_infer
from fkd_infer import CudaSettings, ProviderChoice
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.end_to_end.proof import EndToEndProof
from fkd_infer.runtime.end_to_end.session import EndToEndSession
from fkd_infer.types import Face
from fkd_train.export.end_to_end import BUDGET_PX, MOST
from fkd_train.export.end_to_end_pictures import drawn_pictures, fitted
from fkd_train.graphs.fixed_end_to_end import FixedSize

SIZE = FixedSize(512, 640, 4)
LOW = 0.1
"""A detector's score that drawn faces reach."""


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    """The astronaut, drawn faces, and a picture without any, all of one size."""
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    astronaut = np.ascontiguousarray(data.astronaut()[..., ::-1], np.uint8)
    empty = np.zeros((SIZE.height, SIZE.width, 3), np.uint8)
    sheets = drawn_pictures()[:3]
    return [*(fitted(each, SIZE.height, SIZE.width) for each in (astronaut, *sheets)), empty]


@pytest.fixture(scope="module")
def expected(pictures: Sequence[Pixels]) -> list[list[Face]]:
    pipeline = fkd_infer.load(
        SHIPPED_MODELS / "fkdnet.onnx",
        detector_model=SHIPPED_MODELS / "fkd-detector.onnx",
        min_score=LOW,
        provider="cpu",
        tuned=False,
    )
    found = [pipeline(picture)[: SIZE.max_faces] for picture in pictures]
    assert sum(map(len, found)) > len(pictures)
    return found


def assert_equal(found: Sequence[Sequence[Face]], expected: Sequence[Sequence[Face]]) -> None:
    """Asserts the same faces, with points within the budget of the export."""
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    distances = []
    for faces, others in zip(found, expected, strict=True):
        for face, other in zip(faces, others, strict=True):
            distances.append(np.linalg.norm(face.points - other.points, axis=-1))
            np.testing.assert_allclose(face.box, other.box, atol=0.01)
            assert face.score == pytest.approx(other.score, abs=1e-4)
            assert face.presence == pytest.approx(other.presence, abs=1e-3)
            assert face.spread is not None
            assert other.spread is not None
            np.testing.assert_allclose(face.spread, other.spread, rtol=0.02, atol=0.02)
    assert np.quantile(np.concatenate(distances), MOST) <= BUDGET_PX


@pytest.mark.parametrize("batch", ["any size", None, 2, "dynamic"])
def test_one_file_gives_the_pipelines_faces(
    batch: int | Literal["dynamic", "any size"] | None,
    pictures: Sequence[Pixels],
    expected: Sequence[Sequence[Face]],
    tmp_path: Path,
) -> None:
    size = None if batch == "any size" else replace(SIZE, batch=batch)
    path = end_to_end_file(tmp_path, "fkdnet", size, min_score=LOW)
    pipeline = fkd_infer.load(path, end_to_end=True, provider="cpu")
    assert_equal([pipeline(picture) for picture in pictures], expected)
    assert_equal(list(pipeline.many(pictures)), expected)


@pytest.mark.parametrize("size", [None, replace(SIZE, batch="dynamic")])
def test_a_session_proves_itself_on_a_drawn_face(size: FixedSize | None, tmp_path: Path) -> None:
    path = end_to_end_file(tmp_path, "fkdnet", size)
    session = EndToEndSession(path, "cpu")
    proof = EndToEndProof(session.card)
    assert session.started.session.run(["scores"], proof.feed())[0].max() > 0.8
    assert not proof.sees_faces(session.started.session)


@pytest.mark.gpu
def test_batches_on_cuda_have_the_pipelines_faces(
    pictures: Sequence[Pixels], expected: Sequence[Sequence[Face]], tmp_path: Path
) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("no CUDA in this onnxruntime")
    path = end_to_end_file(tmp_path, "fkdnet", replace(SIZE, batch="dynamic"), min_score=LOW)
    exact = ProviderChoice("cuda", settings=CudaSettings(tf32=False))
    pipeline = fkd_infer.load(path, end_to_end=True, provider=exact)
    assert_equal(list(pipeline.many(pictures, batch=2)), expected)
    assert_equal([pipeline(picture) for picture in pictures], expected)

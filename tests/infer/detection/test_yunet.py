"""YuNet, if its file is available, and its errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import cv2
import numpy as np
import pytest
from repo_paths import YUNET_MODEL
from tiny_models import MODELS

from fkd_infer.detection.registry import YUNET
from fkd_infer.detection.tiling import Search
from fkd_infer.detection.yunet import PUBLIC, YuNetDetector
from fkd_infer.errors import DetectorError, DownloadError, ModelFileNotFoundError
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.system.files import download

if not hasattr(cv2, "FaceDetectorYN"):
    pytest.skip("this OpenCV is made without YuNet", allow_module_level=True)


@pytest.fixture(scope="module")
def file() -> Path:
    """A YuNet model file; skips the test without one."""
    if not YUNET_MODEL.is_file():
        pytest.skip(f"no YuNet at {YUNET_MODEL}; set FKD_YUNET to its file")
    return YUNET_MODEL


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def test_without_a_network_the_error_says_what_to_download(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def unreachable(url: str, timeout: float) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(download, "urlopen", unreachable)
    with pytest.raises(
        DownloadError, match=r"by hand.*--detector-model.*detector_model="
    ) as caught:
        YuNetDetector()
    assert str(caught.value).startswith(PUBLIC.url)
    assert "\n" not in str(caught.value)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_errors_name_a_missing_file() -> None:
    with pytest.raises(ModelFileNotFoundError, match=r"nosuch\.onnx"):
        YuNetDetector("nosuch.onnx")


@pytest.mark.parametrize("name", ["relu.onnx", "detector.onnx", "text.onnx", "empty.onnx"])
def test_other_files_are_refused_at_once(name: str, tmp_path: Path) -> None:
    path = MODELS / name
    if not path.exists():
        path = tmp_path / name
        path.write_text("hello" if name == "text.onnx" else "")
    with pytest.raises(DetectorError, match=name) as caught:
        YuNetDetector(path)
    assert "\n" not in str(caught.value)


def test_reports_an_opencv_without_yunet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "FaceDetectorYN")
    with pytest.raises(DetectorError, match="use detector 'fkd'"):
        YuNetDetector("any.onnx")


def test_the_astronaut_is_the_only_face_of_the_photo(file: Path, astronaut: np.ndarray) -> None:
    found = YuNetDetector(file)(astronaut)
    ((x0, y0, x1, y1),) = found.boxes
    assert x0 < 224 < x1
    assert y0 < 115 < y1
    assert 0.6 <= found.scores[0] <= 1
    assert found.points is not None
    ((right_eye, left_eye, nose, right_mouth, left_mouth),) = found.points
    assert (found.points[0] > (x0, y0)).all()
    assert (found.points[0] < (x1, y1)).all()
    # A person's right is on the left of the picture.
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    assert all(array.dtype == np.float32 for array in (found.boxes, found.scores, found.points))


@pytest.mark.parametrize("scale", [0.5, 2, 3.3])
def test_boxes_are_in_frame_pixels_at_any_size(
    file: Path, astronaut: np.ndarray, scale: float
) -> None:
    detector = YuNetDetector(file, Search(512))
    (expected,) = detector(astronaut).boxes
    other = np.asarray(cv2.resize(astronaut, None, fx=scale, fy=scale), np.uint8)
    (box,) = detector(other).boxes
    np.testing.assert_allclose(box / scale, expected, atol=6)


def test_tiles_show_a_small_face_of_a_large_frame(file: Path, astronaut: np.ndarray) -> None:
    frame = np.full((1400, 2000, 3), 127, np.uint8)
    small = cv2.resize(astronaut, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    frame[600:728, 600:728] = small
    assert len(YuNetDetector(file, Search(320))(frame)) == 0
    (box,) = YuNetDetector(file, Search(320, min_face=12))(frame).boxes
    centre = (box[:2] + box[2:]) / 2
    np.testing.assert_allclose(centre, (600 + 224 / 4, 600 + 120 / 4), atol=4)


def test_gray_frames_can_be_searched(file: Path, astronaut: np.ndarray) -> None:
    gray = np.asarray(cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY), np.uint8)
    detector = YuNetDetector(file)
    (box,) = detector(gray).boxes
    np.testing.assert_allclose(box, detector(astronaut).boxes[0], atol=6)


def test_min_score_is_monotonic(file: Path, astronaut: np.ndarray) -> None:
    counts = [
        len(YuNetDetector(file, Search(640, min_score=score))(astronaut))
        for score in (0, 0.3, 0.6, 1)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[2:] == [1, 0]


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (1, 500, 3), (20, 20, 3), (32, 500, 3), (3000, 2, 3), (33, 65)]
)
def test_tiny_and_narrow_images_can_be_searched(file: Path, shape: tuple[int, ...]) -> None:
    found = YuNetDetector(file)(np.zeros(shape, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.points is not None
    assert found.points.shape == (0, 5, 2)


def test_several_threads_may_use_one_detector(file: Path, astronaut: np.ndarray) -> None:
    detector = YuNetDetector(file)
    images = [astronaut, astronaut[:, ::-1], astronaut[:300, :400], astronaut[200:, 10:]]
    expected = [detector(image) for image in images]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(detector, images * 3))
    for one, other in zip(found, expected * 3, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_the_rule_leads_to_the_68_points_or_is_given(file: Path) -> None:
    assert YuNetDetector(file).rule == YUNET.box_rule
    assert YuNetDetector(file, rule=BoxRule(0.3)).rule == BoxRule(0.3)

"""The public API, as an application developer uses it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_models import MODELS, SIZE, fixed_points

import fkd_infer
from fkd_infer.detection.base import Detector
from fkd_infer.errors import (
    FkdError,
    InvalidBoxError,
    InvalidImageError,
    NonFiniteOutputError,
    SettingsError,
)
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.types import Detections, Prediction

SCALE = 1.25
"""Of the fixed model's crop rule."""


def black(height: int = 90, width: int = 120) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


class TwoBoxes(Detector):
    """A detector with two fixed boxes."""

    rule = POINTS_BOX
    boxes = np.array([[10, 20, 42, 52], [50, 5, 114, 69]], np.float32)

    def __call__(self, image: np.ndarray) -> Detections:
        return Detections(self.boxes, np.array([0.9, 0.6], np.float32))


def test_points_follow_from_the_crops_geometry(fixed_model: Path) -> None:
    pipeline = fkd_infer.load(fixed_model, provider="cpu")
    box = np.array([20, 10, 60, 50], np.float32)
    (points,) = pipeline.landmarks(black(), [box])
    expected = (fixed_points() - (SIZE - 1) / 2) * (40 * SCALE / SIZE) + (40, 30)
    np.testing.assert_allclose(points, expected, atol=1e-3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_points_turn_with_their_faces(quarters: int, fixed_model: Path) -> None:
    class Turned(TwoBoxes):
        def __call__(self, image: np.ndarray) -> Detections:
            rolls = np.array([0, 90 * quarters], np.float32)
            return Detections(self.boxes, np.array([0.9, 0.6], np.float32), rolls=rolls)

    upright = fkd_infer.load(fixed_model, detector=TwoBoxes(), min_presence=0, refine=False)
    turned = fkd_infer.load(fixed_model, detector=Turned(), min_presence=0, refine=False)
    straight, other = upright(black()), turned(black())
    np.testing.assert_array_equal(other[0].points, straight[0].points)
    middle = TwoBoxes.boxes[1].reshape(2, 2).mean(axis=0)
    x, y = (straight[1].points - middle).T
    for _ in range(quarters):
        x, y = -y, x  # a quarter of a circle, clockwise
    np.testing.assert_allclose(other[1].points - middle, np.stack([x, y], axis=1), atol=1e-3)
    assert [face.roll for face in other] == [0, 90 * quarters]


def test_all_faces_of_an_image_share_a_batch(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = fkd_infer.load(fixed_model, detector=TwoBoxes())
    sizes, own_run = [], pipeline.session.run

    def run(batch: np.ndarray) -> Prediction:
        sizes.append(len(batch))
        return own_run(batch)

    monkeypatch.setattr(pipeline.session, "run", run)
    faces = pipeline(black())
    assert sizes == [2, 2], "both faces at once, and once more in the boxes of their points"
    assert [face.score for face in faces] == pytest.approx([0.9, 0.6])
    assert all(isinstance(face, fkd_infer.Face) and face.id is None for face in faces)
    np.testing.assert_array_equal(faces[1].box, TwoBoxes.boxes[1])
    np.testing.assert_allclose(faces[0].points.mean(axis=0), (26, 36), atol=0.1)
    assert faces[0].points.dtype == np.float32


class NearMiss(Detector):
    """Detects the box (30, 20)–(70, 60), but draws it too large and shifted."""

    rule = POINTS_BOX

    def __call__(self, image: np.ndarray) -> Detections:
        return Detections(np.array([[24, 22, 74, 72]], np.float32), np.ones(1, np.float32))


def test_refine_places_points_again_in_the_box_of_the_first(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixed network's points span 12 / 15 of a crop, so a second crop is 12 / 15 · 1.25 of the
    first: as large as it, about the same centre."""
    pipeline = fkd_infer.load(fixed_model, detector=NearMiss())
    once = fkd_infer.load(fixed_model, detector=NearMiss(), refine=False)
    (first,), (second,) = once(black()), pipeline(black())
    (again,) = pipeline.landmarks(black(), points_box(first.points)[None])
    np.testing.assert_allclose(second.points, again, atol=0.05)
    np.testing.assert_array_equal(second.box, first.box)
    assert not np.allclose(first.points, second.points, atol=0.01)


def test_crops_are_not_refined(fixed_model: Path) -> None:
    assert not fkd_infer.load(fixed_model, detector="none").refine
    assert fkd_infer.load(fixed_model, detector="none", refine=True).refine


def half_white() -> np.ndarray:
    """Black on the left and white on the right, where alone the scored model sees a face."""
    image = black()
    image[:, 46:] = 255
    return image


def test_faces_with_a_low_presence_are_left_out() -> None:
    pipeline = fkd_infer.load(MODELS / "scored.onnx", detector=TwoBoxes())
    (face,) = pipeline(half_white())
    np.testing.assert_array_equal(face.box, TwoBoxes.boxes[1])
    assert face.presence == pytest.approx(1, abs=0.1)
    assert face.score == pytest.approx(0.6)


def test_min_presence_0_keeps_every_face(fixed_model: Path) -> None:
    scored = fkd_infer.load(MODELS / "scored.onnx", detector=TwoBoxes(), min_presence=0)
    assert [round(f.presence or 0) for f in scored(half_white())] == [0, 1]
    silent = fkd_infer.load(fixed_model, detector=TwoBoxes(), min_presence=1)
    assert [f.presence for f in silent(half_white())] == [None, None]
    pipeline_none = fkd_infer.load(MODELS / "scored.onnx", detector="none")
    assert len(pipeline_none(black())) == 1
    assert len(scored.landmarks(black(), TwoBoxes.boxes)) == 2


class Bright(Detector):
    """Detects as many boxes as the image's first pixel says, and counts concurrent calls."""

    rule = POINTS_BOX

    def __init__(self) -> None:
        self.inside = self.most_inside = 0

    def __call__(self, image: np.ndarray) -> Detections:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        time.sleep(0.001)
        count = int(image[0, 0, 0])
        corners = np.arange(count, dtype=np.float32)[:, None] + [5, 3, 45, 43]
        self.inside -= 1
        return Detections(corners.astype(np.float32), np.ones(count, np.float32))


def counted_images(counts: Sequence[int]) -> list[np.ndarray]:
    """Images of noise with these numbers of faces."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (90, 120, 3), np.uint8) for _ in counts]
    for image, count in zip(images, counts, strict=True):
        image[0, 0, 0] = count
    return images


def same_faces(found: Sequence[fkd_infer.Face], expected: Sequence[fkd_infer.Face]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.points, other.points, atol=1e-3)
        np.testing.assert_array_equal(one.box, other.box)
        assert (one.score, one.presence) == pytest.approx((other.score, other.presence))


@pytest.mark.parametrize("model", ["fixed.onnx", "scored.onnx"])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_many_returns_the_same_faces_as_single_calls(model: str, workers: int) -> None:
    images = counted_images([3, 0, 1, 0, 0, 25, 2, 1] * 4)
    pipeline = fkd_infer.load(MODELS / model, detector=Bright(), min_presence=0.4)
    many = list(pipeline.many(iter(images), workers))
    assert len(many) == len(images)
    for found, image in zip(many, images, strict=True):
        same_faces(found, pipeline(image))


def test_many_returns_the_same_real_faces_as_single_calls() -> None:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    photo = np.ascontiguousarray(data.astronaut()[..., ::-1])
    images = [np.ascontiguousarray(photo[10 * i :, 7 * i :]) for i in range(6)]
    pipeline = fkd_infer.load(provider="cpu")
    for found, image in zip(pipeline.many(images, 3), images, strict=True):
        assert len(found) == 1
        same_faces(found, pipeline(image))


def test_many_batches_faces_of_several_images(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = fkd_infer.load(fixed_model, detector=Bright())
    pipeline.batch = 6
    sizes, own_run = [], pipeline.session.run

    def run(batch: np.ndarray) -> Prediction:
        sizes.append(len(batch))
        return own_run(batch)

    monkeypatch.setattr(pipeline.session, "run", run)
    assert len(list(pipeline.many(counted_images([2] * 12), workers=1))) == 12
    assert sizes == [6, 6] * 4, "and once more in the boxes of their points"


def test_a_detector_that_is_not_thread_safe_is_called_by_one_thread_at_a_time(
    fixed_model: Path,
) -> None:
    detector = Bright()
    pipeline = fkd_infer.load(fixed_model, detector=detector)
    assert len(list(pipeline.many(counted_images([1] * 30), workers=4))) == 30
    assert detector.most_inside == 1


def test_many_reads_few_images_ahead(fixed_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With memory for three images, at most four are held."""
    monkeypatch.setattr("fkd_infer.pipeline.MAX_PIXELS_IN_WORK", 3 * 90 * 120)
    read = returned = most = 0

    def images() -> Iterator[np.ndarray]:
        nonlocal read, most
        for image in counted_images([1] * 40):
            read += 1
            most = max(most, read - returned)
            yield image

    for _ in fkd_infer.load(fixed_model, detector=Bright()).many(images(), workers=2):
        returned += 1
    assert returned == 40
    assert most <= 4


def test_many_raises_an_error_in_the_place_of_its_image(fixed_model: Path) -> None:
    given: list[Any] = [*counted_images([1, 2]), None, *counted_images([1])]
    found = fkd_infer.load(fixed_model, detector=Bright()).many(given, workers=2)
    assert [len(next(found)), len(next(found))] == [1, 2]
    with pytest.raises(InvalidImageError, match="read files with"):
        next(found)


def test_many_returns_the_images_before_one_with_nan(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = fkd_infer.load(fixed_model, detector=Bright(), refine=False)
    own_run = pipeline.session.run

    def run(batch: np.ndarray) -> Prediction:
        points, scores, _ = own_run(batch)
        points[batch.mean(axis=(1, 2, 3)) > 250] = np.nan
        return Prediction(points, scores)

    monkeypatch.setattr(pipeline.session, "run", run)
    images = counted_images([1, 1, 1, 1])
    images[2][:] = 255
    images[2][0, 0, 0] = 1
    found = pipeline.many(images, workers=1)
    assert [len(next(found)), len(next(found))] == [1, 1]
    with pytest.raises(NonFiniteOutputError):
        next(found)


def test_several_threads_may_use_one_pipeline(fixed_model: Path) -> None:
    pipeline = fkd_infer.load(fixed_model)
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    photo = np.ascontiguousarray(data.astronaut()[..., ::-1])
    expected = pipeline(photo)
    assert expected
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(pipeline, [photo] * 8):
            same_faces(found, expected)


def test_a_box_half_outside_has_points(fixed_model: Path) -> None:
    pipeline = fkd_infer.load(fixed_model)
    points = pipeline.landmarks(black(), [[-30, -30, 10, 10], [100, 70, 160, 130]])
    np.testing.assert_allclose(points.mean(axis=1), [[-10, -10], [130, 100]], atol=0.1)


def test_detector_none_uses_the_image_as_the_crop(fixed_model: Path) -> None:
    pipeline = fkd_infer.load(fixed_model, detector="none")
    (face,) = pipeline(black(SIZE, SIZE))
    np.testing.assert_allclose(face.points, fixed_points(), atol=1e-4)


def test_an_image_without_faces_has_an_empty_list(fixed_model: Path) -> None:
    assert fkd_infer.load(fixed_model)(black()) == []


def test_the_image_is_not_modified(fixed_model: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    before = image.copy()
    fkd_infer.load(fixed_model, detector=TwoBoxes())(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("image", "fix"),
    [
        (None, "read files with fkd_infer.read_image"),
        ("photo.jpg", "read files with fkd_infer.read_image"),
        (np.zeros((5, 6), np.uint8), "cv2.COLOR_GRAY2BGR"),
        (np.zeros((5, 6, 4), np.uint8), "cv2.COLOR_BGRA2BGR"),
        (np.zeros((5, 6, 3)), r"\(image \* 255\)"),
        (np.full((5, 6, 3), 90.0), r"image\.clip\(0, 255\)"),
        (np.zeros((5, 6, 3), np.uint16), "image >> 8"),
        (np.zeros((3, 50, 60), np.uint8), r"image\.transpose\(1, 2, 0\)"),
        (np.zeros((2, 5, 6, 3), np.uint8), r"many\(\)"),
    ],
)
def test_invalid_images_are_refused_with_what_makes_them_valid(
    fixed_model: Path, image: object, fix: str
) -> None:
    with pytest.raises(InvalidImageError, match=fix):
        fkd_infer.load(fixed_model)(image)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("argument", "value", "why"),
    [
        ("provider", "gpu", "choose one of: auto, coreml, cpu, cuda"),
        ("min_presence", 5, "a number from 0 to 1"),
        ("min_presence", float("nan"), "a number from 0 to 1"),
        ("threads", "2", "a whole number of 1 or more"),
        ("threads", 0, "a whole number of 1 or more"),
        ("tuned", "no", "True or False"),
        ("refine", 1, "True or False"),
        ("max_size", 640.5, "a whole number"),
        ("max_size", 10, "64 pixels or more"),
        ("roll", "upside", "'upright' or 'any'"),
        ("settings", {}, "a SessionSettings"),
        ("model", 3, "text or a Path"),
        ("detector", 5, "no __call__"),
        ("detector", "hog", "there are: fkd"),
    ],
)
def test_arguments_are_checked_at_once(argument: str, value: object, why: str) -> None:
    with pytest.raises(FkdError, match=why) as caught:
        fkd_infer.load(**{argument: value})  # type: ignore[call-overload]
    assert argument in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [-3, 0, "2", True, 1.5])
def test_workers_are_checked_before_an_image_is_read(fixed_model: Path, workers: object) -> None:
    with pytest.raises(SettingsError, match=r"workers is .* a whole number of 1 or more"):
        fkd_infer.load(fixed_model).many(iter([black()]), workers)  # type: ignore[arg-type]


@pytest.mark.parametrize("detector", ["fkd", "haar", "none"])
def test_a_copy_by_pickle_places_the_same_points(detector: str, fixed_model: Path) -> None:
    if detector == "haar" and not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("this OpenCV has no cascades")
    pipeline = fkd_infer.load(fixed_model, detector=detector, threads=1, min_presence=0.25)
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    other = pickle.loads(pickle.dumps(pipeline))
    assert other.session is not pipeline.session
    assert other.min_presence == 0.25
    for face, again in zip(pipeline(image), other(image), strict=True):
        np.testing.assert_array_equal(face.points, again.points)


def test_a_pipeline_goes_to_new_processes(fixed_model: Path) -> None:
    pipeline = fkd_infer.load(fixed_model, detector="none", threads=1)
    images = [black(SIZE, SIZE), black(2 * SIZE, 2 * SIZE)]
    expected = [pipeline(image) for image in images]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for faces, alone in zip(pool.map(pipeline, images), expected, strict=True):
            np.testing.assert_array_equal(faces[0].points, alone[0].points)


def test_invalid_boxes_are_refused(fixed_model: Path) -> None:
    with pytest.raises(InvalidBoxError, match="no area"):
        fkd_infer.load(fixed_model).landmarks(black(), [[5, 5, 5, 5]])


def test_points_that_are_nan_are_an_error() -> None:
    pipeline = fkd_infer.load(MODELS / "not_finite.onnx")
    with pytest.raises(NonFiniteOutputError, match="fixed"):
        pipeline.landmarks(black(), [[0, 0, 50, 50]])


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_an_infinite_presence_is_an_error(score: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON records cannot represent it."""
    pipeline = fkd_infer.load(MODELS / "scored.onnx", detector=TwoBoxes())
    own_run = pipeline.session.run

    def run(batch: np.ndarray) -> Prediction:
        points, scores, _ = own_run(batch)
        assert scores is not None
        return Prediction(points, np.full_like(scores, score))

    monkeypatch.setattr(pipeline.session, "run", run)
    with pytest.raises(NonFiniteOutputError, match="fixed"):
        pipeline(black())


def test_errors_have_one_base_and_the_builtin_that_they_refine() -> None:
    with pytest.raises(fkd_infer.FkdError):
        fkd_infer.load("nosuch")
    with pytest.raises(FileNotFoundError):
        fkd_infer.load("nosuch")


def test_the_shipped_model_places_points_on_a_real_face() -> None:
    """Eye and mouth corners were measured by hand; the eyes are 64 px apart."""
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    (face,) = fkd_infer.load()(image)
    seen = {36: (193, 101), 39: (212, 102), 42: (236, 104), 45: (257, 103), 48: (202, 139)}
    errors = [np.linalg.norm(face.points[p] - at) for p, at in {**seen, 54: (247, 139)}.items()]
    assert np.mean(errors) < 6
    assert max(errors) < 12


def test_the_runtime_loads_no_training_framework() -> None:
    code = (
        "import sys, numpy, fkd_infer; fkd_infer.load(detector='none')"
        "(numpy.zeros((99, 99, 3), numpy.uint8)); import fkd_infer.jobs.run, fkd_infer.cli.main; "
        "print(sorted({'torch', 'onnx', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_load_imports_nothing_that_a_start_does_not_need() -> None:
    code = (
        "import sys, numpy, cv2, onnxruntime; others = set(sys.modules); import fkd_infer; "
        "fkd_infer.load(tuned=False); print(sorted({'importlib.metadata', 'tomllib', "
        "'concurrent.futures', 'hashlib', 'av'} & (set(sys.modules) - others)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_public_names_can_be_imported() -> None:
    for name in fkd_infer.__all__:
        assert getattr(fkd_infer, name) is not None
    with pytest.raises(AttributeError, match="nosuch"):
        _ = fkd_infer.nosuch

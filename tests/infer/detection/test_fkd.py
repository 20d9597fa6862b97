"""fkd's own detector: a tiny network with a known output, and the shipped one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_models import DETECTED_BOXES, LOW_SCORE, MODELS, detected_points, detector_card

from fkd_infer.choices import CPU_DETECTOR_MODEL, DETECTOR_MODEL
from fkd_infer.detection import fkd
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import (
    InferenceError,
    InvalidModelError,
    ModelCardError,
    ModelFileNotFoundError,
    NonFiniteOutputError,
    OutOfMemoryError,
    ProviderError,
    WrongTaskError,
)
from fkd_infer.loading import load
from fkd_infer.models.shipped import find_model, shipped_models
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import Started

TINY = MODELS / "detector.onnx"


def gray(level: int, height: int = 120, width: int = 100) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def tiny(name: str = "detector", search: Search | None = None) -> FkdDetector:
    return FkdDetector(MODELS / f"{name}.onnx", search, "cpu", SessionSettings(1))


def photo(name: str) -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photos")
    return np.ascontiguousarray(getattr(data, name)()[..., ::-1])


def test_detections_are_the_networks_output() -> None:
    detector = tiny()
    found = detector(gray(204))
    np.testing.assert_array_equal(found.boxes, DETECTED_BOXES[:1])
    np.testing.assert_allclose(found.scores, [0.8], rtol=1e-6)
    np.testing.assert_array_equal(found.points, detected_points()[:1])
    assert detector.card == detector_card()
    assert (detector.rule, detector.smallest_face) == (detector_card().box_rule, 12)
    assert detector.execution_provider is CPU


def test_boxes_below_the_cards_threshold_are_left_out() -> None:
    detector = tiny()
    assert len(detector(gray(128))) == 1
    assert len(detector(gray(127))) == 0
    assert detector(gray(0)).boxes.shape == (0, 4)


def test_min_score_of_a_search_replaces_the_cards_threshold() -> None:
    detector = tiny(search=Search(1280, min_score=0.2))
    found = detector(gray(102))
    np.testing.assert_array_equal(found.boxes, DETECTED_BOXES)
    np.testing.assert_allclose(found.scores, [0.4, LOW_SCORE], rtol=1e-6)
    assert len(tiny(search=Search(1280, min_score=0.9))(gray(204))) == 0


def test_detect_returns_boxes_of_all_scores() -> None:
    assert len(tiny().detect(gray(204))) == 2
    assert len(tiny().detect(gray(0))) == 1


def test_frames_are_scaled_for_the_cards_smallest_face() -> None:
    """At half the size if faces of 12 pixels are detected well and 24 are asked for."""
    found = tiny(search=Search(1280, min_face=24))(gray(204))
    np.testing.assert_allclose(found.boxes, DETECTED_BOXES[:1] * 2 + 0.5)
    found = tiny(search=Search(1280, min_face=6))(gray(204))
    np.testing.assert_allclose(found.boxes, DETECTED_BOXES[:1] / 2 - 0.25)


def test_boxes_are_in_frame_pixels_at_any_search_size() -> None:
    found = tiny(search=Search(64))(gray(204, 128, 96))
    assert found.points is not None
    np.testing.assert_allclose(found.boxes, DETECTED_BOXES[:1] * 2 + 0.5)
    np.testing.assert_allclose(found.points, detected_points()[:1] * 2 + 0.5)


def test_gray_frames_have_the_same_detections() -> None:
    rng = np.random.default_rng(0)
    plane = rng.integers(120, 256, (90, 70), np.uint8)
    one, other = tiny()(plane), tiny()(np.dstack([plane] * 3))
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_non_contiguous_frames_have_the_same_detections() -> None:
    image = np.random.default_rng(0).integers(120, 256, (90, 70, 3), np.uint8)
    flipped = image[::-1, ::-1, ::-1]
    expected = tiny()(np.ascontiguousarray(flipped)).scores
    np.testing.assert_array_equal(tiny()(flipped).scores, expected)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (3000, 2, 3), (1, 1)])
def test_images_of_any_shape_are_searched(shape: tuple[int, ...]) -> None:
    assert len(tiny(search=Search(256))(np.full(shape, 255, np.uint8))) == 1


def test_reports_a_network_that_returns_nan() -> None:
    with pytest.raises(NonFiniteOutputError, match="tiny detector"):
        tiny("detector_nan")(gray(204))


def test_inverted_boxes_are_left_out() -> None:
    found = tiny("detector_inverted", Search(1280, min_score=0))(gray(204))
    np.testing.assert_array_equal(found.boxes, DETECTED_BOXES[:1])
    np.testing.assert_array_equal(found.points, detected_points()[:1])


def test_a_file_without_a_card_is_refused() -> None:
    with pytest.raises(ModelCardError, match=r"detector_no_card\.onnx.*fkd-export"):
        tiny("detector_no_card")


def test_a_graph_with_other_outputs_is_refused() -> None:
    with pytest.raises(InvalidModelError, match=r"detector_four_points\.onnx.*4, 2\]"):
        tiny("detector_four_points")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(InvalidModelError, match=r"text\.onnx"):
        FkdDetector(path, provider="cpu")


@pytest.mark.parametrize("name", ["nosuch.onnx", "fkdnet"])
def test_an_unknown_name_lists_the_shipped_detectors(name: str) -> None:
    with pytest.raises(ModelFileNotFoundError, match=f"{name}: .*models: {DETECTOR_MODEL}"):
        FkdDetector(name)


def test_swapped_networks_name_the_right_option(fixed_model: Path) -> None:
    with pytest.raises(WrongTaskError, match=r"fixed\.onnx: .*places points.*as --model$"):
        FkdDetector(fixed_model, provider="cpu")
    with pytest.raises(WrongTaskError, match=r"finds faces.*as --detector-model$"):
        LandmarkSession(TINY, "cpu")


def test_cuda_is_used_or_refused() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine may have CUDA")
    with pytest.raises(ProviderError, match="onnxruntime-gpu"):
        FkdDetector(TINY, provider="cuda")


def test_a_provider_that_cannot_take_any_size_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ProviderError("qnn", ["cpu"], "see the doctor", "QNN did not start: of unknown size")

    monkeypatch.setattr(fkd, "start_session", fail)
    with pytest.raises(
        ProviderError, match="see the doctor; or run the detector on the CPU: --det"
    ):
        FkdDetector(TINY, provider="qnn")


def test_graphs_are_for_landmarks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    choices: list[ProviderChoice] = []

    def start(_: object, __: Path, choice: ProviderChoice, *rest: object) -> Started:
        choices.append(choice)
        return Started(None, CUDA, "0", Counter())

    monkeypatch.setattr(fkd, "start_session", start)
    FkdDetector(TINY, provider=ProviderChoice("cuda", "1", CudaSettings(graphs=True, memory=9)))
    assert choices == [ProviderChoice("cuda", "1", CudaSettings(memory=9))]


def test_images_are_padded_where_each_size_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = tiny()
    inner, seen = detector.started.session, []

    class Recorder:
        def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            seen.append(feed["image"])
            return [np.asarray(output) for output in inner.run(names, feed)]

    monkeypatch.setattr(detector, "started", detector.started._replace(session=Recorder()))
    detector.detect(gray(204, 130, 100))
    monkeypatch.setattr(detector, "execution_provider", CUDA)
    detector.detect(gray(204, 130, 100))
    detector.detect(gray(204, 256, 128))
    assert [image.shape for image in seen] == [(130, 100, 3), (256, 128, 3), (256, 128, 3)]
    assert (seen[1][:130, :100] == 204).all()
    assert seen[1].sum() == seen[0].sum(), "the rest is black"


class Full:
    """A session that fails."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        raise RuntimeError(self.text)


def test_reports_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = tiny()
    monkeypatch.setattr(
        detector, "started", detector.started._replace(session=Full("std::bad_alloc"))
    )
    with pytest.raises(OutOfMemoryError, match=r"to search 100 × 120 pixels.*max-size") as caught:
        detector(gray(204))
    assert "\n" not in str(caught.value)


def test_reports_other_errors_of_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = tiny()
    monkeypatch.setattr(detector, "started", detector.started._replace(session=Full("a fault")))
    with pytest.raises(InferenceError, match=r"could not be run .*: a fault$"):
        detector(gray(204))


def test_several_threads_may_use_one_detector() -> None:
    detector = tiny()
    levels = [130, 153, 204, 255] * 10
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda level: detector(gray(level, level)), levels))
    scores = [one.scores.tolist() for one in found]
    assert scores == [[pytest.approx(level / 255)] for level in levels]


def test_for_video_changes_the_search_of_a_copy() -> None:
    detector = tiny(search=Search(1280, min_score=0.9))
    moving = detector.for_video(Search(64))
    np.testing.assert_allclose(moving(gray(204, 128)).boxes, DETECTED_BOXES[:1] * 2 + 0.5)
    assert len(moving(gray(102, 128))) == 0, "the card's threshold holds"
    assert detector.search == Search(1280, min_score=0.9)
    assert detector(gray(255, 128)).boxes[0].tolist() == DETECTED_BOXES[0].tolist()


def test_the_default_detector_is_shipped() -> None:
    assert DETECTOR_MODEL in shipped_models(detectors=True)
    assert DETECTOR_MODEL not in shipped_models()
    assert find_model(DETECTOR_MODEL, detectors=True).is_file()


def test_the_default_on_the_cpu_is_in_int8_and_finds_the_same() -> None:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    default, exact = FkdDetector(provider="cpu"), FkdDetector(DETECTOR_MODEL, provider="cpu")
    assert default.path == find_model(CPU_DETECTOR_MODEL, detectors=True)
    assert "int8" in default.card.precision
    for scale in (0.2, 0.5, 2.0, 3.0):
        scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shown = np.asarray(scaled, np.uint8)
        found, expected = default(shown), exact(shown)
        assert len(found) == len(expected) >= 1
        side = np.ptp(expected.boxes[0].reshape(2, 2), axis=0).max()
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.04 * side)
        np.testing.assert_allclose(found.scores, expected.scores, atol=0.05)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (3000, 2, 3), (33, 65), (65, 33, 3)])
def test_the_shipped_detector_accepts_images_of_any_shape(shape: tuple[int, ...]) -> None:
    detector = FkdDetector(provider="cpu", settings=SessionSettings(1))
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = detector.detect(noise)
    assert found.points is not None
    assert (len(found.scores), *found.points.shape) == (len(found), len(found), 5, 2)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert (found.scores >= detector.card.floor).all()


@pytest.mark.parametrize("colour", [True, False])
def test_the_shipped_detector_ranks_the_astronaut_first(colour: bool) -> None:
    image = photo("astronaut")
    found = FkdDetector()(image if colour else image[..., 1])
    x0, y0, x1, y1 = found.boxes[0]
    assert x0 < 224 < x1
    assert y0 < 115 < y1
    assert found.scores[0] > 0.99
    assert found.points is not None
    right_eye, left_eye, nose, right_mouth, left_mouth = found.points[0]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


@pytest.mark.parametrize("name", ["rocket", "chelsea", "coffee"])
def test_the_shipped_detector_has_no_false_detections_on_photos(name: str) -> None:
    assert len(FkdDetector()(photo(name))) == 0


@pytest.mark.parametrize(
    ("name", "faces"),
    [("astronaut", 1), ("rocket", 0), ("chelsea", 0), ("coffee", 0), ("hubble_deep_field", 0)],
)
def test_presence_leaves_out_false_detections(name: str, faces: int) -> None:
    assert len(load()(photo(name))) == faces

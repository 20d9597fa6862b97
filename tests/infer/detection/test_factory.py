"""Building detectors, and their results on a photo of scikit-image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_models import MODELS, card, detector_card, needs_haar

from fkd_infer.detection import haar
from fkd_infer.detection.base import SizedDetector
from fkd_infer.detection.factory import box_rule, build_detector
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.detection.haar import HaarDetector
from fkd_infer.detection.registry import HAAR
from fkd_infer.detection.tiling import Search
from fkd_infer.detection.whole_image import WholeImageDetector
from fkd_infer.errors import DetectorError, ModelFileNotFoundError, SettingsError
from fkd_infer.geometry.boxes import apply_rule
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule, CropRule
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.loading import load


def astronaut() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@needs_haar
def test_haar_detects_the_astronaut_and_nothing_else() -> None:
    found = HaarDetector()(astronaut())
    assert len(found) == 1
    x0, y0, x1, y1 = found.boxes[0]
    assert x0 < 224 < x1
    assert y0 < 115 < y1
    assert 0.5 < found.scores[0] <= 1


@needs_haar
def test_boxes_are_in_frame_pixels_at_any_search_size() -> None:
    image = astronaut()
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    (box,) = HaarDetector(Search(512))(large).boxes
    (small,) = HaarDetector(Search(512))(image).boxes
    np.testing.assert_allclose(box / 3, small, atol=8)


@needs_haar
def test_nothing_is_detected_in_an_empty_image() -> None:
    found = HaarDetector()(np.full((200, 300, 3), 127, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


@needs_haar
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (20, 20, 3), (3000, 2, 3)])
def test_tiny_and_narrow_images_can_be_searched(shape: tuple[int, ...]) -> None:
    assert len(HaarDetector()(np.zeros(shape, np.uint8))) == 0


def test_the_image_becomes_the_crop() -> None:
    crop = CropRule(1.3, (0.1, -0.2))
    detector = WholeImageDetector(crop)
    boxes = detector(np.zeros((100, 100, 3), np.uint8)).boxes
    centre, side = apply_rule(boxes, detector.rule)
    tight = np.concatenate([centre - side[:, None] / 2, centre + side[:, None] / 2], axis=1)
    centre, side = apply_rule(tight, BoxRule(crop.scale, crop.shift))
    np.testing.assert_allclose(centre, [[49.5, 49.5]], atol=1e-4)
    np.testing.assert_allclose(side, [100], rtol=1e-5)


def test_networks_with_their_own_points_need_their_own_rule() -> None:
    """Otherwise crops would be those for the 68 points."""
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    unknown = replace(card(), scheme=two)
    with pytest.raises(DetectorError, match=r"points of its own.*--data"):
        build_detector("fkd", unknown)
    assert box_rule("points", unknown) == POINTS_BOX
    own = BoxRule(0.5, (0.0, -0.1))
    known = replace(unknown, box_rules={"fkd": own, "haar": own})
    assert build_detector("fkd", known).rule == box_rule("haar", known) == own


@needs_haar
def test_haar_uses_the_rule_of_the_networks_card() -> None:
    own = BoxRule(0.5, (0.0, -0.1))
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    known = replace(card(), scheme=two, box_rules={"haar": own})
    assert build_detector("haar", known).rule == own
    assert build_detector("haar", card()).rule == HAAR.box_rule


def test_reports_an_opencv_without_cascades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(DetectorError, match="opencv-python-headless<5"):
        build_detector("haar", card())


@needs_haar
def test_reports_a_missing_cascade_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haar, "Path", lambda _: Path("/nowhere/cv2.so"))
    with pytest.raises(DetectorError, match="missing"):
        HaarDetector()


def test_detectors_are_built_with_the_given_search() -> None:
    tiny, search = MODELS / "detector.onnx", Search(320, 20, 0.7)
    fkd = build_detector("fkd", card(), search, model=tiny, provider="cpu", threads=1)
    assert isinstance(fkd, FkdDetector)
    assert (fkd.path, fkd.search, fkd.rule) == (tiny, search, detector_card().box_rule)
    assert isinstance(build_detector("none", card()), WholeImageDetector)


@needs_haar
def test_haar_is_built_with_the_given_search() -> None:
    search = Search(320, 20, 0.7)
    found = build_detector("haar", card(), search)
    assert isinstance(found, HaarDetector)
    assert found.search == search


def test_yunet_opens_the_given_file() -> None:
    with pytest.raises(ModelFileNotFoundError, match="nosuch"):
        build_detector("yunet", card(), model="nosuch.onnx")


@pytest.mark.parametrize(("name", "size"), [("fkd", 1280), ("haar", 960)])
def test_photos_are_searched_at_the_detectors_default_size(name: str, size: int) -> None:
    if name == "haar" and not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("this OpenCV has no face cascades")
    model = MODELS / "detector.onnx" if name == "fkd" else None
    found = build_detector(name, card(), model=model, provider="cpu")
    assert isinstance(found, SizedDetector)
    assert found.search == Search(size)


@pytest.mark.parametrize("name", ["haar", "none"])
def test_detectors_without_a_model_refuse_a_file(name: str) -> None:
    with pytest.raises(
        DetectorError, match=rf"'{name}'.* has no model file, but a\.onnx was given"
    ):
        build_detector(name, card(), model="a.onnx")


def test_an_unknown_name_lists_the_detectors() -> None:
    with pytest.raises(DetectorError, match=r"'magic'.*there are: fkd, haar, yunet, none"):
        build_detector("magic", card())
    with pytest.raises(DetectorError, match="'magic'"):
        load(MODELS / "fixed.onnx", detector="magic")


def test_load_passes_its_search_to_the_detector(fixed_model: Path) -> None:
    tiny = MODELS / "detector.onnx"
    given = load(fixed_model, detector_model=tiny, max_size=320, min_face=20, min_score=0.7)
    assert isinstance(given.detector, FkdDetector)
    assert given.detector.search == Search(320, 20, 0.7)
    with pytest.raises(SettingsError, match="max_size is 0"):
        load(fixed_model, detector_model=tiny, max_size=0)


def test_the_networks_card_sets_the_rule_for_its_own_points() -> None:
    """Faces are still measured from brows to chin."""
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    own = replace(card(), scheme=two, box_rules={"fkd": BoxRule(0.1)})
    search, tiny = Search(1280, min_face=24), MODELS / "detector.onnx"
    detector = build_detector("fkd", own, search, model=tiny, provider="cpu")
    assert detector.rule == BoxRule(0.1)
    assert len(detector(np.full((100, 100, 3), 255, np.uint8))) == 1


@needs_haar
def test_haar_measures_faces_from_brows_to_chin_for_any_box_rule() -> None:
    image = astronaut()
    (box,) = HaarDetector()(image).boxes
    face = float((box[2] - box[0]) * HAAR.box_rule.scale)
    for rule in (BoxRule(0.1), BoxRule(5.0)):
        assert len(HaarDetector(Search(512, 0.8 * face), rule=rule)(image)) == 1
        assert len(HaarDetector(Search(512, 1.5 * face), rule=rule)(image)) == 0


@pytest.mark.parametrize("given", [{"max_size": 640}, {"min_face": 20}, {"min_score": 0.5}])
def test_search_arguments_are_for_detectors_by_name(given: dict[str, float]) -> None:
    name = next(iter(given))
    with pytest.raises(
        SettingsError, match=f"{name} is for the detectors fkd, haar, yunet, by name"
    ):
        load(MODELS / "fixed.onnx", detector="none", **given)  # type: ignore[call-overload]
    with pytest.raises(SettingsError, match="by name"):
        load(MODELS / "fixed.onnx", detector=WholeImageDetector(CropRule(1.0)), **given)  # type: ignore[call-overload]

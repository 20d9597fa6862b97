"""Detectors, on a photo where scikit-image ships one."""

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
from fkd_infer.pipeline import load


def astronaut() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@needs_haar
def test_haar_finds_the_astronaut_and_nothing_else() -> None:
    found = HaarDetector()(astronaut())
    assert len(found) == 1
    x0, y0, x1, y1 = found.boxes[0]
    assert x0 < 224 < x1
    assert y0 < 115 < y1
    assert 0.5 < found.scores[0] <= 1


@needs_haar
def test_boxes_are_in_pixels_of_the_frame_whatever_size_is_searched() -> None:
    image = astronaut()
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    (box,) = HaarDetector(Search(512))(large).boxes
    (small,) = HaarDetector(Search(512))(image).boxes
    np.testing.assert_allclose(box / 3, small, atol=8)


@needs_haar
def test_nothing_is_found_in_an_empty_image() -> None:
    found = HaarDetector()(np.full((200, 300, 3), 127, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


@needs_haar
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (20, 20, 3), (3000, 2, 3)])
def test_tiny_and_narrow_images_are_searched_without_harm(shape: tuple[int, ...]) -> None:
    assert len(HaarDetector()(np.zeros(shape, np.uint8))) == 0


def test_the_whole_image_becomes_the_whole_crop() -> None:
    crop = CropRule(1.3, (0.1, -0.2))
    detector = WholeImageDetector(crop)
    boxes = detector(np.zeros((100, 100, 3), np.uint8)).boxes
    centre, side = apply_rule(boxes, detector.rule)
    tight = np.concatenate([centre - side[:, None] / 2, centre + side[:, None] / 2], axis=1)
    centre, side = apply_rule(tight, BoxRule(crop.scale, crop.shift))
    np.testing.assert_allclose(centre, [[49.5, 49.5]], atol=1e-4)
    np.testing.assert_allclose(side, [100], rtol=1e-5)


def test_points_of_ones_own_need_a_rule_of_their_own() -> None:
    """Otherwise a detector's boxes would be cut as if they led to the 68 points."""
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    unknown = replace(card(), scheme=two)
    with pytest.raises(DetectorError, match=r"points of its own.*--data"):
        build_detector("fkd", unknown)
    assert box_rule("points", unknown) == POINTS_BOX
    own = BoxRule(0.5, (0.0, -0.1))
    known = replace(unknown, box_rules={"fkd": own, "haar": own})
    assert build_detector("fkd", known).rule == box_rule("haar", known) == own


@needs_haar
def test_haar_takes_the_networks_rule_for_its_boxes() -> None:
    own = BoxRule(0.5, (0.0, -0.1))
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    known = replace(card(), scheme=two, box_rules={"haar": own})
    assert build_detector("haar", known).rule == own
    assert build_detector("haar", card()).rule == HAAR.box_rule


def test_an_opencv_without_cascades_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(DetectorError, match="opencv-python-headless<5"):
        build_detector("haar", card())


@needs_haar
def test_a_missing_cascade_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haar, "Path", lambda _: Path("/nowhere/cv2.so"))
    with pytest.raises(DetectorError, match="missing"):
        HaarDetector()


def test_each_name_is_a_detector_that_searches_as_it_is_told() -> None:
    tiny, search = MODELS / "detector.onnx", Search(320, 20, 0.7)
    fkd = build_detector("fkd", card(), search, model=tiny, provider="cpu", threads=1)
    assert isinstance(fkd, FkdDetector)
    assert (fkd.path, fkd.search, fkd.rule) == (tiny, search, detector_card().box_rule)
    assert isinstance(build_detector("none", card()), WholeImageDetector)


@needs_haar
def test_haar_searches_as_it_is_told() -> None:
    search = Search(320, 20, 0.7)
    found = build_detector("haar", card(), search)
    assert isinstance(found, HaarDetector)
    assert found.search == search


def test_yunet_takes_a_file_of_ones_own() -> None:
    with pytest.raises(ModelFileNotFoundError, match="nosuch"):
        build_detector("yunet", card(), model="nosuch.onnx")


@pytest.mark.parametrize(("name", "size"), [("fkd", 1280), ("haar", 960)])
def test_photos_are_searched_at_the_detectors_usual_size(name: str, size: int) -> None:
    if name == "haar" and not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("this OpenCV has no face cascades")
    model = MODELS / "detector.onnx" if name == "fkd" else None
    found = build_detector(name, card(), model=model, provider="cpu")
    assert isinstance(found, SizedDetector)
    assert found.search == Search(size)


@pytest.mark.parametrize("name", ["haar", "none"])
def test_a_file_is_refused_where_it_has_no_use(name: str) -> None:
    with pytest.raises(DetectorError, match=rf"'{name}'.* takes no model, and a\.onnx was given"):
        build_detector(name, card(), model="a.onnx")


def test_an_unknown_name_tells_of_those_that_there_are() -> None:
    with pytest.raises(DetectorError, match=r"'magic'.*there are: fkd, haar, yunet, none"):
        build_detector("magic", card())
    with pytest.raises(DetectorError, match="'magic'"):
        load(MODELS / "fixed.onnx", detector="magic")


def test_a_pipeline_is_loaded_with_a_search(fixed_model: Path) -> None:
    tiny = MODELS / "detector.onnx"
    given = load(fixed_model, detector_model=tiny, max_size=320, min_face=20, min_score=0.7)
    assert isinstance(given.detector, FkdDetector)
    assert given.detector.search == Search(320, 20, 0.7)
    with pytest.raises(SettingsError, match="max_size is 0"):
        load(fixed_model, detector_model=tiny, max_size=0)


def test_points_of_ones_own_lead_where_the_networks_card_says() -> None:
    """And faces are measured from brows to chin all the same."""
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    own = replace(card(), scheme=two, box_rules={"fkd": BoxRule(0.1)})
    search, tiny = Search(1280, min_face=24), MODELS / "detector.onnx"
    detector = build_detector("fkd", own, search, model=tiny, provider="cpu")
    assert detector.rule == BoxRule(0.1)
    assert len(detector(np.full((100, 100, 3), 255, np.uint8))) == 1


@needs_haar
def test_haar_measures_faces_from_brows_to_chin_whatever_points_are_wanted() -> None:
    image = astronaut()
    (box,) = HaarDetector()(image).boxes
    face = float((box[2] - box[0]) * HAAR.box_rule.scale)
    for rule in (BoxRule(0.1), BoxRule(5.0)):
        assert len(HaarDetector(Search(512, 0.8 * face), rule=rule)(image)) == 1
        assert len(HaarDetector(Search(512, 1.5 * face), rule=rule)(image)) == 0


@pytest.mark.parametrize("given", [{"max_size": 640}, {"min_face": 20}, {"min_score": 0.5}])
def test_how_to_search_is_for_detectors_by_name(given: dict[str, float]) -> None:
    name = next(iter(given))
    with pytest.raises(
        SettingsError, match=f"{name} is for the detectors fkd, haar, yunet, by name"
    ):
        load(MODELS / "fixed.onnx", detector="none", **given)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="by name"):
        load(MODELS / "fixed.onnx", detector=WholeImageDetector(CropRule(1.0)), **given)  # type: ignore[arg-type]

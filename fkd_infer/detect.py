"""Face detectors. Each draws boxes in its own way and carries the rule to the points' boxes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.card import ModelCard
from fkd_infer.crop import POINTS_BOX, BoxRule, CropRule, Floats, Pixels, gray_plane
from fkd_infer.errors import DetectorError
from fkd_infer.names import DETECT_SIZE, BoxKind, DetectorName
from fkd_infer.schemes import IBUG68
from fkd_infer.types import Detections

HAAR_RULE = BoxRule(scale=0.8842, shift=(0.0116, 0.1665))
"""To the 68 points' box; fitted on the training images by `python -m fkd_train.calibrate`."""
HAAR_CONFIDENCE = (0.7441, 0.2666)
"""Slope and intercept of the logistic from a cascade's level weight to the chance of a face."""

_CASCADE = "haarcascade_frontalface_default.xml"


class Detector(Protocol):
    """Finds faces in a BGR frame; boxes are xyxy in its pixels.

    One with an attribute `thread_safe` that is true is called by several threads at once, any other
    by one at a time; one with `takes_gray` is given the gray plane (H, W) where there is one.
    """

    @property
    def rule(self) -> BoxRule:
        """From this detector's box to the tight box of the points."""

    def __call__(self, image: Pixels) -> Detections:
        """All faces of a frame, best first."""


class HaarDetector:
    """OpenCV's frontal face cascade (Viola & Jones, 2001; Lienhart & Maydt, 2002).

    Frames whose longer side is above `detect_size` pixels are searched at that size; faces
    smaller than `min_face` pixels there are not found. `quick` takes half the time and finds 1 %
    fewer faces (of the training images: 97.6 % instead of 98.5 %). `rule` leads to the box of the
    points that a network places. Several threads may search at once.
    """

    thread_safe = True
    takes_gray = True

    def __init__(
        self,
        detect_size: int = DETECT_SIZE,
        min_face: int = 30,
        quick: bool = False,
        rule: BoxRule = HAAR_RULE,
    ) -> None:
        self.rule = rule
        self._detect_size = detect_size
        self._min_face = min_face
        self._step, self._neighbours = (1.2, 3) if quick else (1.1, 5)
        # One is loaded here, so that it is told before any work where it is missing.
        self._idle = [_load_cascade()]

    def __call__(self, image: Pixels) -> Detections:
        """All faces of a frame, best first."""
        boxes, weights = self.search(image)
        slope, intercept = HAAR_CONFIDENCE
        scores = 1 / (1 + np.exp(-(slope * weights + intercept)))
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order].astype(np.float32))

    def search(self, image: Pixels) -> tuple[Floats, NDArray[np.float64]]:
        """Boxes (n, 4) and the cascade's level weights (n,), as it finds them."""
        gray = gray_plane(image)
        factor = max(1.0, max(gray.shape) / self._detect_size)
        if factor > 1:
            height, width = gray.shape
            size = max(1, round(width / factor)), max(1, round(height / factor))
            gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
        with self._cascade() as cascade:
            found, _, weights = cascade.detectMultiScale3(
                gray,
                scaleFactor=self._step,
                minNeighbors=self._neighbours,
                minSize=(self._min_face, self._min_face),
                outputRejectLevels=True,
            )
        xywh = np.asarray(found, np.float32).reshape(-1, 4)
        # The cascade counts whole pixels; here, whole numbers are pixel centres.
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        boxes = (xyxy * factor - 0.5).astype(np.float32)
        return boxes, np.asarray(weights, np.float64).reshape(-1)

    @contextmanager
    def _cascade(self) -> Iterator[cv2.CascadeClassifier]:
        """One for the calling thread alone: OpenCV's cascades keep what they search in."""
        try:
            cascade = self._idle.pop()
        except IndexError:
            cascade = _load_cascade()
        try:
            yield cascade
        finally:
            self._idle.append(cascade)


class WholeImageDetector:
    """Takes every image to be the network's crop already: one face, whole image."""

    thread_safe = True

    def __init__(self, crop: CropRule) -> None:
        self.rule = BoxRule(
            1 / crop.scale, (-crop.shift[0] / crop.scale, -crop.shift[1] / crop.scale)
        )

    def __call__(self, image: Pixels) -> Detections:
        """One box, from edge to edge of the frame."""
        height, width = image.shape[:2]
        edges = np.array([[-0.5, -0.5, width - 0.5, height - 0.5]], np.float32)
        return Detections(edges, np.ones(1, np.float32))


def box_rule(kind: BoxKind, card: ModelCard) -> BoxRule:
    """How boxes of a kind lead to the box of a network's points.

    Raises DetectorError where nobody has compared them.
    """
    if kind == "points":
        return POINTS_BOX
    if kind in card.box_rules:
        return card.box_rules[kind]
    if card.scheme != IBUG68.name:
        repair = f"{card.name} places points of its own, and does not say where its boxes have them"
        raise DetectorError(kind, f"{repair}; export it with --data, or give --boxes of the points")
    return HAAR_RULE


def build_detector(
    name: DetectorName, card: ModelCard, detect_size: int, quick: bool = False
) -> Detector:
    """A detector by name, for the network that it feeds.

    `quick` is for moving pictures, where there is another frame soon. Raises DetectorError.
    """
    match name:
        case "haar":
            return HaarDetector(detect_size, quick=quick, rule=box_rule("haar", card))
        case "none":
            return WholeImageDetector(card.crop)


def _load_cascade() -> cv2.CascadeClassifier:
    if not hasattr(cv2, "CascadeClassifier"):
        repair = f"OpenCV {cv2.__version__} has no cascades; pip install 'opencv-python-headless<5'"
        raise DetectorError("haar", repair)
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / _CASCADE))
    if cascade.empty():
        raise DetectorError("haar", f"OpenCV's file {_CASCADE} is missing; reinstall OpenCV")
    return cascade

"""OpenCV's frontal face cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.detection.base import SizedDetector
from fkd_infer.detection.registry import HAAR
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Floats, Pixels, gray_plane
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.system.object_pool import ObjectPool
from fkd_infer.types import Detections

HAAR_CONFIDENCE = (0.7441, 0.2666)
"""Slope and intercept of the logistic function from a cascade's level weight to the probability of
a face; fitted by `python -m fkd_train.evaluation.calibration`."""

_CASCADE = "haarcascade_frontalface_default.xml"
_SMALLEST_BOX = 30
"""Side of the smallest box that the cascade finds, in pixels."""


class HaarDetector(SizedDetector):
    """OpenCV's frontal face cascade (Viola & Jones, 2001; Lienhart & Maydt, 2002).

    `quick` halves the time and misses 1 % more faces (it finds 97.6 % of those on the training
    images instead of 98.5 %). Raises DetectorError if OpenCV has no cascades: version 5 has none.
    """

    def __init__(
        self,
        search: Search | None = None,
        quick: bool = False,
        rule: BoxRule = HAAR.box_rule,
    ) -> None:
        self._quick = quick
        sizes, box_rule = HAAR.search_sizes, HAAR.box_rule
        search = search or Search(sizes.videos if quick else sizes.photos)
        super().__init__(box_rule, _SMALLEST_BOX * box_rule.scale, search)
        self.rule = rule
        self._cascades = ObjectPool(_load_cascade)

    def detect(self, image: Pixels, min_face: float) -> Detections:
        """The faces of an image at its own size, best first."""
        boxes, weights = self.detect_weights(image, min_face)
        slope, intercept = HAAR_CONFIDENCE
        scores = 1 / (1 + np.exp(-(slope * weights + intercept)))
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order].astype(np.float32))

    def detect_weights(
        self, image: Pixels, min_face: float = 0
    ) -> tuple[Floats, NDArray[np.float64]]:
        """Boxes (n, 4) and the cascade's level weights (n,), in the cascade's order."""
        side = max(_SMALLEST_BOX, int(min_face / HAAR.box_rule.scale))
        step, neighbours = (1.2, 3) if self._quick else (1.1, 5)
        with self._cascades() as cascade:
            rectangles, _, weights = cascade.detectMultiScale3(
                gray_plane(image),
                scaleFactor=step,
                minNeighbors=neighbours,
                minSize=(side, side),
                outputRejectLevels=True,
            )
        xywh = np.asarray(rectangles, np.float32).reshape(-1, 4)
        # The cascade counts pixels from their edges; here, integers are pixel centres.
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) - 0.5
        return xyxy.astype(np.float32), np.asarray(weights, np.float64).reshape(-1)

    def for_video(self, search: Search) -> Self:
        """A quick copy for videos, with another search."""
        other = super().for_video(search)
        other._quick = True
        return other


def _load_cascade() -> cv2.CascadeClassifier:
    if not hasattr(cv2, "CascadeClassifier"):
        fix = "use detector 'fkd', which needs none, or pip install 'opencv-python-headless<5'"
        raise DetectorError("haar", f"OpenCV {cv2.__version__} has no cascades", fix)
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / _CASCADE))
    if cascade.empty():
        raise DetectorError("haar", f"OpenCV's file {_CASCADE} is missing", "reinstall OpenCV")
    return cascade

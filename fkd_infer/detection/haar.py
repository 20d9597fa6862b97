"""OpenCV's frontal face cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import MAX_SIZES
from fkd_infer.detection.base import SizedDetector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Floats, Pixels, gray_plane
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.system.object_pool import ObjectPool
from fkd_infer.types import Detections

HAAR_RULE = BoxRule(scale=0.8842, shift=(0.0116, 0.1665))
"""To the 68 points' box; fitted by `python -m fkd_train.evaluation.calibration`."""
HAAR_CONFIDENCE = (0.7441, 0.2666)
"""Slope and intercept of the logistic from a cascade's level weight to the chance of a face."""

_CASCADE = "haarcascade_frontalface_default.xml"
_SMALLEST = 30
"""Side of its smallest box, in pixels of what it searches."""


class HaarDetector(SizedDetector):
    """OpenCV's frontal face cascade (Viola & Jones, 2001; Lienhart & Maydt, 2002).

    `quick` takes half the time and finds 1 % fewer faces (of the training images: 97.6 % instead of
    98.5 %). `rule` leads to the box of the points that a network places. Several threads may search
    at once. Raises DetectorError where OpenCV has no cascades, as from version 5 on.
    """

    def __init__(
        self,
        search: Search | None = None,
        quick: bool = False,
        rule: BoxRule = HAAR_RULE,
    ) -> None:
        self._quick = quick
        search = search or Search(MAX_SIZES["haar"][int(quick)])
        super().__init__(HAAR_RULE, _SMALLEST * HAAR_RULE.scale, search)
        self.rule = rule
        self._cascade = ObjectPool(_load_cascade)

    def detect(self, image: Pixels, least: float) -> Detections:
        """All faces of an image as it is, best first."""
        boxes, weights = self.weighed(image, least)
        slope, intercept = HAAR_CONFIDENCE
        scores = 1 / (1 + np.exp(-(slope * weights + intercept)))
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order].astype(np.float32))

    def weighed(self, image: Pixels, least: float = 0) -> tuple[Floats, NDArray[np.float64]]:
        """Boxes (n, 4) and the cascade's level weights (n,), as it finds them."""
        side = max(_SMALLEST, int(least / HAAR_RULE.scale))
        step, neighbours = (1.2, 3) if self._quick else (1.1, 5)
        with self._cascade() as cascade:
            found, _, weights = cascade.detectMultiScale3(
                gray_plane(image),
                scaleFactor=step,
                minNeighbors=neighbours,
                minSize=(side, side),
                outputRejectLevels=True,
            )
        xywh = np.asarray(found, np.float32).reshape(-1, 4)
        # The cascade counts whole pixels; here, whole numbers are pixel centres.
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) - 0.5
        return xyxy.astype(np.float32), np.asarray(weights, np.float64).reshape(-1)

    def for_video(self, search: Search) -> Self:
        """The same for moving pictures: quick."""
        other = super().for_video(search)
        other._quick = True
        return other


def _load_cascade() -> cv2.CascadeClassifier:
    if not hasattr(cv2, "CascadeClassifier"):
        fix = "take detector 'fkd', which needs none, or pip install 'opencv-python-headless<5'"
        raise DetectorError("haar", f"OpenCV {cv2.__version__} has no cascades", fix)
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / _CASCADE))
    if cascade.empty():
        raise DetectorError("haar", f"OpenCV's file {_CASCADE} is missing", "reinstall OpenCV")
    return cascade

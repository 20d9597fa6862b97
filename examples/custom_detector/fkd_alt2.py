"""A plug-in for fkd: OpenCV's cascade frontalface_alt2 as the detector `alt2`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import fkd_infer

RULE = fkd_infer.BoxRule(scale=0.92, shift=(0.0, 0.19))
"""From this cascade's boxes to those of the 68 points: smaller, and lower."""
SMALLEST = 30
"""Side of the smallest box that is searched for, in pixels."""


class Alt2(fkd_infer.SizedDetector):
    """Finds frontal faces; `SizedDetector` scales frames, and cuts large ones into tiles."""

    # Threads share no cascade of OpenCV; SizedDetector says by default that they may.
    traits = fkd_infer.DetectorTraits(takes_gray=True)

    def __init__(self, request: fkd_infer.DetectorRequest) -> None:
        rule = request.rule or RULE  # another one for networks with other points
        super().__init__(rule, SMALLEST * rule.scale, request.search)
        folder = Path(cv2.data.haarcascades)  # type: ignore[attr-defined]
        file = folder / "haarcascade_frontalface_alt2.xml"
        self._cascade = cv2.CascadeClassifier(str(file))

    def detect(self, image: np.ndarray, min_face: float) -> fkd_infer.Detections:
        """The faces of an image at its own size."""
        side = max(SMALLEST, int(min_face / self.rule.scale))
        gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        found, _, weights = self._cascade.detectMultiScale3(
            gray, 1.1, 4, minSize=(side, side), outputRejectLevels=True
        )
        corners = np.asarray(found, np.float32).reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1) - 0.5
        scores = 1 / (1 + np.exp(-np.asarray(weights, np.float32).reshape(-1)))
        order = np.argsort(-scores)
        return fkd_infer.Detections(
            boxes[order].astype(np.float32), scores[order].astype(np.float32)
        )


alt2 = fkd_infer.DetectorSpec("alt2", "OpenCV's cascade alt2", build=Alt2, box_rule=RULE)

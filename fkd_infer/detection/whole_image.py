"""The detector `none`, for images that are cropped to one face already."""

from __future__ import annotations

import numpy as np

from fkd_infer.detection.base import Detector, DetectorTraits
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.types import Detections


class WholeImageDetector(Detector):
    """Answers one box, the image's own edges, which the crop rule maps onto the network's input."""

    traits = DetectorTraits(thread_safe=True, trusted=True)

    def __init__(self, crop: CropRule) -> None:
        self.rule = BoxRule(
            1 / crop.scale, (-crop.shift[0] / crop.scale, -crop.shift[1] / crop.scale)
        )

    def __call__(self, image: Pixels) -> Detections:
        """One box, from edge to edge."""
        height, width = image.shape[:2]
        edges = np.array([[-0.5, -0.5, width - 0.5, height - 0.5]], np.float32)
        return Detections(edges, np.ones(1, np.float32))

"""What a face detector is, and how one searches frames of any size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Protocol, Self

import numpy as np

from fkd_infer.detection.tiling import Search, joined, placed, plan, wanted
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.types import Detections


class Detector(Protocol):
    """Finds faces in a BGR frame; boxes are xyxy in its pixels.

    One with an attribute `thread_safe` that is true is called by several threads at once, any other
    by one at a time. One with `takes_gray` may be given the gray plane (H, W): where the landmark
    network wants no colour, and, if it also has `sees_colour`, only of frames that came without.
    """

    @property
    def rule(self) -> BoxRule:
        """From this detector's box to the tight box of the points."""

    def __call__(self, image: Pixels) -> Detections:
        """All faces of a frame, best first."""


class SizedDetector(ABC):
    """A detector that is shown frames at some size, whole or in tiles.

    `rule` leads from its boxes to those of the 68 points, which measure a face from brows to chin;
    the attribute may be set to another, for a network that places points of its own. `smallest` is
    the face, in such pixels, that it still finds well in what it is shown, and `threshold` the
    score from which a box is taken for a face, unless a search has another.
    """

    thread_safe = True
    takes_gray = True

    def __init__(
        self, rule: BoxRule, smallest: float, search: Search, threshold: float = 0.0
    ) -> None:
        self.rule = rule
        self._measure = rule
        self.smallest_face = smallest
        self.search = search
        self.threshold = threshold

    @property
    def min_score(self) -> float:
        """Score of the boxes that are taken for faces, at least."""
        return self.threshold if self.search.min_score is None else self.search.min_score

    def __call__(self, image: Pixels) -> Detections:
        """All faces of a frame, best first."""
        height, width = image.shape[:2]
        views = plan(width, height, self.search, self.smallest_face)
        parts = []
        for view in views:
            shown, matrix = view.shown(image)
            least = (self.search.min_face or 0) / view.factor
            found = placed(self.detect(shown, least), matrix)
            parts.append(wanted(found, self._measure, self.search.min_face or 0.0, self.min_score))
        return parts[0] if len(parts) == 1 else joined(parts, views, (width, height))

    @abstractmethod
    def detect(self, image: Pixels, least: float) -> Detections:
        """All faces of an image as it is, best first; those smaller than `least` pixels, from brows
        to chin, are not wanted."""

    def for_video(self, search: Search) -> Self:
        """The same for moving pictures, where there is another frame soon, searched so."""
        other = copy(self)
        other.search = search
        return other


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

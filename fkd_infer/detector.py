"""What a face detector is, and how one searches frames of any size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Protocol, Self

import numpy as np

from fkd_infer.crop import BoxRule, CropRule, Pixels
from fkd_infer.types import Detections
from fkd_infer.views import Search, joined, placed, plan, wanted


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

    `rule` leads from its boxes to those of the points, `smallest` is the face, in pixels from brows
    to chin, that it still finds well in what it is shown.
    """

    thread_safe = True
    takes_gray = True

    def __init__(self, rule: BoxRule, smallest: float, search: Search) -> None:
        self.rule = rule
        self.smallest = smallest
        self.search = search

    def __call__(self, image: Pixels) -> Detections:
        """All faces of a frame, best first."""
        height, width = image.shape[:2]
        views = plan(width, height, self.search, self.smallest)
        parts = []
        for view in views:
            shown, matrix = view.shown(image)
            least = (self.search.min_face or 0) / view.factor
            parts.append(placed(self.find(shown, least), matrix))
        found = parts[0] if len(parts) == 1 else joined(parts, views, (width, height))
        return wanted(found, self.rule, self.search)

    @abstractmethod
    def find(self, image: Pixels, least: float) -> Detections:
        """All faces of an image as it is, best first; those smaller than `least` pixels, from brows
        to chin, are not wanted."""

    def moving(self, search: Search) -> Self:
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

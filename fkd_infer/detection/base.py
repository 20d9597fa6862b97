"""The interface of face detectors, and a base class for those that search at a fixed size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from fkd_infer.detection.tiling import (
    Search,
    merge_turns,
    merge_views,
    plan_views,
    select_detections,
    to_frame,
    turn,
    turn_back,
)
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.types import Detections


@dataclass(frozen=True, slots=True)
class DetectorTraits:
    """What a detector allows its callers; the defaults are safe for any detector.

    Examples:
        >>> import fkd_infer
        >>> fkd_infer.load().detector.traits.takes_gray
        True
    """

    thread_safe: bool = False
    """Several threads may call it at once; otherwise one thread at a time does."""
    takes_gray: bool = False
    """It accepts gray planes (H, W), and gets them if the landmark network is gray too."""
    sees_colour: bool = False
    """It finds more in colour: with `takes_gray`, it gets gray planes only of gray frames."""
    any_roll: bool = False
    """Faces may be turned by any angle, as `Detections.rolls` says."""
    trusted: bool = False
    """Each box is a face, framed as well as can be: by default, no face is left out for its
    presence, and points are placed once. Videos are not tracked."""


class Detector(Protocol):
    """Finds faces in images.

    To write one, derive a class from this one and give it a `rule` and a `__call__`; the other
    attributes have defaults. A class that does not derive from it needs all four: if one is
    missing, `load` and `Pipeline` raise DetectorError.

    Examples:
        >>> import numpy as np
        >>> import fkd_infer
        >>> class Middle(fkd_infer.Detector):
        ...     rule = fkd_infer.BoxRule(scale=0.9, shift=(0.0, 0.05))
        ...
        ...     def __call__(self, image):
        ...         boxes = np.array([[170, 70, 280, 180]], np.float32)
        ...         return fkd_infer.Detections(boxes, np.ones(1, np.float32))
        >>> pipeline = fkd_infer.load(detector=Middle())
        >>> len(pipeline(fkd_infer.read_image("photo.jpg")))
        1
    """

    rule: BoxRule
    """Leads from the detector's boxes to the tight boxes of the points."""
    traits: DetectorTraits = DetectorTraits()
    """What its callers may do."""
    path: Path | None = None
    """Its model file, if there is one; `--resume` compares the content."""

    def __call__(self, image: Pixels) -> Detections:
        """The faces of a BGR uint8 image (H, W, 3), best first; boxes are in its pixels.

        With the trait `takes_gray`, the image may be gray (H, W).
        """


def check_detector(detector: object) -> None:
    """Raises DetectorError for an object that is no detector, with what it lacks."""
    name = detector.__name__ if isinstance(detector, type) else type(detector).__name__
    fix = "derive the class from fkd_infer.Detector, with a rule and a __call__"
    if isinstance(detector, type):
        raise DetectorError(name, "it is a class, not an object", f"pass {name}(…)")
    lacking = [member for member in ("rule", "traits", "path") if not hasattr(detector, member)]
    if not callable(detector) or type(detector).__call__ is Detector.__call__:
        lacking.append("__call__")
    if lacking:
        raise DetectorError(name, f"it has no {' and no '.join(lacking)}", fix)


class SizedDetector(Detector, ABC):
    """Base class of a detector that searches frames at the size that a Search asks for.

    It searches a frame as one view, or in tiles for small faces, and calls `detect` for each; a
    class of your own implements that. `rule` leads from its boxes to those of the 68 points, which
    span a face from brows to chin; the attribute may be set to another rule, for a network that
    places points of its own. `smallest_face` and `largest_face` are the sizes, in such pixels, from
    and up to which faces are detected well. Boxes with scores below `threshold` are left out, or
    below `turned_threshold` if the image was turned to find them, unless the search has another
    limit.

    Examples:
        >>> import numpy as np
        >>> import fkd_infer
        >>> class Nothing(fkd_infer.SizedDetector):
        ...     def detect(self, image, min_face):
        ...         boxes = np.empty((0, 4), np.float32)
        ...         return fkd_infer.Detections(boxes, np.empty(0, np.float32))
        >>> detector = Nothing(fkd_infer.BoxRule(1.0), 20, fkd_infer.Search(1280, min_face=40))
        >>> len(detector(fkd_infer.read_image("photo.jpg")))
        0
    """

    traits = DetectorTraits(thread_safe=True, takes_gray=True)

    def __init__(
        self,
        rule: BoxRule,
        smallest_face: float,
        search: Search,
        threshold: float = 0.0,
        largest_face: float = math.inf,
    ) -> None:
        self.rule = rule
        self._size_rule = rule
        self.smallest_face = smallest_face
        self.largest_face = largest_face
        self._set_search(search)
        self.threshold = threshold
        self.turned_threshold = threshold

    @property
    def min_score(self) -> float:
        """Score from which a box counts as a face."""
        return self.threshold if self.search.min_score is None else self.search.min_score

    @property
    def turned_min_score(self) -> float:
        """Score from which a box counts as a face that is sideways or upside down."""
        return self.turned_threshold if self.search.min_score is None else self.search.min_score

    def __call__(self, image: Pixels) -> Detections:
        """The faces of a frame, best first."""
        height, width = image.shape[:2]
        min_face = self.search.min_face or 0.0
        views = plan_views(width, height, self.search, self.smallest_face, self.largest_face)
        parts = []
        for view in views:
            pixels, matrix = view.extract(image)
            detections = to_frame(self._detect_turned(pixels, min_face / view.factor), matrix)
            parts.append(select_detections(detections, self._size_rule, min_face, self.min_score))
        return parts[0] if len(parts) == 1 else merge_views(parts, views, (width, height))

    def _detect_turned(self, pixels: Pixels, min_face: float) -> Detections:
        """The faces of an image, turned as the search asks for."""
        turns = self.search.quarter_turns
        if len(turns) == 1:
            return self.detect(pixels, min_face)
        height, width = pixels.shape[:2]
        found = []
        for quarters in turns:
            detections = self.detect(turn(pixels, quarters), min_face)
            limit = self.turned_min_score if quarters else self.min_score
            sure = detections.select(np.flatnonzero(detections.scores >= limit))
            found.append(turn_back(sure, quarters, width, height))
        return merge_turns(found)

    @abstractmethod
    def detect(self, image: Pixels, min_face: float) -> Detections:
        """The faces of a BGR or gray image at its own size, best first; to be implemented.

        Faces of less than `min_face` pixels, from brows to chin, may be left out.
        """

    def for_video(self, search: Search) -> Self:
        """A copy for videos, with the same network and another search."""
        other = type(self).__new__(type(self))
        other.__dict__ |= self.__dict__
        other._set_search(search)
        return other

    def _set_search(self, search: Search) -> None:
        self.search = search
        self.traits = replace(self.traits, any_roll=search.roll == "any")

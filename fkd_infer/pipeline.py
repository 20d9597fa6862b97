"""The only composer: a frame in, faces out."""

from __future__ import annotations

from pathlib import Path

from numpy.typing import ArrayLike

from fkd_infer.card import ModelCard
from fkd_infer.crop import (
    POINTS_BOX,
    BoxRule,
    Floats,
    Pixels,
    apply_rule,
    as_boxes,
    check_image,
    crop_batch,
    crop_matrices,
    square_boxes,
)
from fkd_infer.decode import decode
from fkd_infer.detect import Detector, build_detector
from fkd_infer.names import DEFAULT_MODEL, DETECT_SIZE, DetectorName, Provider
from fkd_infer.session import LandmarkSession
from fkd_infer.timing import Stopwatch
from fkd_infer.types import Detections, Face


class Pipeline:
    """Finds the faces of an image and places points on each.

    Not safe for use from several threads at once; give each its own.
    """

    def __init__(self, session: LandmarkSession, detector: Detector) -> None:
        self.session = session
        self.detector = detector
        self.stopwatch = Stopwatch()

    @property
    def card(self) -> ModelCard:
        """The card of the network."""
        return self.session.card

    def __call__(self, image: Pixels) -> list[Face]:
        """Faces of a BGR uint8 image (H, W, 3), best first; points in its pixels.

        Raises InvalidImageError for anything else, None from a failed cv2.imread included.
        """
        check_image(image)
        return self.place(image, self.detect(image, self.detector), self.detector.rule)

    def detect(self, image: Pixels, detector: Detector) -> Detections:
        """What a detector finds, timed as a stage."""
        with self.stopwatch("detect"):
            return detector(image)

    def landmarks(self, image: Pixels, boxes: ArrayLike, rule: BoxRule = POINTS_BOX) -> Floats:
        """Points (n, k, 2) for boxes (n, 4) xyxy, all in image pixels: one batched session call.

        `rule` says how the boxes are drawn: by default tightly around the points, from the brows
        to the chin; the rule of a detector for its boxes (`pipeline.detector.rule`).
        Raises InvalidImageError and InvalidBoxError.
        """
        check_image(image)
        tight = square_boxes(*apply_rule(as_boxes(boxes), rule))
        size, channels, crop = self.card.input.size, self.card.input.channels, self.card.crop
        with self.stopwatch("crop"):
            matrices = crop_matrices(tight, crop, size)
            batch = crop_batch(image, matrices, size, channels, crop.border)
        with self.stopwatch("landmarks"):
            points_crop = self.session.run(batch)
        return decode(points_crop, matrices, self.card.name)

    def place(self, image: Pixels, found: Detections, rule: BoxRule) -> list[Face]:
        """Faces for boxes that were found already."""
        points = self.landmarks(image, found.boxes, rule)
        return [
            Face(points=p, box=b, score=float(s))
            for p, b, s in zip(points, found.boxes, found.scores, strict=True)
        ]


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    detector: DetectorName | Detector = "haar",
    provider: Provider = "auto",
    threads: int | None = None,
    detect_size: int = DETECT_SIZE,
) -> Pipeline:
    """A pipeline, ready to call.

    `model`: a shipped model's name or an ONNX file from fkd-export. `detector`: a name, or any
    object with a `rule` that answers Detections for an image. `provider` "cuda" is used or
    raises ProviderError. `threads` defaults to the cores of this process. Frames whose longer
    side is above `detect_size` pixels are searched for faces at that size.
    """
    session = LandmarkSession(model, provider, threads)
    if isinstance(detector, str):
        detector = build_detector(detector, session.card.crop, detect_size)
    return Pipeline(session, detector)

"""The only composer: a frame in, faces out."""

from __future__ import annotations

from dataclasses import replace
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
    points_box,
    square_boxes,
)
from fkd_infer.decode import decode
from fkd_infer.detect import Detector, WholeImageDetector, build_detector
from fkd_infer.names import (
    BATCH,
    DEFAULT_MODEL,
    DETECT_SIZE,
    MIN_PRESENCE,
    DetectorName,
    Provider,
)
from fkd_infer.session import LandmarkSession
from fkd_infer.settings import SessionSettings
from fkd_infer.timing import Stopwatch
from fkd_infer.tuned import open_session
from fkd_infer.types import Detections, Face, Prediction


class Pipeline:
    """Finds the faces of an image and places points on each.

    `batch` is how many faces a call of the network had best take, where faces of several images
    are gathered; `fkd-infer tune` finds it for a machine.
    Not safe for use from several threads at once; give each its own.
    """

    def __init__(
        self,
        session: LandmarkSession,
        detector: Detector,
        min_presence: float = MIN_PRESENCE,
        refine: bool = True,
        batch: int = BATCH,
    ) -> None:
        self.session = session
        self.detector = detector
        self.min_presence = min_presence
        self.refine = refine
        self.batch = batch
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
        return self.find(image, self.detector)

    def find(self, image: Pixels, detector: Detector) -> list[Face]:
        """The same with another detector.

        What a detector takes for a face and the network does not is left out, where the network
        has a score.
        """
        with self.stopwatch("detect"):
            found = detector(image)
        faces = self._sure(self.place(image, found, detector.rule))
        return self._sure(self._refined(image, faces)) if self.refine and faces else faces

    def _sure(self, faces: list[Face]) -> list[Face]:
        """The faces that the network sees too."""
        return [f for f in faces if f.presence is None or f.presence >= self.min_presence]

    def _refined(self, image: Pixels, faces: list[Face]) -> list[Face]:
        """The same faces, their points placed anew: a face's own points frame it better than its
        detector did (docs/training.md has the gain)."""
        boxes = square_boxes(*apply_rule(points_box([f.points for f in faces]), POINTS_BOX))
        points, presence = self._points_and_presence(image, boxes, POINTS_BOX)
        return [
            replace(face, points=p, presence=sure)
            for face, p, sure in zip(faces, points, presence, strict=True)
        ]

    def landmarks(self, image: Pixels, boxes: ArrayLike, rule: BoxRule = POINTS_BOX) -> Floats:
        """Points (n, k, 2) for boxes (n, 4) xyxy, all in image pixels: one batched session call.

        `rule` says how the boxes are drawn: by default tightly around the points, from the brows
        to the chin; the rule of a detector for its boxes (`pipeline.detector.rule`).
        Raises InvalidImageError and InvalidBoxError.
        """
        return self._predict(image, boxes, rule).points

    def _predict(self, image: Pixels, boxes: ArrayLike, rule: BoxRule) -> Prediction:
        """Points in image pixels, and scores."""
        check_image(image)
        tight = square_boxes(*apply_rule(as_boxes(boxes), rule))
        size, channels, crop = self.card.input.size, self.card.input.channels, self.card.crop
        with self.stopwatch("crop"):
            matrices = crop_matrices(tight, crop, size)
            batch = crop_batch(image, matrices, size, channels, crop.border)
        with self.stopwatch("landmarks"):
            points, scores = self.session.run(batch)
        return Prediction(decode(points, matrices, self.card.name), scores)

    def place(self, image: Pixels, found: Detections, rule: BoxRule) -> list[Face]:
        """A face for each of the boxes, however unlikely the network finds it."""
        points, presence = self._points_and_presence(image, found.boxes, rule)
        return [
            Face(points=p, box=b, score=float(s), presence=sure)
            for p, b, s, sure in zip(points, found.boxes, found.scores, presence, strict=True)
        ]

    def _points_and_presence(
        self, image: Pixels, boxes: Floats, rule: BoxRule
    ) -> tuple[Floats, list[float | None]]:
        points, scores = self._predict(image, boxes, rule)
        return points, [None] * len(points) if scores is None else scores.tolist()


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    detector: DetectorName | Detector = "haar",
    provider: Provider = "auto",
    threads: int | None = None,
    detect_size: int = DETECT_SIZE,
    min_presence: float | None = None,
    refine: bool | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
) -> Pipeline:
    """A pipeline, ready to call.

    `model`: a shipped model's name or an ONNX file from fkd-export. `detector`: a name, or any
    object with a `rule` that answers Detections for an image. `provider` "cuda" is used or
    raises ProviderError. Frames whose longer side is above `detect_size` pixels are searched for
    faces at that size. Faces of which the network is less sure than `min_presence`, from 0 to 1,
    are left out: 0.5 by default, and 0, which keeps all, for detector "none", whose word is final.
    A network without a score has no say. `refine` places the points again, in the box of the first
    ones, which frames a face better than a detector does; by default for all but detector "none".

    On the CPU, the network runs as `fkd-infer tune` found best for it on this machine, which may
    mean another file in its folder, of the same weights; `tuned=False` leaves that out, `settings`
    take its place, and `threads` win over both. Without all of them, `threads` are the cores of
    this process.
    """
    session, batch = open_session(model, provider, threads, settings, tuned)
    if isinstance(detector, str):
        detector = build_detector(detector, session.card, detect_size)
    framed = isinstance(detector, WholeImageDetector)
    if min_presence is None:
        min_presence = 0.0 if framed else MIN_PRESENCE
    refine = not framed if refine is None else refine
    return Pipeline(session, detector, min_presence, refine, batch)

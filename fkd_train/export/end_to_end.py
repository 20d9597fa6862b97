"""From a checkpoint and a detector's file to one ONNX file that does what the pipeline does.

It is compared with the pipeline itself, and written where no point differs by more than 0.1 px.
On an x86 CPU with OpenCV 4, points are the same (0 px on 48 real faces, of 20 to 600 px); with
OpenCV 5 they differed by up to 0.05 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import onnx

from fkd_infer.choices import DETECTOR_MODEL, MIN_PRESENCE
from fkd_infer.detection.factory import build_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard, EndToEndParity
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.shipped import find_model
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.types import Face
from fkd_train.data.dataset import load_evaluation
from fkd_train.data.synthetic import draw_face
from fkd_train.errors import VerificationError
from fkd_train.export.landmarks import Source, fp32_model, load_source, with_card
from fkd_train.graphs.end_to_end import Choice, end_to_end_graph

BUDGET_PX = 0.1
"""Largest difference of a point from the pipeline's, in pixels of the image."""
_SHEETS, _ON_SHEET = 6, 4
"""Pictures of several faces that are compared, and how many each has."""
_DRAWN, _DRAWN_BOXES = "drawn pictures", 40
"""What is compared without a data set, and the least of boxes on them."""
_LARGEST = 4096
"""Longer side of a picture that the pipeline is to search as it is."""


@dataclass(frozen=True)
class Parts:
    """The files that an end-to-end file is made of, their cards, and the rule from the detector's
    boxes to the network's points."""

    landmarks: Path
    detector: Path
    landmark_card: ModelCard
    detector_card: DetectorCard
    rule: BoxRule

    @classmethod
    def of(cls, landmarks: Path, detector: str | Path = DETECTOR_MODEL) -> Parts:
        """Raises what sessions do for files that are not what they are taken for, and DetectorError
        where the network's points have no rule."""
        path = find_model(detector, detectors=True)
        card = LandmarkSession(landmarks, "cpu").card
        rule = build_detector("fkd", card, model=path, provider="cpu").rule
        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        return cls(landmarks, path, card, DetectorCard.from_metadata(metadata, path), rule)

    def choice(self, min_score: float | None = None, min_presence: float = MIN_PRESENCE) -> Choice:
        """Which faces are kept, by default those that the pipeline keeps by default."""
        score = self.detector_card.threshold if min_score is None else min_score
        return Choice(self.rule, score, min_presence)

    def graph(self, choice: Choice) -> onnx.ModelProto:
        """All in one, without a card."""
        landmarks, detector = onnx.load(self.landmarks), onnx.load(self.detector)
        return end_to_end_graph(landmarks, self.landmark_card, detector, choice)

    def pipeline(self, choice: Choice) -> Pipeline:
        """What the graph is to equal."""
        search = Search(_LARGEST, min_score=choice.min_score)
        detector = build_detector(
            "fkd", self.landmark_card, search, model=self.detector, provider="cpu"
        )
        session = LandmarkSession(self.landmarks, "cpu")
        return Pipeline(session, detector, choice.min_presence)

    def card(self, choice: Choice) -> EndToEndCard:
        """The whole's, without parity."""
        return EndToEndCard(
            name=f"{self.landmark_card.name}-end-to-end",
            landmarks=self.landmark_card,
            detector=self.detector_card,
            min_score=choice.min_score,
            min_presence=choice.min_presence,
        )


@dataclass(frozen=True)
class ExportedEndToEnd:
    """A file that was written, and its card."""

    path: Path
    card: EndToEndCard

    def lines(self) -> list[str]:
        """For people."""
        card, landmarks = self.card, self.card.landmarks
        size, parity = self.path.stat().st_size / 1e6, card.parity
        assert parity is not None
        outputs = f"boxes (n, 4), scores (n,), points (n, {landmarks.landmarks.count}, 2)"
        kept = f"a detector's score of {card.min_score:.2f}"
        if landmarks.output.score:
            outputs += ", presence (n,)"
            kept += f" and a presence of {card.min_presence:.2f}"
        return [
            f"{self.path}: {size:.1f} MB, {landmarks.precision}, opset {landmarks.opset}",
            f"verified: largest difference {parity.largest_px:.2g} px from the pipeline, of "
            f"{parity.faces} faces on {parity.images}",
            "input: image (H, W, 3) uint8, BGR, of any size",
            f"outputs: {outputs}, float32, in pixels of the image",
            f"faces are kept from {kept} on",
        ]


def export_end_to_end(
    checkpoint: Path, out: Path, data: Path | None = None, detector: str | Path = DETECTOR_MODEL
) -> ExportedEndToEnd:
    """Writes detector, crop and the network of a checkpoint as one ONNX file.

    Compared with the pipeline on real or drawn pictures. Raises VerificationError, and writes
    nothing, where it finds other faces or a point differs by more than 0.1 px; and what `export`
    raises, ModelFileNotFoundError, InvalidModelError, ModelCardError and DetectorError.
    """
    find_model(detector, detectors=True)
    source = load_source(checkpoint, data)
    model, verification = fp32_model(source, out)
    pictures, what = _pictures(source, data)
    with TemporaryDirectory() as folder:
        landmarks = Path(folder) / "landmarks.onnx"
        card = replace(source.card, parity=verification.parity)
        onnx.save(with_card(model, card), landmarks)
        whole, whole_card = _verified(Parts.of(landmarks, detector), pictures, what, out)
    onnx.helper.set_model_props(whole, {METADATA_KEY: whole_card.to_json()})
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(whole, partial)
    return ExportedEndToEnd(out, whole_card)


def _verified(
    parts: Parts, pictures: Sequence[Pixels], what: str, out: Path
) -> tuple[onnx.ModelProto, EndToEndCard]:
    choice = parts.choice()
    whole = parts.graph(choice)
    parity = compare(whole, parts.pipeline(choice), pictures, what, out)
    if what == _DRAWN:
        # To networks, drawn faces are hardly any: the likeliest are compared, however unlikely.
        loose = parts.choice(_score_of_best(parts, pictures), 0.0)
        parity = compare(parts.graph(loose), parts.pipeline(loose), pictures, what, out)
    if not parity.faces:
        raise VerificationError.of_difference(
            out, f"nothing to compare, no face was found on {parity.images}"
        )
    return whole, replace(parts.card(choice), parity=parity)


def _score_of_best(parts: Parts, pictures: Sequence[Pixels]) -> float:
    """The detector's score that so many boxes have at least, of those on all pictures."""
    detect = parts.pipeline(parts.choice(0.0)).detector
    scores = np.concatenate([detect(picture).scores for picture in pictures])
    return float(np.sort(scores)[-_DRAWN_BOXES:].min(initial=1.0))


def compare(
    model: onnx.ModelProto, pipeline: Pipeline, pictures: Sequence[Pixels], what: str, out: Path
) -> EndToEndParity:
    """The graph's faces and the pipeline's; raises VerificationError where they differ."""
    ort = import_onnxruntime()
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    largest, count = 0.0, 0
    for number, picture in enumerate(pictures):
        wanted = pipeline(picture)
        points = session.run(["points"], {"image": picture})[0]
        if len(points) != len(wanted):
            faces = f"{len(points)} faces on picture {number}, the pipeline {len(wanted)}"
            raise VerificationError.of_difference(out, f"it finds {faces}")
        largest = max(largest, _largest(wanted, points))
        count += len(wanted)
    if not largest <= BUDGET_PX:
        report = f"largest difference {largest:.2g} px from the pipeline"
        raise VerificationError.of_difference(out, f"{report}; the budget is {BUDGET_PX} px")
    return EndToEndParity(largest, count, f"{len(pictures)} {what}")


def _largest(wanted: Sequence[Face], points: Any) -> float:
    """NaN where a point is none."""
    if not wanted:
        return 0.0
    own = np.stack([face.points for face in wanted])
    return float(np.linalg.norm(points - own, axis=-1).max())


def _pictures(source: Source, data: Path | None) -> tuple[list[Pixels], str]:
    """Pictures with one face and with several, small and large, and what they are."""
    count = _SHEETS * _ON_SHEET
    if data is None:
        rng = np.random.default_rng(0)
        drawn = [draw_face(200, rng)[0] for _ in range(count)]
        return sheets([bgr_image(image) for image in drawn]), _DRAWN
    faces = load_evaluation(data, source.recipe.split, source.recipe.landmarks, colour=True)
    images = list(faces.images[:count])
    large = [cv2.resize(image, None, fx=4.3, fy=4.3) for image in images[:_ON_SHEET]]
    return [*images, *large, *sheets(images)], "real pictures"  # type: ignore[list-item]


def sheets(images: Sequence[Pixels]) -> list[Pixels]:
    """Pictures of odd sizes with several of the images each, at sizes from small to large."""
    rng = np.random.default_rng(1)
    found = []
    for first in range(0, len(images), _ON_SHEET):
        heights = rng.integers(60, 420, _ON_SHEET)
        sheet = np.full((int(heights.max()), 0, 3), 127, np.uint8)
        for image, height in zip(images[first : first + _ON_SHEET], heights, strict=False):
            factor = height / len(image)
            shown = cv2.resize(image, (max(1, round(image.shape[1] * factor)), int(height)))
            below = ((0, len(sheet) - len(shown)), (0, 0), (0, 0))
            sheet = np.hstack([sheet, np.pad(shown, below, mode="edge")])
        found.append(np.ascontiguousarray(sheet, np.uint8))
    return found

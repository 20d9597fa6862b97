"""Exports a landmark network and a detector as one ONNX file that equals the pipeline.

The file is written if no point differs by more than 0.1 px from the pipeline's. On an x86 CPU with
OpenCV 4, points were equal (48 real faces of 20 to 600 px); with OpenCV 5, they differed by up to
0.05 px.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from fkd_infer.choices import DETECTOR_MODEL, MIN_PRESENCE
from fkd_infer.detection.base import Detector, SizedDetector
from fkd_infer.detection.factory import build_detector
from fkd_infer.detection.fkd import score_threshold
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import InvalidModelError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard, EndToEndParity
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.shipped import find_model
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.types import Detections, Face
from fkd_train.errors import VerificationError
from fkd_train.export.cards import with_card
from fkd_train.export.end_to_end_pictures import (
    drawn_pictures,
    fitted,
    in_batches,
    real_pictures,
)
from fkd_train.export.landmarks import fp32_model
from fkd_train.export.sources.source import LandmarkSource
from fkd_train.graphs.batched import NotBatchableError
from fkd_train.graphs.end_to_end import FaceFilter, end_to_end_graph
from fkd_train.graphs.fixed_end_to_end import CANDIDATES, FixedSize, fixed_end_to_end_graph
from fkd_train.graphs.session import cpu_session

BUDGET_PX = 0.1
"""Largest allowed difference of a point from the pipeline's, in pixels of the image."""
MOST = 0.99
"""Share of the points that must be within the budget where crops are computed in another order.

A network that refines each point in a patch at whole cells (`fkd_train/models/refinement.py`) takes
the neighbouring cell if one level of one pixel decides, and moves that point alone by pixels.
"""
_DRAWN_BOXES = 40
"""At least this many of the best boxes on drawn pictures are compared."""
_MAX_SEARCH_SIDE = 4096
"""Larger than every compared picture, so that the pipeline searches it at full size."""


@dataclass(frozen=True)
class Parts:
    """The files of an end-to-end file, their cards, and the rule from the detector's boxes to the
    network's points."""

    landmarks: Path
    detector: Path
    landmark_card: ModelCard
    detector_card: DetectorCard
    rule: BoxRule

    @classmethod
    def of(cls, landmarks: Path, detector: str | Path = DETECTOR_MODEL) -> Parts:
        """Reads the cards; raises what sessions raise for files of the wrong kind, and
        DetectorError if the detector's boxes have no rule for the network's points."""
        path = find_model(detector, detectors=True)
        card = LandmarkSession(landmarks, "cpu").card
        rule = build_detector("fkd", card, model=path, provider="cpu").rule
        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        return cls(landmarks, path, card, DetectorCard.from_metadata(metadata, path), rule)

    def face_filter(
        self, min_score: float | None = None, min_presence: float = MIN_PRESENCE
    ) -> FaceFilter:
        """Returns the thresholds for faces; the defaults are the pipeline's."""
        if min_score is None:
            checked = self.landmark_card.output.score and min_presence > 0
            min_score = score_threshold(self.detector_card, checked)
        return FaceFilter(self.rule, min_score, min_presence)

    def graph(self, faces: FaceFilter, size: FixedSize | None = None) -> onnx.ModelProto:
        """Builds the joined graph, for images of any or one size, without a card.

        Raises InvalidModelError if the detector does not allow one size, or a batch.
        """
        landmarks, detector = onnx.load(self.landmarks), onnx.load(self.detector)
        if size is None:
            return end_to_end_graph(landmarks, self.landmark_card, detector, faces)
        values = {output for node in detector.graph.node for output in node.output}
        if missing := [name for name in CANDIDATES if name not in values]:
            problem = f"its graph has no value {missing[0]!r}, from which a fixed size is made"
            raise InvalidModelError(self.detector, problem, "export the detector with fkd-export")
        cards = self.landmark_card, self.detector_card
        try:
            return fixed_end_to_end_graph(landmarks, detector, *cards, faces, size)
        except NotBatchableError as error:
            problem = f"it cannot search a batch: {error}"
            raise InvalidModelError(self.detector, problem, "export without --batch") from error

    def pipeline(self, faces: FaceFilter, size: FixedSize | None = None) -> Pipeline:
        """Builds the pipeline that the graph must equal."""
        search = Search(_MAX_SEARCH_SIDE, min_score=faces.min_score)
        detector = build_detector(
            "fkd", self.landmark_card, search, model=self.detector, provider="cpu"
        )
        assert isinstance(detector, SizedDetector)
        detector.largest_face = math.inf  # the graph searches no second view
        session = LandmarkSession(self.landmarks, "cpu")
        searched = detector if size is None else _BestFaces(detector, size.max_faces)
        return Pipeline(session, searched, faces.min_presence)

    def card(self, faces: FaceFilter, size: FixedSize | None = None) -> EndToEndCard:
        """Builds the card of the joined graph, without parity."""
        return EndToEndCard(
            name=f"{self.landmark_card.name}-end-to-end",
            landmarks=self.landmark_card,
            detector=self.detector_card,
            min_score=faces.min_score,
            min_presence=faces.min_presence,
            image_size=None if size is None else (size.height, size.width),
            max_faces=None if size is None else size.max_faces,
            batch=None if size is None else size.batch,
        )


class _BestFaces(Detector):
    """The best faces of another detector, as many as a file of a fixed size answers."""

    def __init__(self, detector: Detector, count: int) -> None:
        self.rule, self.traits, self.path = detector.rule, detector.traits, detector.path
        self.detector, self.count = detector, count

    def __call__(self, image: Pixels) -> Detections:
        found = self.detector(image)
        return found.select(np.arange(min(len(found), self.count)))


@dataclass(frozen=True)
class ExportedEndToEnd:
    """A written file and its card."""

    path: Path
    card: EndToEndCard

    def lines(self) -> list[str]:
        """Formats a summary for people."""
        card, landmarks = self.card, self.card.landmarks
        size, parity = self.path.stat().st_size / 1e6, card.parity
        assert parity is not None
        image, faces = "(H, W, 3) uint8, BGR, of any size", ("n",)
        if card.image_size is not None:
            batch = () if card.batch is None else ("b" if card.batch == "dynamic" else card.batch,)
            image = f"{_shape(*batch, *card.image_size, 3)} uint8, BGR"
            faces = (*batch, card.max_faces)
        points = _shape(*faces, landmarks.landmarks.count, 2)
        outputs = f"boxes {_shape(*faces, 4)}, scores {_shape(*faces)}, points {points}"
        thresholds = f"a detector's score of {card.min_score:.2f}"
        if landmarks.output.score:
            outputs += f", presence {_shape(*faces)}"
            thresholds += f" and a presence of {card.min_presence:.2f}"
        if landmarks.output.spread:
            outputs += f", spread {_shape(*faces, landmarks.landmarks.count)}"
        lines = [
            f"{self.path}: {size:.1f} MB, {landmarks.precision}, opset {landmarks.opset}",
            f"verified: largest difference {parity.largest_px:.2g} px from the pipeline, of "
            f"{parity.faces} faces on {parity.images}",
            f"input: image {image}",
            f"outputs: {outputs}, float32, in pixels of the image",
            f"faces need at least {thresholds}",
        ]
        fixed = card.image_size is not None
        return [*lines, "rows with a score of 0 are no faces"] if fixed else lines


def _shape(*lengths: object) -> str:
    """A shape as Python prints it, whose lengths may be names."""
    return f"({', '.join(map(str, lengths))}{',' if len(lengths) == 1 else ''})"


def export_end_to_end(
    source: LandmarkSource,
    out: Path,
    detector: str | Path = DETECTOR_MODEL,
    size: FixedSize | None = None,
) -> ExportedEndToEnd:
    """Writes a detector, the crop and a network as one ONNX file.

    With `size`, it is for images of one size, and answers a fixed number of faces. The file is
    compared with the pipeline on the data set's or drawn pictures. Raises VerificationError, and
    writes nothing, if it finds another number of faces, or a point differs by more than 0.1 px;
    with `size`, one point in a hundred may. Also raises what `write_landmarks` raises,
    ModelFileNotFoundError, InvalidModelError, ModelCardError and DetectorError.
    """
    find_model(detector, detectors=True)
    landmark_model, verification = fp32_model(source, out)
    with TemporaryDirectory() as folder:
        landmarks = Path(folder) / "landmarks.onnx"
        card = replace(source.card, parity=verification.parity)
        onnx.save(with_card(landmark_model, card), landmarks)
        parts = Parts.of(landmarks, detector)
        if source.data is None:
            parity = _compare_on_drawn(parts, size, out)
        else:
            pictures = _sized(real_pictures(source.data), size)
            faces = parts.face_filter()
            parity = _compare_parts(parts, faces, size, pictures, "real pictures", out)
        if not parity.faces:
            raise VerificationError.of_difference(
                out, f"nothing to compare, no face was found on {parity.images}"
            )
        model = parts.graph(parts.face_filter(), size)
    card_with_parity = replace(parts.card(parts.face_filter(), size), parity=parity)
    onnx.helper.set_model_props(model, {METADATA_KEY: card_with_parity.to_json()})
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(model, partial)
    return ExportedEndToEnd(out, card_with_parity)


def _sized(pictures: Sequence[Pixels], size: FixedSize | None) -> Sequence[Pixels]:
    if size is None:
        return pictures
    return [fitted(picture, size.height, size.width) for picture in pictures]


def _compare_on_drawn(parts: Parts, size: FixedSize | None, out: Path) -> EndToEndParity:
    """Compares at the default thresholds, and at ones that accept drawn faces, which score low."""
    pictures, name = _sized(drawn_pictures(), size), "drawn pictures"
    _compare_parts(parts, parts.face_filter(), size, pictures, name, out)
    accepting = parts.face_filter(_score_of_best(parts, pictures), 0.0)
    return _compare_parts(parts, accepting, size, pictures, name, out)


def _compare_parts(
    parts: Parts,
    faces: FaceFilter,
    size: FixedSize | None,
    pictures: Sequence[Pixels],
    name: str,
    out: Path,
) -> EndToEndParity:
    graph, pipeline = parts.graph(faces, size), parts.pipeline(faces, size)
    return compare(graph, pipeline, pictures, name, out, 1.0 if size is None else MOST)


def _score_of_best(parts: Parts, pictures: Sequence[Pixels]) -> float:
    """Returns the score threshold that leaves the best boxes on all pictures."""
    detector = parts.pipeline(parts.face_filter(0.0)).detector
    scores = np.concatenate([detector(picture).scores for picture in pictures])
    return float(np.sort(scores)[-_DRAWN_BOXES:].min(initial=1.0))


def compare(
    model: onnx.ModelProto,
    pipeline: Pipeline,
    pictures: Sequence[Pixels],
    name: str,
    out: Path,
    share: float = 1.0,
) -> EndToEndParity:
    """Compares the graph's faces with the pipeline's; raises VerificationError if they differ.

    Every picture of a batch is compared. At least this share of the points must be within the
    budget.
    """
    answers = _answers(cpu_session(model), pictures)
    distances = [np.zeros(1)]
    count = 0
    for number, (picture, (scores, points)) in enumerate(zip(pictures, answers, strict=True)):
        expected = pipeline(picture)
        points = points[scores > 0]  # rows without a face, in files for one size
        if len(points) != len(expected):
            faces = f"{len(points)} faces on picture {number}, the pipeline {len(expected)}"
            raise VerificationError.of_difference(out, f"it finds {faces}")
        distances.append(_distances(expected, points))
        count += len(expected)
    within = float(np.quantile(np.concatenate(distances), share))
    largest = float(np.concatenate(distances).max())
    if not within <= BUDGET_PX:
        report = f"largest difference {largest:.2g} px from the pipeline"
        raise VerificationError.of_difference(out, f"{report}; the budget is {BUDGET_PX} px")
    return EndToEndParity(largest, count, f"{len(pictures)} {name}")


def _answers(
    session: onnxruntime.InferenceSession, pictures: Sequence[Pixels]
) -> Iterable[Sequence[NDArray[np.float32]]]:
    """Yields the scores and points of each picture."""
    names, shape = ["scores", "points"], session.get_inputs()[0].shape
    if len(shape) == 3:
        return (session.run(names, {"image": picture}) for picture in pictures)
    batches = in_batches(pictures, shape[0] if isinstance(shape[0], int) else "dynamic")
    outputs = zip(*(session.run(names, {"image": batch}) for batch in batches), strict=True)
    scores, points = (np.concatenate(each)[: len(pictures)] for each in outputs)
    return zip(scores, points, strict=True)


def _distances(expected: Sequence[Face], points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the distances of points from the expected ones; NaN if a coordinate is NaN."""
    if not expected:
        return np.zeros(0)
    expected_points = np.stack([face.points for face in expected])
    distances: NDArray[np.float64] = np.linalg.norm(points - expected_points, axis=-1)
    return distances.ravel()

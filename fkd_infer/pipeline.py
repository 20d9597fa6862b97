"""The only composer: a frame in, faces out."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fkd_infer.choices import (
    BATCH,
    DEFAULT_DETECTOR,
    DEFAULT_MODEL,
    MIN_PRESENCE,
    Provider,
)
from fkd_infer.detection.base import Detector, check_detector
from fkd_infer.detection.factory import build_detector
from fkd_infer.detection.registry import SEARCHING, find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import NonFiniteOutputError, SettingsError
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, check_image, gray_plane
from fkd_infer.geometry.boxes import apply_rule, as_boxes, points_box, square_boxes
from fkd_infer.geometry.crop import crop_matrices, fill_batch
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.providers.registry import AUTO
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.tuned_session import open_session
from fkd_infer.system.chrome_trace import Trace
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.hardware import available_threads
from fkd_infer.system.stopwatch import Stopwatch
from fkd_infer.system.worker_pool import WorkerPool
from fkd_infer.types import Detections, Face

Presence = NDArray[np.float64]
"""How sure the network is of each face (n,), NaN where it does not say."""
MAX_PIXELS_IN_WORK = 64_000_000
"""Pixels of all images that are worked on at once, 4 bytes each with their gray planes: what keeps
memory flat."""
_NO_BOXES = np.empty((0, 4), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ImageDetections:
    """An image, BGR or gray as the network wants it, and the boxes in it, drawn as `rule` says.

    Where they are `final`, each is kept, however unlikely the network finds it, and framed once.
    """

    image: Pixels
    detections: Detections
    rule: BoxRule
    final: bool = False


class Pipeline:
    """Finds the faces of an image and places points on each.

    `batch` is how many faces a call of the network had best take, where faces of several images
    are gathered; `fkd-infer tune` finds it for a machine.
    Several threads may use it at once.
    """

    def __init__(
        self,
        session: LandmarkSession,
        detector: Detector,
        min_presence: float = MIN_PRESENCE,
        refine: bool = True,
        batch: int = BATCH,
    ) -> None:
        check_detector(detector)
        self.session = session
        self.detector = detector
        self.min_presence = min_presence
        self.refine = refine
        self.batch = batch
        self.stopwatch = Stopwatch()
        self._detector_turn = threading.Lock()
        self._session_turn = threading.Lock()

    @property
    def card(self) -> ModelCard:
        """The card of the network."""
        return self.session.card

    def __call__(self, image: Pixels) -> list[Face]:
        """Faces of a BGR uint8 image (H, W, 3), best first; points in its pixels.

        Raises InvalidImageError for anything else, None from a failed cv2.imread included.
        """
        return self.find_faces(check_image(image), self.detector)

    def many(
        self, images: Iterable[Pixels], workers: int | None = None
    ) -> Generator[list[Face], None, None]:
        """The faces of each image, in order, as if it were called for one after the other.

        Threads, by default one for each core of this process, search several images at once, and
        gather their faces for the network. Images are taken in the calling thread, ahead by twice
        `batch` for each worker at most and by about MAX_PIXELS_IN_WORK pixels together. An error is
        raised in the place of the image that it is about.
        """
        workers = workers or available_threads()
        least = MAX_PIXELS_IN_WORK // (2 * workers * self.batch)
        pool: WorkerPool[Pixels, ImageDetections, list[Face], list[Face]] = WorkerPool(
            prepare=lambda image: self.detect(image, self.detector),
            is_full=self.fills_batch,
            process_batch=self.place_points,
            finish=lambda faces: faces,
            size=lambda image: max(1, least, check_image(image).size // 3),
            capacity=MAX_PIXELS_IN_WORK,
            workers=workers,
        )
        yield from pool(images)

    def find_faces(self, image: Pixels, detector: Detector) -> list[Face]:
        """The faces of one image, with another detector.

        What a detector takes for a face and the network does not is left out, where the network
        has a score.
        """
        return self.place_points([self.detect(image, detector)])[0]

    def detect(self, image: Pixels, detector: Detector) -> ImageDetections:
        """What a detector finds in an image: the first half of `find`, to be done by a thread."""
        with self.stopwatch("detect"):
            # One gray plane is enough for all crops, and for a detector that sees no colour.
            traits = detector.traits
            gray = self.card.input.channels == 1 and traits.takes_gray and not traits.sees_colour
            view = gray_plane(image) if gray else image
            with nullcontext() if traits.thread_safe else self._detector_turn:
                return ImageDetections(view, detector(view), detector.rule)

    def fills_batch(self, searched: Sequence[ImageDetections]) -> bool:
        """Whether that are as many faces as a call of the network had best take."""
        return sum(len(one.detections) for one in searched) >= self.batch

    def place(self, image: Pixels, found: Detections, rule: BoxRule) -> list[Face]:
        """A face for each of the boxes, however unlikely the network finds it."""
        return self.place_points([ImageDetections(check_image(image), found, rule, final=True)])[0]

    def place_points(self, searched: Sequence[ImageDetections]) -> list[list[Face]]:
        """The faces of each image: one call of the network for all of them, and one more to place
        points anew, since a face's own points frame it better than its detector did
        (docs/training.md has the gain)."""
        images = [one.image for one in searched]
        owners = np.repeat(np.arange(len(searched)), [len(one.detections) for one in searched])
        tight = [_tight(one.detections.boxes, one.rule) for one in searched]
        points, presence = self._predict(images, owners, np.concatenate([_NO_BOXES, *tight]))
        final = np.array([one.final for one in searched], bool)[owners]
        kept = final | self._sure(presence)
        if self.refine and (anew := np.flatnonzero(kept & ~final)).size:
            boxes = _tight(points_box(points[anew]), POINTS_BOX)
            points[anew], presence[anew] = self._predict(images, owners[anew], boxes)
            kept = final | self._sure(presence)
        return _faces(searched, owners, kept, points, presence)

    def landmarks(self, image: Pixels, boxes: ArrayLike, rule: BoxRule = POINTS_BOX) -> Floats:
        """Points (n, k, 2) for boxes (n, 4) xyxy, all in image pixels: one batched session call.

        `rule` says how the boxes are drawn: by default tightly around the points, from the brows
        to the chin; the rule of a detector for its boxes (`pipeline.detector.rule`).
        Raises InvalidImageError and InvalidBoxError.
        """
        return self.landmarks_with_presence(image, boxes, rule)[0]

    def landmarks_with_presence(
        self, image: Pixels, boxes: ArrayLike, rule: BoxRule = POINTS_BOX
    ) -> tuple[Floats, Presence]:
        """Points as `landmarks` has them, and how sure the network is of each face (n,), NaN where
        it does not say; none is left out, so that what follows a face may judge by itself.

        A network that wants gray also takes a gray image (H, W).
        """
        tight = _tight(boxes, rule)
        gray = self.card.input.channels == 1
        return self._predict([check_image(image, gray)], np.zeros(len(tight), int), tight)

    @contextmanager
    def profile(self, path: str | Path) -> Iterator[None]:
        """Writes what happens when in the block, in every thread, as a Chrome trace: the stages,
        and the network's operators. The file is whole or, after an exception, not there.

        The session is opened anew for the block, since ONNX Runtime decides then whether to
        measure. For chrome://tracing and ui.perfetto.dev.
        """
        path = Path(path)
        with atomic_write(path) as partial, TemporaryDirectory() as folder:
            session = self.session
            self.stopwatch.trace = trace = Trace()
            self.session = profiled = session.profiled(str(Path(folder) / "operators"))
            try:
                yield
            finally:
                self.session, self.stopwatch.trace = session, None
                operators, zero = profiled.end_profile()
            with output_errors(path):
                trace.write(partial, operators, zero)

    def _sure(self, presence: Presence) -> NDArray[np.bool_]:
        """Which faces the network sees too; all, where it has no say."""
        return np.isnan(presence) | (presence >= self.min_presence)

    def _predict(
        self, images: Sequence[Pixels], owners: NDArray[np.intp], boxes: Floats
    ) -> tuple[Floats, Presence]:
        """Points in pixels of their images and scores, for tight boxes (n, 4) in images[owners]."""
        size, channels, crop = self.card.input.size, self.card.input.channels, self.card.crop
        with self.stopwatch("crop"):
            matrices = crop_matrices(boxes, crop, size)
            batch = np.empty((len(boxes), size, size, channels), np.uint8)
            for number, owner in enumerate(owners):
                row = slice(number, number + 1)
                fill_batch(batch[row], images[owner], matrices[row], crop.border)
        session = self.session
        parallel = session.execution_provider.parallel_calls
        with nullcontext() if parallel else self._session_turn, self.stopwatch("landmarks"):
            points, scores = session.run(batch)
        presence = np.full(len(boxes), np.nan) if scores is None else scores.astype(np.float64)
        if scores is not None and not np.isfinite(presence).all():
            raise NonFiniteOutputError(self.card.name)
        return decode(points, matrices, self.card.name), presence


def _tight(boxes: ArrayLike, rule: BoxRule) -> Floats:
    """Boxes of the points (n, 4), from boxes that are drawn as a rule says."""
    return square_boxes(*apply_rule(as_boxes(boxes), rule))


def _faces(
    searched: Sequence[ImageDetections],
    owners: NDArray[np.intp],
    kept: NDArray[np.bool_],
    points: Floats,
    presence: Presence,
) -> list[list[Face]]:
    """Those of the faces that are kept, by image."""
    boxes = [box for one in searched for box in one.detections.boxes]
    scores = [float(score) for one in searched for score in one.detections.scores]
    faces: list[list[Face]] = [[] for _ in searched]
    for number in np.flatnonzero(kept).tolist():
        sure = None if np.isnan(presence[number]) else float(presence[number])
        face = Face(points[number], boxes[number], scores[number], presence=sure)
        faces[owners[number]].append(face)
    return faces


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    detector: str | Detector = DEFAULT_DETECTOR,
    detector_model: str | Path | None = None,
    provider: Provider = AUTO,
    threads: int | None = None,
    max_size: int | None = None,
    min_face: float | None = None,
    min_score: float | None = None,
    min_presence: float | None = None,
    refine: bool | None = None,
    settings: SessionSettings | None = None,
    tuned: bool = True,
    cuda: CudaSettings | None = None,
) -> Pipeline:
    """A pipeline, ready to call.

    `model`: a shipped model's name or an ONNX file from fkd-export. `detector`: a name, or any
    object with a `rule` that answers Detections for an image; `detector_model` is the file of "fkd"
    or "yunet", where it is not the usual one. `provider` "cuda" is used or raises ProviderError.
    Frames whose longer side is above `max_size` pixels are searched for faces at that size; 1280 by
    default, with "haar" 960. Faces of less than `min_face` pixels from brows to chin are left out,
    and those of so many are searched for in tiles where that size would show them too small.
    `min_score` is how sure the detector has to be, from 0 to 1. Faces of which the network is less
    sure than `min_presence`, from 0 to 1, are left out: 0.5 by default, and 0, which keeps all, for
    detector "none", whose word is final. A network without a score has no say. `refine` places the
    points again, in the box of the first ones, which frames a face better than a detector does; by
    default for all but detector "none".

    On the CPU, the network runs as `fkd-infer tune` found best for it on this machine, which may
    mean another file in its folder, of the same weights; `tuned=False` leaves that out, `settings`
    take its place, and `threads` win over both. Without all of them, `threads` are the cores of
    this process. `cuda` says how it runs on CUDA.
    """
    search_arguments = {
        "detector_model": detector_model,
        "max_size": max_size,
        "min_face": min_face,
        "min_score": min_score,
    }
    _check_detector(detector, search_arguments)
    session, batch = open_session(model, provider, threads, settings, tuned, cuda)
    if isinstance(detector, str):
        size = find_detector(detector).search_sizes.photos if max_size is None else max_size
        detector = build_detector(
            detector,
            session.card,
            Search(size, min_face, min_score),
            model=detector_model,
            provider=provider,
            threads=threads,
        )
    trusted = detector.traits.trusted
    if min_presence is None:
        min_presence = 0.0 if trusted else MIN_PRESENCE
    refine = not trusted if refine is None else refine
    return Pipeline(session, detector, min_presence, refine, batch)


def _check_detector(detector: str | Detector, search_arguments: Mapping[str, object]) -> None:
    """Raises DetectorError for an object that is no detector, and SettingsError for arguments that
    it has no use for."""
    if not isinstance(detector, str):
        check_detector(detector)
    given = [name for name, value in search_arguments.items() if value is not None]
    if given and not (isinstance(detector, str) and find_detector(detector).searches):
        raise SettingsError(given[0], f"is for the detectors {', '.join(SEARCHING)}, by name")


def decode(points_crop: Floats, matrices: Matrix, model: str) -> Floats:
    """Points (n, k, 2) in frame pixels from crop pixels and the crops' matrices (n, 2, 3).

    Raises NonFiniteOutputError, naming the model, for NaN and infinity.
    """
    if not np.isfinite(points_crop).all():
        raise NonFiniteOutputError(model)
    return transform(points_crop, invert(matrices))

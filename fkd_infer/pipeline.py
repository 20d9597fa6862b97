"""Composes detector, crop and landmark network: image → faces; `loading.py` opens them."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fkd_infer.choices import (
    BATCH,
    MIN_PRESENCE,
)
from fkd_infer.detection.base import Detector, check_detector
from fkd_infer.errors import DetectorError, NonFiniteOutputError
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, check_image, gray_plane
from fkd_infer.geometry.boxes import as_boxes, derived_boxes, points_box
from fkd_infer.geometry.crop import crop_matrices, fill_batch
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.system.arguments import AtLeastOne, checked
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.hardware import available_threads
from fkd_infer.system.stopwatch import Stopwatch
from fkd_infer.types import Detections, Face

Presence = NDArray[np.float64]
"""Presence scores (n,) of faces; NaN if the network has no score."""
MAX_PIXELS_IN_WORK = 64_000_000
"""Pixels of all images that are processed at once, which bounds memory: 4 bytes each, gray plane
included."""
_NO_BOXES = np.empty((0, 4), np.float32)
_NO_ROLLS = np.empty(0, np.float32)


@dataclass(slots=True, eq=False)
class Placement:
    """Points (n, k, 2) of n faces in image pixels, their presence (n,) and, if the network has such
    an output, their spread (n, k) in image pixels."""

    points: Floats
    presence: Presence
    spread: Floats | None

    def replace(self, rows: NDArray[np.intp], other: Placement) -> None:
        """Replaces the faces of these rows by those of another placement."""
        self.points[rows], self.presence[rows] = other.points, other.presence
        if self.spread is not None and other.spread is not None:
            self.spread[rows] = other.spread

    def spread_of(self, row: int) -> Floats | None:
        """The spread (k,) of one face."""
        return None if self.spread is None else self.spread[row]


@dataclass(frozen=True, slots=True, eq=False)
class ImageDetections:
    """An image, BGR or gray, and its detections, whose boxes `rule` leads to the points' boxes.

    If they are `final`, none is left out for its presence, and points are placed once.
    """

    image: Pixels
    detections: Detections
    rule: BoxRule
    final: bool = False


class Pipeline:
    """Finds the faces of images and places points on each: what `load` returns.

    Thread-safe. It can be copied and pickled: it arrives as the arguments that open it, and loads
    its models there, so it works in `multiprocessing` with the start method "spawn", and in the
    workers of a torch `DataLoader`.

    `batch` is the preferred number of faces in one call of the network when faces of several images
    are processed together; `fkd-infer tune` measures it for a machine. Faces with a presence below
    `min_presence` are left out, and `refine` places points twice. Raises DetectorError for an
    object that is no detector.

    Examples:
        >>> import fkd_infer
        >>> pipeline = fkd_infer.load()
        >>> faces = pipeline(fkd_infer.read_image("holiday/twice.jpg"))
        >>> [face.points.shape for face in faces]
        [(68, 2), (68, 2)]
    """

    detector: Detector
    """The detector; `detector.rule` leads from its boxes to those of the points."""
    stopwatch: Stopwatch
    """Times: `stopwatch.seconds` has those of each stage, in seconds, summed over all threads."""

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
        self._detector_lock = threading.Lock()
        self._session_lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles the pipeline by its parts, which are loaded anew where they arrive."""
        parts = (self.session, self.detector, self.min_presence, self.refine, self.batch)
        return type(self), parts

    @property
    def card(self) -> ModelCard:
        """The landmark network's card."""
        return self.session.card

    def __call__(self, image: Pixels) -> list[Face]:
        """The faces of a BGR uint8 image (H, W, 3), best first; points in its pixels.

        Raises InvalidImageError for anything else, including None from a failed cv2.imread.
        """
        return self.find_faces(check_image(image), self.detector)

    @checked
    def many(
        self, images: Iterable[Pixels], workers: AtLeastOne | None = None
    ) -> Generator[list[Face], None, None]:
        """Yields the faces of each image, in order, as if the pipeline were called for each.

        Threads, by default one for each core of this process, detect faces in several images at
        once and batch them for the network. Images are read from the iterable in the calling
        thread, ahead by at most twice `batch` for each worker and by about 64 million pixels
        altogether, so memory stays constant. An error, such as InvalidImageError, is raised when
        the image that caused it has its turn. To stop early, leave the loop: the threads end when
        the iterator is closed or garbage-collected.

        With one worker for each core, threads within an image gain nothing: `load(threads=1)` turns
        off the network's, and `cv2.setNumThreads(1)` OpenCV's, which this never changes by itself.

        Examples:
            >>> import fkd_infer
            >>> pipeline = fkd_infer.load(threads=1)
            >>> photos = fkd_infer.expand_sources("holiday")
            >>> images = (fkd_infer.read_image(photo.path) for photo in photos)
            >>> for photo, faces in zip(photos, pipeline.many(images)):
            ...     print(photo.name, len(faces))
            holiday/at-the-border.jpg 1
            holiday/dark.jpg 1
            holiday/nobody.jpg 0
            holiday/small.jpg 4
            holiday/tilted.jpg 1
            holiday/twice.jpg 2
        """
        from fkd_infer.system.worker_pool import WorkerPool  # load() does not wait for it

        workers = workers or available_threads()
        min_size = MAX_PIXELS_IN_WORK // (2 * workers * self.batch)
        pool: WorkerPool[Pixels, ImageDetections, list[Face], list[Face]] = WorkerPool(
            prepare=lambda image: self.detect(image, self.detector),
            is_full=self.fills_batch,
            process_batch=self.place_points,
            finish=lambda faces: faces,
            size=lambda image: max(1, min_size, check_image(image).size // 3),
            capacity=MAX_PIXELS_IN_WORK,
            workers=workers,
        )
        yield from pool(images)

    def find_faces(self, image: Pixels, detector: Detector) -> list[Face]:
        """The faces of one image, with another detector.

        Detections with a presence below `min_presence` are left out, if the network has a score.
        """
        return self.place_points([self.detect(image, detector)])[0]

    def detect(self, image: Pixels, detector: Detector) -> ImageDetections:
        """Runs a detector on an image: the first step of `find_faces`."""
        with self.stopwatch("detect"):
            # A gray plane is enough for all crops, and for a detector that sees no colour.
            traits = detector.traits
            gray = self.card.input.channels == 1 and traits.takes_gray and not traits.sees_colour
            view = gray_plane(image) if gray else image
            with nullcontext() if traits.thread_safe else self._detector_lock:
                detections: object = detector(view)  # may be anybody's
            if not isinstance(detections, Detections):
                got = type(detections).__name__
                problem = f"it returned {got} for an image, not Detections"
                raise DetectorError(type(detector).__name__, problem)
            return ImageDetections(view, detections, detector.rule)

    def fills_batch(self, images: Sequence[ImageDetections]) -> bool:
        """Whether the detections of these images fill a batch."""
        return sum(len(image.detections) for image in images) >= self.batch

    def place_points(self, images: Sequence[ImageDetections]) -> list[list[Face]]:
        """The faces of each image, in one call of the network; a second one refines them.

        The points frame a face better than its detector does; docs/how-to/training.md has the
        gain.
        """
        boxes = np.concatenate(
            [_NO_BOXES, *(tight_boxes(image.detections, image.rule) for image in images)]
        )
        rolls = np.concatenate([_NO_ROLLS, *(image.detections.known_rolls() for image in images)])
        owners = [image for image in images for _ in range(len(image.detections))]
        pixels = [image.image for image in owners]
        final = np.array([image.final for image in owners], bool)
        placed = self._predict(pixels, boxes, rolls)
        keep = final | self.is_present(placed.presence)
        if self.refine and (rows := np.flatnonzero(keep & ~final)).size:
            boxes = derived_boxes(points_box(placed.points[rows]), POINTS_BOX)
            again = self._predict([pixels[row] for row in rows.tolist()], boxes, rolls[rows])
            placed.replace(rows, again)
            keep = final | self.is_present(placed.presence)
        return _faces(images, keep, placed)

    def is_present(self, presence: Presence) -> NDArray[np.bool_]:
        """Which faces the network accepts; all of them if it has no score."""
        return np.isnan(presence) | (presence >= self.min_presence)

    def landmarks(self, image: Pixels, boxes: ArrayLike, rule: BoxRule = POINTS_BOX) -> Floats:
        """Points (n, k, 2) float32 for boxes (n, 4), all in image pixels: one batched call.

        By default, boxes are tight around the points, from the brows to the chin; for a detector's
        boxes, pass its rule. No face is left out for its presence, and points are placed once.
        Raises InvalidImageError and InvalidBoxError.

        Examples:
            >>> import fkd_infer
            >>> pipeline = fkd_infer.load()
            >>> image = fkd_infer.read_image("photo.jpg")
            >>> boxes = [face.box for face in pipeline(image)]
            >>> pipeline.landmarks(image, boxes, pipeline.detector.rule).shape
            (1, 68, 2)
        """
        return self.place(image, boxes, rule).points

    def place(
        self,
        image: Pixels,
        boxes: ArrayLike,
        rule: BoxRule = POINTS_BOX,
        rolls: Floats | None = None,
    ) -> Placement:
        """Points as from `landmarks`, with presence and spread; no face is left out.

        Faces are turned by `rolls` (n,), in degrees clockwise; None: all are upright. A gray
        network also accepts a gray image (H, W).
        """
        tight = derived_boxes(as_boxes(boxes), rule, rolls)
        pixels = check_image(image, gray=self.card.input.channels == 1)
        return self._predict([pixels] * len(tight), tight, rolls)

    @contextmanager
    def profile(self, path: str | Path) -> Iterator[None]:
        """Writes a Chrome trace of the block: stages of all threads, operators of the network.

        View it in ui.perfetto.dev or chrome://tracing. After an exception, no file is written. The
        session is reopened for the block, since ONNX Runtime enables profiling only then. Raises
        OutputError if the file cannot be written.

        Examples:
            >>> import fkd_infer
            >>> pipeline = fkd_infer.load()
            >>> with pipeline.profile("trace.json"):
            ...     faces = pipeline(fkd_infer.read_image("photo.jpg"))
            >>> sorted(pipeline.stopwatch.seconds)
            ['crop', 'detect', 'landmarks']
        """
        from fkd_infer.system.chrome_trace import Trace  # load() does not wait for it

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

    def _predict(self, images: Sequence[Pixels], boxes: Floats, rolls: Floats | None) -> Placement:
        """Places points in tight boxes (n, 4), each in its image."""
        size, channels, crop = self.card.input.size, self.card.input.channels, self.card.crop
        with self.stopwatch("crop"):
            matrices = crop_matrices(boxes, crop, size, rolls)
            batch = np.empty((len(boxes), size, size, channels), np.uint8)
            fill_batch(batch, images, matrices, crop.border)
        session = self.session
        parallel = session.execution_provider.parallel_calls
        with nullcontext() if parallel else self._session_lock, self.stopwatch("landmarks"):
            points, scores, spreads = session.run(batch)
        for part in (scores, spreads):
            if part is not None and not np.isfinite(part).all():
                raise NonFiniteOutputError(self.card.name)
        presence = np.full(len(boxes), np.nan) if scores is None else scores.astype(np.float64)
        if spreads is not None:
            scales = np.asarray(np.hypot(matrices[:, :1, 0], matrices[:, 1:, 0]), np.float32)
            spreads = spreads / scales
        return Placement(decode(points, matrices, self.card.name), presence, spreads)


def tight_boxes(detections: Detections, rule: BoxRule) -> Floats:
    """Boxes of the points (n, 4), from a detector's boxes and its rule."""
    return derived_boxes(as_boxes(detections.boxes), rule, detections.rolls)


def _faces(
    images: Sequence[ImageDetections], keep: NDArray[np.bool_], placed: Placement
) -> list[list[Face]]:
    """The faces to keep, by image."""
    faces: list[list[Face]] = []
    first = 0
    for image in images:
        end = first + len(image.detections)
        numbers = np.flatnonzero(keep[first:end]).tolist()
        faces.append([_face(image.detections, n, placed, first + n) for n in numbers])
        first = end
    return faces


def _face(detections: Detections, number: int, placed: Placement, row: int) -> Face:
    """The face of a detection, whose points are in a row of the placement."""
    presence = float(placed.presence[row])
    return Face(
        placed.points[row],
        detections.boxes[number],
        float(detections.scores[number]),
        presence=None if math.isnan(presence) else presence,
        roll=0.0 if detections.rolls is None else float(detections.rolls[number]),
        spread=placed.spread_of(row),
    )


def decode(points_crop: Floats, matrices: Matrix, model: str) -> Floats:
    """Points (n, k, 2) in frame pixels, from crop pixels and the crops' matrices (n, 2, 3).

    Raises NonFiniteOutputError, with the model's name, for NaN and infinity.
    """
    if not np.isfinite(points_crop).all():
        raise NonFiniteOutputError(model)
    return transform(points_crop, invert(matrices))

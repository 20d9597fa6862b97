"""Finds faces and places their points with one file, wholly on the device that runs it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import cycle, islice

import numpy as np

from fkd_infer.choices import BATCH
from fkd_infer.detection.tiling import View
from fkd_infer.errors import SettingsError
from fkd_infer.geometry.arrays import Matrix, Pixels, check_image
from fkd_infer.geometry.transforms import transform
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.end_to_end.session import EndToEndSession, ImageFaces
from fkd_infer.runtime.end_to_end.slots import Slot
from fkd_infer.system.arguments import AtLeastOne, checked
from fkd_infer.types import Face

_SLOTS = 3
"""One batch is run, one waits for that, and one is filled."""
_BATCH_PIXELS = 16_000_000
"""Pixels of the images in one call, unless another number of images is asked for."""
_GRAY = 127
"""Around images that are smaller than those of a file for one size."""


class EndToEndPipeline:
    """Finds the faces of images and places points on each, with an end-to-end file of fkd-export.

    Detector, crop and network are one graph: frames go to the device, and only boxes, scores and
    points come back. Thread-safe, and can be pickled. A file for images of one size gets others
    too: larger ones are downscaled to it, smaller ones get gray at the right and below; points and
    boxes are in pixels of the image that was given. `load(file, end_to_end=True)` opens it.
    """

    def __init__(self, session: EndToEndSession) -> None:
        self.session = session

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles the pipeline by its session, which is started anew."""
        return type(self), (self.session,)

    @property
    def card(self) -> ModelCard:
        """The landmark network's card; `session.card` is that of the whole file."""
        return self.session.card.landmarks

    @property
    def batch(self) -> int:
        """The number of images in one call of `many`, if no other is asked for.

        Of files that take any number, it is 16, or fewer above 1 megapixel.
        """
        size, batch = self.session.card.image_size, self.session.batch
        if batch is None or size is None:
            return 1
        if isinstance(batch, int):
            return batch
        height, width = size
        return min(BATCH, max(1, _BATCH_PIXELS // (height * width)))

    def __call__(self, image: Pixels) -> list[Face]:
        """The faces of a BGR uint8 image (H, W, 3), best first; points in its pixels.

        Raises InvalidImageError for anything else, including None from a failed cv2.imread.
        """
        image, size, batch = check_image(image), self.session.card.image_size, self.session.batch
        if size is None:
            return _faces(self.session.run(image[None])[0])
        count = batch if isinstance(batch, int) else 1
        images = np.zeros((count, *size, 3), np.uint8)
        matrix = fit(image, images[0])
        return _faces(self.session.run(images)[0], matrix)

    @checked
    def many(
        self, images: Iterable[Pixels], batch: AtLeastOne | None = None
    ) -> Generator[list[Face], None, None]:
        """Yields the faces of each image, in order, as if the pipeline were called for each.

        A thread reads images and sends them to the device, at most two batches ahead of the one
        that runs, through buffers that are allocated once. `batch` is the number of images in one,
        for files that take any. With large batches and a slow source, faces come late: a camera is
        better served one by one. An error is raised when the image that caused it has its turn.
        Raises SettingsError for a number that the file does not take.
        """
        from fkd_infer.system.prefetch import prefetch  # load() does not wait for it

        if batch not in (None, self.batch) and self.session.batch != "dynamic":
            problem = f"is {batch}, but the file takes {self.batch} at a time"
            raise SettingsError("batch", problem, "export it with fkd-export --batch dynamic")
        if self.session.card.image_size is None:
            with closing(prefetch(images, name="images")) as ahead:
                yield from map(self, ahead)
            return
        slots = self.session.slots(_SLOTS, batch or self.batch)
        # While one slot is run, another waits for that in the queue: the third one can be filled.
        with closing(prefetch(self._filled(slots, images), 1, "images")) as filled:
            for slot, matrices in filled:
                found = self.session.run_slot(slot, len(matrices))
                yield from map(_faces, found, matrices)

    def _filled(
        self, slots: Sequence[Slot], images: Iterable[Pixels]
    ) -> Iterator[tuple[Slot, Sequence[Matrix]]]:
        """Fills slots in turn, and sends them; yields each with the matrices of its images.

        A slot is filled again when the last one but one has been taken.
        """
        source = iter(images)
        for slot in cycle(slots):
            matrices: list[Matrix] = []
            failure: Exception | None = None
            try:
                for image in islice(source, len(slot.images)):
                    matrices.append(fit(check_image(image), slot.images[len(matrices)]))
            except Exception as error:  # noqa: BLE001 (raised when the images before it are done)
                failure = error
            if matrices:
                self.session.send_slot(slot)
                yield slot, matrices
            if failure is not None:
                raise failure
            if len(matrices) < len(slot.images):
                return


def fit(image: Pixels, place: Pixels) -> Matrix:
    """Writes an image into a place (H, W, 3); returns the matrix (2, 3) from there to the image.

    A larger image is downscaled, without changing its shape; what is missing at the right and below
    is gray.
    """
    height, width = image.shape[:2]
    factor = max(1.0, height / place.shape[0], width / place.shape[1])
    part, matrix = View(0, 0, width, height, factor).extract(image)
    rows, columns = part.shape[:2]
    place[:rows, :columns] = part
    place[rows:] = _GRAY
    place[:rows, columns:] = _GRAY
    return np.asarray(matrix, np.float64)


def _faces(found: ImageFaces, matrix: Matrix | None = None) -> list[Face]:
    """The faces of an image; with a matrix (2, 3), in pixels of the image that it leads to."""
    boxes, points, spread = found.boxes, found.points, found.spread
    if matrix is not None:
        boxes = transform(boxes.reshape(-1, 2, 2), matrix).reshape(-1, 4)
        points = transform(points, matrix)
        spread = None if spread is None else spread * np.float32(np.diag(matrix[:, :2]).mean())
    return [
        Face(
            points[row],
            boxes[row],
            score,
            presence=None if found.presence is None else float(found.presence[row]),
            spread=None if spread is None else spread[row],
        )
        for row, score in enumerate(found.scores.tolist())
    ]

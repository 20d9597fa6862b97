"""Looks for what is probably wrong in annotated faces that can be read, and in their scheme."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_train.data.faces import Faces
from fkd_train.data.shapes import distances_from, extents, mean_shape
from fkd_train.errors import DatasetError, RecipeError

SMALL = 24
"""Pixels; smaller faces, from brows to chin, show few details."""
_UNLIKE = 6.0
"""A face is unlike the others if its shape is so many times as far from their mean as usual."""

_FAR, _NEAR = 0.12, 0.25
"""A point's partner is wrong if its reflection misses it by more than this share of the distance of
the outer eye corners, and lies within this share of that miss from another point."""
_ONE_SIDED = 0.25
"""Of faces from the front, reflected points lie this near to other points, on average, as a share
of the usual distance between neighbours; of turned ones they do not."""
_SAMPLE = 2000
"""Faces whose mean shape mirror pairs are checked on."""
_NAMED = 10
"""Wrong pairs that a message names."""


@dataclass(frozen=True)
class Suspicion:
    """Something that is probably wrong, and the faces (rows) that show it."""

    what: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class FaceSizes:
    """The smallest, median and largest of some lengths in pixels."""

    smallest: float
    median: float
    largest: float

    @classmethod
    def of(cls, lengths: NDArray[np.floating]) -> FaceSizes:
        """The summary of lengths (n,)."""
        return cls(float(lengths.min()), float(np.median(lengths)), float(lengths.max()))

    def __str__(self) -> str:
        return f"{self.smallest:.0f} to {self.largest:.0f} px, median {self.median:.0f}"


def image_sides(faces: Faces) -> FaceSizes:
    """The longer sides of the images."""
    return FaceSizes.of(np.array([max(image.shape[:2]) for image in faces.images], float))


def face_sides(faces: Faces) -> FaceSizes:
    """The longer sides of the points' boxes."""
    return FaceSizes.of(extents(faces.points))


def suspicions(faces: Faces) -> list[Suspicion]:
    """What is probably wrong in the faces of one part of a data set; empty if nothing is."""
    swapped = _swapped(faces)
    found = [
        Suspicion("points outside of the image", _outside(faces)),
        Suspicion(f"faces smaller than {SMALL} px", _rows(extents(faces.points) < SMALL)),
        Suspicion("left and right points swapped", swapped),
        Suspicion("faces upside down or on their side", _without(swapped, _turned(faces))),
        Suspicion("shapes unlike all others", _without(swapped, _unlike(faces))),
    ]
    found += [
        Suspicion("the same image twice", tuple(rows))
        for rows in _by_image(faces).values()
        if len(rows) > 1
    ]
    return [suspicion for suspicion in found if suspicion.rows]


def shared_images(parts: Mapping[str, Faces]) -> list[tuple[str, str, int]]:
    """Pairs of parts that have images in common, and how many."""
    digests = {name: set(_by_image(faces)) for name, faces in parts.items()}
    names = list(parts)
    shared = [
        (one, other, len(digests[one] & digests[other]))
        for number, one in enumerate(names)
        for other in names[number + 1 :]
    ]
    return [row for row in shared if row[2]]


def _rows(selected: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(selected).tolist())


def _without(known: tuple[int, ...], rows: tuple[int, ...]) -> tuple[int, ...]:
    """The rows that are not already suspicious for another reason."""
    return tuple(row for row in rows if row not in known)


def _outside(faces: Faces) -> tuple[int, ...]:
    sizes = np.array([image.shape[1::-1] for image in faces.images], np.float32)[:, None]
    points = faces.labelled_points
    beyond: NDArray[np.bool_] = (points < -0.5) | (points > sizes - 0.5)
    return _rows(np.asarray(beyond.any(axis=(1, 2))))


def _by_image(faces: Faces) -> dict[str, list[int]]:
    """Rows by the digest of their pixels."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, image in enumerate(faces.images):
        digest = hashlib.sha256(str(image.shape).encode() + image.tobytes())
        rows[digest.hexdigest()].append(row)
    return rows


def _turned(faces: Faces) -> tuple[int, ...]:
    """Faces whose outer eye corners, by their names, are more vertical than horizontal, or the
    wrong way round."""
    left, right = faces.scheme.outer_eye_corners
    x, y = np.moveaxis(faces.points[:, right] - faces.points[:, left], -1, 0)
    return _rows(np.abs(np.degrees(np.arctan2(y, x))) > 60)


def _swapped(faces: Faces) -> tuple[int, ...]:
    """Faces that fit the mean face better with the points of each mirror pair exchanged."""
    permutation = faces.scheme.flip_permutation
    if (permutation == np.arange(len(permutation))).all() or faces.scheme.count < 3:
        return ()
    mean = mean_shape(faces.points)
    as_given = distances_from(mean, faces.points)
    return _rows(distances_from(mean, faces.points[:, permutation]) < 0.5 * as_given)


def _unlike(faces: Faces) -> tuple[int, ...]:
    if len(faces) < 10 or faces.scheme.count < 3:
        return ()
    distances = distances_from(mean_shape(faces.points), faces.points)
    return _rows(distances > _UNLIKE * max(float(np.median(distances)), 1e-6))


@dataclass(frozen=True)
class WrongPair:
    """A point, and the partners that the scheme and the faces give it: itself for a point that
    stays in place in a mirrored image."""

    point: int
    given: int
    likely: int

    def __str__(self) -> str:
        return (
            f"{_pair_text(self.point, self.given)} is likely {_pair_text(self.point, self.likely)}"
        )


def _pair_text(point: int, partner: int) -> str:
    return f"{point} alone" if point == partner else f"[{point}, {partner}]"


def wrong_mirror_pairs(faces: Faces) -> list[WrongPair] | None:
    """The points whose partners in the scheme's mirror pairs are probably others; None if the faces
    are turned to one side, so that it cannot be told.

    Reflects the mean shape at the perpendicular bisector of the outer eye corners. Two points are
    partners if each one's reflection is nearest to the other.
    """
    rows = np.linspace(0, len(faces) - 1, min(_SAMPLE, len(faces))).astype(int)
    mean = mean_shape(faces.points[rows])
    first, last = mean[list(faces.scheme.outer_eye_corners)]
    mean = (mean - (first + last) / 2) / (last - first)
    between = np.abs(mean[:, None] - mean)
    np.fill_diagonal(between, np.inf)
    misses = np.abs(-mean.conj()[:, None] - mean)
    numbers = np.arange(len(mean))
    nearest, given = misses.argmin(axis=1), faces.scheme.flip_permutation
    left = misses[numbers, nearest]
    if left.mean() > _ONE_SIDED * np.median(between.min(axis=1)):
        return None
    off = misses[numbers, given]
    is_wrong = (nearest[nearest] == numbers) & (off > _FAR) & (left < _NEAR * off)
    return [
        WrongPair(point, int(given[point]), int(nearest[point]))
        for point in np.flatnonzero(is_wrong).tolist()
    ]


def describe_pairs(wrong: Sequence[WrongPair]) -> str:
    """Names wrong pairs and the likely ones, each once, in one line."""
    named: dict[frozenset[int], str] = {}
    for one in wrong:
        named.setdefault(frozenset((one.point, one.likely)), str(one))
    texts = list(named.values())
    more = len(texts) - _NAMED
    return "; ".join(texts[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def check_training_faces(faces: Faces, recipe: str, flip: float) -> None:
    """Raises DatasetError for points that no face has labelled, and RecipeError if mirrored images
    are to be trained on by mirror pairs that are probably wrong."""
    scheme = faces.scheme
    never = np.flatnonzero(~faces.labels.any(axis=0)).tolist()
    if len(faces) and never:
        named = ", ".join(map(str, never[:_NAMED])) + (", …" if len(never) > _NAMED else "")
        problem = f"no training face has a label for these points of {scheme.name}: {named}"
        raise DatasetError("the data", [problem], "use a scheme without them")
    wrong = wrong_mirror_pairs(faces) if flip and len(faces) else None
    if wrong:
        problem = f"mirror_pairs of {scheme.name} do not fit the faces: {describe_pairs(wrong)}"
        fix = "correct them or the order of the data's points; augment.flip = 0 trains without them"
        raise RecipeError(recipe, problem, fix)

"""Faces of every size, as users have them: a portrait from 16 to 2,400 pixels, and whole photos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from repo_paths import PHOTOS_FOLDER

import fkd_infer
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.transforms import transform

pytestmark = pytest.mark.slow
pytest.importorskip("skimage", reason="needs the demo extra: pip install 'fkd[demo]'")

SIZES = (16, 24, 40, 60, 100, 160, 260, 420, 700, 1200, 2400)
SEARCHES: dict[str, dict[str, float]] = {
    "the defaults": {},
    "640 px": {"max_size": 640},
    "tiles": {"max_size": 640, "min_face": 12},
}


@pytest.fixture(scope="module")
def portrait() -> tuple[Pixels, Floats]:
    """The astronaut, and the points of her face."""
    from skimage import data

    image = np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    (face,) = fkd_infer.load(provider="cpu")(image)
    return image, face.points


def shown(
    portrait: tuple[Pixels, Floats], size: float, margin: float | None
) -> tuple[Pixels, Floats]:
    """The portrait with a face of a size; cut to the face's square times `margin`, or whole."""
    image, points = portrait
    low, high = points.min(axis=0), points.max(axis=0)
    corner, extent = np.zeros(2), np.array(image.shape[1::-1], float)
    if margin is not None:
        side = float((high - low).max()) * margin
        corner, extent = (low + high - side) / 2, np.array([side, side])
    scale = size / float((high - low).max())
    matrix = np.column_stack([scale * np.eye(2), scale * (0.5 - corner) - 0.5])
    # Small faces are averaged, as a camera does.
    averaged, back = downscale(image, max(1.0, 1 / scale))
    width, height = np.ceil(scale * extent).astype(int).tolist()
    from_averaged = matrix @ np.vstack([back, [0, 0, 1]])
    drawn = cv2.warpAffine(
        averaged, from_averaged, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn, np.uint8), transform(points, matrix)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_face_of_any_size_is_found_once(search: str, portrait: tuple[Pixels, Floats]) -> None:
    pipeline = fkd_infer.load(provider="cpu", tuned=False, **SEARCHES[search])  # type: ignore[call-overload]
    wrong = []
    for size in SIZES:
        for margin in (None, 2.0, 1.2, 0.9):
            image, points = shown(portrait, size, margin)
            visible = size * (5 if margin is None else margin)
            if max(image.shape) > 13_000 or visible < 24:
                continue
            searched = size / max(1, max(image.shape) / pipeline.detector.search.max_size)
            if searched < 12 and search != "tiles":
                continue
            faces = pipeline(image)
            errors = [float(np.abs(face.points - points).mean()) / size for face in faces]
            if sum(error < 0.1 for error in errors) != 1:
                wrong.append((size, margin, len(faces), errors))
    assert wrong == []


def test_the_annotated_faces_of_whole_photos_are_found() -> None:
    """300-W's photos of training faces that the detector was not trained on."""
    if not PHOTOS_FOLDER.is_dir():
        pytest.skip(f"no photos at {PHOTOS_FOLDER}; set FKD_PHOTOS to a folder of 300-W")
    pytest.importorskip("torch", reason="reads the annotations as fkd-train does")
    from fkd_train.data.dataset import read_faces

    photos = read_faces(PHOTOS_FOLDER, "training", colour=True)
    for size in (1280, 640):
        pipeline = fkd_infer.load(provider="cpu", tuned=False, max_size=size)
        missed = []
        for name, image, points in zip(photos.names, photos.images, photos.points, strict=True):
            distance = float(np.linalg.norm(points[36] - points[45]))
            errors = [
                float(np.linalg.norm(face.points - points, axis=1).mean()) / distance
                for face in pipeline(image)
            ]
            if min(errors, default=np.inf) > 0.25:
                missed.append(name)
        assert not missed, f"searched at {size} px: {missed}"

"""Finds the faces of a photo and draws their points: python points.py photo.jpg points.png."""

from __future__ import annotations

import sys

import cv2
import numpy as np

import fkd_infer


def main(path: str, out: str) -> None:
    """Prints the faces of a photo, and writes it with their lines."""
    pipeline = fkd_infer.load()
    image = fkd_infer.read_image(path)
    faces = pipeline(image)
    for face in faces:
        x, y = face.points[30]  # the tip of the nose
        print(f"a face with score {face.score:.2f}, the tip of its nose at {x:.0f}, {y:.0f}")
        draw(image, face, pipeline.card)
    if not cv2.imwrite(out, image):
        sys.exit(f"{out}: cannot be written")
    print(f"{path}: {len(faces)} faces, drawn in {out}")


def draw(image: np.ndarray, face: fkd_infer.Face, card: fkd_infer.ModelCard) -> None:
    """Draws a line along each part of the face: jaw, brows, nose, eyes, lips."""
    scheme = card.landmarks
    for part, points in scheme.groups.items():
        line = np.rint(face.points[list(points)] * 16).astype(np.int32)  # sixteenths of a pixel
        cv2.polylines(image, [line], part in scheme.closed, (0, 255, 255), 1, cv2.LINE_AA, 4)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except fkd_infer.FkdError as error:  # its line says what is wrong, and what to do
        sys.exit(str(error))

"""A sheet of a data set's faces with their points, to look at before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.marks import WHITE_TEXT, draw_outlined_text
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.crop import crop, crop_matrices
from fkd_infer.geometry.rules import CropRule
from fkd_infer.geometry.transforms import transform
from fkd_infer.media.images.writing import write_image
from fkd_infer.types import Face, Frame
from fkd_train.data.faces import Faces
from fkd_train.reports.point_marks import draw_points

_TILE = 200
_COLUMNS = 8
_WRONG, _USUAL = 12, 20
"""Faces of each part that look wrong, and others."""
_RULE = CropRule(1.5, (0.0, 0.0), "black")


def write_data_sheet(
    path: Path, parts: Mapping[str, Faces], suspicious: Mapping[str, Sequence[int]]
) -> None:
    """Writes a sheet with lines of faces for each part, those that look wrong first and framed."""
    tiles = [tile for name, faces in parts.items() for tile in _tiles(faces, suspicious[name])]
    blank = np.full((_TILE, _TILE, 3), 255, np.uint8)
    tiles += [blank] * (-len(tiles) % _COLUMNS)
    lines = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    write_image(path, np.vstack(lines))


def _tiles(faces: Faces, suspicious: Sequence[int]) -> list[Pixels]:
    wrong = list(dict.fromkeys(suspicious))[:_WRONG]
    usual = np.linspace(0, len(faces) - 1, min(_USUAL, len(faces))).astype(int).tolist()
    others = [row for row in usual if row not in wrong]
    return [_tile(faces, row, True) for row in wrong] + [_tile(faces, row, False) for row in others]


def _tile(faces: Faces, row: int, is_wrong: bool) -> Pixels:
    points = faces.points[row]
    matrix = crop_matrices(points_box(points)[None], _RULE, _TILE)[0]
    pixels = crop(bgr_image(faces.images[row]), matrix, _TILE, 3, _RULE.border)
    moved = transform(points, matrix)
    face = Face(moved, np.array([0, 0, _TILE, _TILE], np.float32))
    drawn = Annotator(faces.scheme, ("contours",))(Frame(pixels, "sheet"), [face]).image
    draw_points(drawn, moved[faces.labels[row]])
    if is_wrong:
        drawn[:3] = drawn[-3:] = drawn[:, :3] = drawn[:, -3:] = (0, 0, 255)
    draw_outlined_text(drawn, Path(faces.names[row]).stem, (6, _TILE - 8), 0.4, WHITE_TEXT)
    return drawn

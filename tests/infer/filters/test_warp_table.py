from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from repo_paths import DOCS

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.filters.filter import load_filter
from fkd_infer.filters.warp import Warp
from fkd_infer.filters.warp_table import WARPS
from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.head_model import HeadPose, mean_head
from fkd_infer.types import Face


class StampWarp(Warp):
    """Copies the picture to the first anchor's pixel in the frame."""

    min_anchors = 2

    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, paint: Paint) -> None:
        x, y = np.rint(self.anchors.of_face(points)[0]).astype(int)
        with canvas.ink((x, y, x + 2, y + 2)) as ink:
            ink.pixels[:] = self.texture.image[:2, :2, :3]


def test_a_new_warp_is_a_class_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WARPS, "stamp", StampWarp)
    anchors = [{"points": [36], "at": [0, 0]}, {"points": [45], "at": [9, 0]}]
    layer = {"image": "a.png", "anchors": anchors, "warp": "stamp"}
    pack = {"version": 1, "name": "a", "title": "A", "layers": [layer]}
    (tmp_path / "filter.json").write_text(json.dumps(pack))
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4, 4), 200, np.uint8))
    points = (40 * mean_head()[:, :2] + 60).astype(np.float32)
    canvas = np.zeros((120, 120, 3), np.uint8)
    load_filter(tmp_path).draw(canvas, [Face(points, np.array([0, 0, 9, 9], np.float32))])
    x, y = np.rint(points[36]).astype(int)
    assert (canvas[y : y + 2, x : x + 2] == 200).all()
    assert np.count_nonzero(canvas) == 12


def test_the_documentation_explains_every_warp() -> None:
    rows = (DOCS / "how-to" / "filters.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith("| `warp`")]
    for name in WARPS:
        assert f"`{name}`:" in row

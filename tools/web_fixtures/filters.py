"""Where the pictures of filters lie on faces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Box
from fkd_infer.canvas.image_canvas import ImageCanvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.filters.filter import (
    WarpedLayer,
    brightness_gain,
    builtin_filters,
    load_filter,
    mouth_openness,
)
from fkd_infer.filters.fitting import fit_affine, fit_similarity
from fkd_infer.filters.pack import BUILTIN_PACKS
from fkd_infer.filters.texture import Texture
from fkd_infer.filters.warp_flat import AffineWarp, PiecewiseWarp
from fkd_infer.filters.warp_head import HeadWarp
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.landmarks.head_model import HeadPose, fit_pose, mean_head
from tools.web_fixtures.folder import FixtureFolder


class _Recorder(ImageCanvas):
    """A canvas that notes what would be blended into it."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(np.zeros((height, width, 3), np.uint8))
        self.patches: list[tuple[Box, Pixels]] = []

    def blend(self, box: Box, picture: Pixels, paint: Paint) -> None:
        """Notes a picture and its place."""
        self.patches.append((box, picture))


class _Luma(_Recorder):
    """A canvas of which these samples (h, w) are seen."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        super().__init__(64, 64)
        self._samples = samples

    def brightness(self, box: Box, samples: int) -> NDArray[np.float32]:
        """The samples."""
        return self._samples


def filters(fixtures: FixtureFolder, folder: Path) -> dict[str, object]:
    """Where the pictures of all filters lie on faces of all poses."""
    own = _own_pack(folder / "own")
    faces = list(_posed_faces())
    poses = [fit_pose(points) for points in faces]
    tables = []
    for pack in [*(BUILTIN_PACKS / name for name in builtin_filters()), own]:
        loaded = load_filter(pack)
        pictures = {
            layer.layer.image: fixtures.picture(
                f"{pack.name}-{layer.layer.image}", _picture(pack / layer.layer.image)
            )
            for layer in loaded.layers
        }
        placed = [
            [_placed(layer, points, pose) for layer in loaded.layers]
            for points, pose in zip(faces, poses, strict=True)
            if pose is not None
        ]
        tables.append(
            {
                "pack": json.loads((pack / "filter.json").read_text()),
                "pictures": pictures,
                "faces": placed,
            }
        )
    lumas = np.linspace(20, 220, 300, dtype=np.float32)[None]
    return {
        "points": faces,
        "openness": [mouth_openness(p, pose) for p, pose in zip(faces, poses, strict=True) if pose],
        "scales": [pose.scale for pose in poses if pose],
        "packs": tables,
        "lumas": lumas[0],
        "gain": brightness_gain(_Luma(lumas), faces[0]),
        "meshes": list(_meshes(fixtures, faces)),
        "levels": _levels(fixtures),
    }


def _own_pack(folder: Path) -> Path:
    """A pack with the warps, and the numbers of layers, that no built-in pack has."""
    anchors = [{"points": [36], "at": [10.0, 20.5]}, {"points": [45, 42], "at": [200.0, 30.0]}]
    third = {"points": [30, 33], "at": [110.0, 150.0]}
    layers = [
        {"image": "nose.png", "warp": "similarity", "anchors": anchors, "scale": 1.3, "z": 2},
        {
            "image": "nose.png",
            "warp": "affine",
            "anchors": [*anchors, third],
            "offset": [0.1, -0.2],
        },
        {"image": "nose.png", "anchors": anchors, "turn": 40, "depth": 0.2, "mirrored": True},
    ]
    folder.mkdir(exist_ok=True)
    table = {"version": 1, "name": "own", "title": "Own", "layers": layers}
    (folder / "filter.json").write_text(json.dumps(table))
    shutil.copy(BUILTIN_PACKS / "cat" / "nose.png", folder)
    return folder


def _posed_faces() -> Iterator[Floats]:
    """Points (68, 2) of the mean head in poses, the first two mild; every other mouth is open."""
    rng = np.random.default_rng(7)
    for number in range(8):
        yaw, pitch, roll = rng.uniform(-0.6, 0.6, 3) * (0.4 if number < 2 else 1)
        turned = mean_head() @ cv2.Rodrigues(np.array([pitch, yaw, roll]))[0].T
        points = turned[:, :2] * rng.uniform(60, 200) + rng.uniform(150, 350, 2)
        points += rng.normal(0, 1, points.shape)
        if number % 2:
            points[[*range(54, 60), *range(65, 68)]] += (0, 40)
        yield points.astype(np.float32)


def _placed(layer: WarpedLayer, points: Floats, pose: HeadPose) -> dict[str, object]:
    """Where a layer's picture lies: through a matrix, None if from behind, or on points."""
    warp = layer.warp
    if isinstance(warp, PiecewiseWarp):
        return {"points": warp.anchors.of_face(points), "triangles": warp.mesh.triangles}
    if isinstance(warp, HeadWarp):
        matrix = warp.billboard.matrix(points, pose)
        return {"matrix": None if np.isnan(matrix).any() else matrix.ravel()}
    fit = fit_affine if isinstance(warp, AffineWarp) else fit_similarity
    return {"matrix": fit(warp.anchors.pixels, warp.anchors.of_face(points)).ravel()}


def _meshes(fixtures: FixtureFolder, faces: Sequence[Floats]) -> Iterator[dict[str, object]]:
    """The pictures of the piecewise layers of a pack, as they are warped onto two faces."""
    for face, points in enumerate(faces[:2]):
        pose = fit_pose(points)
        assert pose is not None
        for number, layer in enumerate(load_filter("party").layers):
            canvas = _Recorder(600, 600)
            layer.warp.draw(canvas, points, pose, Paint(layer.layer.blend))
            for box, picture in canvas.patches:
                name = f"mesh-{face}-{number}"
                yield {
                    "face": face,
                    "layer": number,
                    "box": box,
                    "picture": fixtures.picture(name, picture),
                }


def _levels(fixtures: FixtureFolder) -> list[dict[str, object]]:
    """The levels of a picture's texture."""
    texture = Texture(_picture(BUILTIN_PACKS / "cat" / "nose.png"), 0.7)
    return [
        {"picture": fixtures.picture(f"level-{number}", pixels), "matrix": matrix.ravel()}
        for number, (pixels, matrix) in enumerate(texture.levels)
    ]


def _picture(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)

"""Data sets of drawn faces, and a recipe that trains on them in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_from_dict
from fkd_train.config.sections import OptimizerConfig
from fkd_train.data.formats.wflw import IBUG_OF_WFLW
from fkd_train.data.synthetic import draw_face


def write_part(
    folder: Path,
    part: str,
    people: int,
    views: int,
    seed: int,
    of_face: Callable[[Floats], Floats] = lambda points: points,
) -> None:
    """Writes `people` × `views` drawn faces with their CSV; `of_face` selects points of the 68."""
    rng = np.random.default_rng(seed)
    (folder / part).mkdir(parents=True)
    lines = []
    for number in range(people * views):
        name = f"Person_{number // views}_{number % views:02}.jpg"
        image, drawn = draw_face(int(rng.integers(80, 140)), rng)
        _, data = cv2.imencode(".png", image)
        (folder / part / name).write_bytes(data.tobytes())
        values = of_face(drawn).ravel()
        lines.append(name + "," + ",".join(f"{v:.2f}" for v in values))
    header = "," + ",".join(map(str, range(values.size)))
    (folder / f"{part}_frames_keypoints.csv").write_text("\n".join([header, *lines]) + "\n")


def pts_text(points: Floats, header: bool = True) -> str:
    """A file of 300-W with these points, which it counts from 1."""
    lines = [f"{x + 1:.3f} {y + 1:.3f}" for x, y in points]
    if not header:
        return "\n".join(lines)
    return "\n".join(["version: 1", f"n_points: {len(points)}", "{", *lines, "}", ""])


def draw_scene(faces: int, rng: np.random.Generator) -> tuple[Pixels, list[Floats]]:
    """A gray photo of faces side by side, and the 68 points of each."""
    drawn = [draw_face(100, rng) for _ in range(faces)]
    photo = np.full((180, 160 * faces), 90, np.uint8)
    placed = []
    for number, (image, points) in enumerate(drawn):
        x, y = 160 * number + 30, 40
        photo[y : y + 100, x : x + 100] = image
        placed.append((points + np.array([x, y])).astype(np.float32))
    return photo, placed


def write_picture(path: Path, image: Pixels) -> None:
    """Writes a PNG, whatever the name's ending, into a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def wflw_points(points: Floats) -> Floats:
    """The 98 points of WFLW from iBUG's 68; those that iBUG lacks lie between their neighbours."""
    wflw = np.full((98, 2), np.nan, np.float32)
    wflw[list(IBUG_OF_WFLW)] = points
    for middle in (*range(1, 32, 2), 62, 66, 70, 74):
        wflw[middle] = (wflw[middle - 1] + wflw[middle + 1]) / 2
    below = np.array([0, 3], np.float32)
    wflw[38:42], wflw[47:51] = wflw[37:33:-1] + below, wflw[45:41:-1] + below
    wflw[96:] = wflw[60:68].mean(axis=0), wflw[68:76].mean(axis=0)
    return wflw


def write_wflw(folder: Path, part: str, photos: int, seed: int) -> list[Floats]:
    """Writes photos of two faces in the layout of WFLW; returns the 98 points of each face."""
    rng = np.random.default_rng(seed)
    lines, written = [], []
    for number in range(photos):
        name = f"{part}--Crowd/{number}.jpg"
        photo, placed = draw_scene(2, rng)
        write_picture(folder / "WFLW_images" / name, photo)
        for points in map(wflw_points, placed):
            box = [*points.min(axis=0), *points.max(axis=0)]
            numbers = [*(f"{v:.6f}" for v in points.ravel()), *(str(int(v)) for v in box)]
            lines.append(" ".join([*numbers, *"010010", name]))
            written.append(points)
    short = {"training": "train"}.get(part, part)
    lists = folder / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"list_98pt_rect_attr_{short}.txt").write_text("\n".join(lines) + "\n")
    return written


def coco_document(photos: int, seed: int, folder: Path, field: str = "face_kpts") -> dict[str, Any]:
    """Writes photos of two faces into a folder, and returns their COCO document: of each second
    face, half of the jaw is not labelled."""
    rng = np.random.default_rng(seed)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(photos):
        photo, placed = draw_scene(2, rng)
        name = f"{number:012}.jpg"
        write_picture(folder / name, photo)
        height, width = photo.shape
        images.append({"id": 7 + number, "file_name": name, "width": width, "height": height})
        for face, points in enumerate(placed):
            table = np.column_stack([points, np.full(68, 2)])
            if face:
                table[9:17] = 0
            values = {"keypoints": [0] * 51, field: table.round(2).ravel().tolist()}
            annotations.append({"id": len(annotations), "image_id": 7 + number, **values})
    return {"images": images, "annotations": annotations, "categories": []}


def write_npz(path: Path, count: int, seed: int, **changes: object) -> list[Floats]:
    """Writes drawn faces as arrays; returns their points."""
    rng = np.random.default_rng(seed)
    images, points = zip(*[draw_face(100, rng) for _ in range(count)], strict=True)
    names = np.array([f"photo{number // 2}" for number in range(count)])
    arrays = {"images": np.stack(images), "points": np.stack(points), "names": names}
    np.savez(path, **(arrays | changes))  # type: ignore[arg-type]
    return list(points)


def tiny_recipe() -> LandmarkRecipe:
    """Two epochs of five steps on 20 faces, with augmentation, schedule and averaging."""
    return landmark_recipe_from_dict(
        {
            "name": "tiny",
            "summary": "for tests",
            "split": "official",
            "epochs": 2,
            "batch": 4,
            "model": {"name": "naimishnet", "size": 64},
            "crop": {"scale": 1.25},
            "loss": {"name": "wing"},
            "optimizer": {"name": "adamw", "lr": 1e-3, "schedule": "one_cycle", "ema": 0.5},
            "augment": {"flip": 0.5, "shift": 0.05, "scale": 0.1, "roll": 10, "light": 0.5},
        }
    )


def with_learning_rate(recipe: LandmarkRecipe, lr: float, **changes: object) -> LandmarkRecipe:
    """The recipe with a constant learning rate, and other changes."""
    optimizer = OptimizerConfig("adamw", lr, schedule="constant", ema=recipe.optimizer.ema)
    return replace(recipe, optimizer=optimizer, **changes)  # type: ignore[arg-type]

"""Data sets of drawn faces, and a recipe that trains on them in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_from_dict
from fkd_train.config.sections import OptimizerConfig
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

"""Times the steps of placing points, and the calls of the API that consist of them, in one process:
`python benchmarks/programs/overhead_worker.py MODEL SCENE.npz THREADS SECONDS`.

It is run as a file and imports nothing but `fkd_infer`, which may be that of another checkout.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np

import fkd_infer
from fkd_infer.geometry.arrays import Floats, Pixels, check_image
from fkd_infer.geometry.boxes import as_boxes
from fkd_infer.geometry.crop import crop_batch, crop_matrices
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.pipeline import ImageDetections, Pipeline, decode, tight_boxes
from fkd_infer.types import Detections

ROLL = 10.0
"""Degrees by which the faces of "place, turned" are turned."""
WARM_UP_ROUNDS = 10
Step = Callable[[], object]


def steps(pipeline: Pipeline, image: Pixels, boxes: Floats) -> dict[str, Step]:
    """The steps, which are part of each call, and the calls, for boxes (n, 4) of points."""
    card, run = pipeline.card, pipeline.session._session.run
    size, channels, border = card.input.size, card.input.channels, card.crop.border
    detections = Detections(boxes, np.ones(len(boxes), np.float32))
    matrices = crop_matrices(tight_boxes(detections, POINTS_BOX), card.crop, size)
    crops = crop_batch(image, matrices, size, channels, border)
    points = pipeline.session.run(crops).points
    listed = boxes.tolist()
    rolls = np.full(len(boxes), ROLL, np.float32)

    return {
        "session alone": lambda: run(None, {"image": crops}),
        "checks": lambda: (as_boxes(listed), check_image(image)),
        "boxes and rules": lambda: crop_matrices(
            tight_boxes(detections, POINTS_BOX), card.crop, size
        ),
        "crop": lambda: crop_batch(image, matrices, size, channels, border),
        "decode": lambda: decode(points, matrices, card.name),
        "landmarks": lambda: pipeline.landmarks(image, listed),
        "place, turned": lambda: pipeline.place(image, boxes, rolls=rolls),
        "place_points, twice": lambda: pipeline.place_points(
            [ImageDetections(image, detections, POINTS_BOX)]
        ),
    }


def time_steps(variants: Sequence[dict[str, Step]], seconds: float) -> dict[str, list[float]]:
    """The seconds of each call, in rounds of random order, each with the next of the variants.

    An untimed call of the network comes before each, so that caches are as in a pipeline.
    """
    times: dict[str, list[float]] = {name: [] for name in variants[0]}
    rounds, end = 0, time.perf_counter() + seconds
    while rounds <= WARM_UP_ROUNDS or time.perf_counter() < end:
        contenders = variants[rounds % len(variants)]
        # Shuffling, not cryptography.
        for name in random.sample(list(contenders), len(contenders)):  # nosec B311
            contenders["session alone"]()
            started = time.perf_counter()
            contenders[name]()
            elapsed = time.perf_counter() - started
            if rounds >= WARM_UP_ROUNDS:
                times[name].append(elapsed)
        rounds += 1
    return times


def main(model: str, scene: str, threads: str, seconds: str) -> None:
    """Prints the times as JSON."""
    cv2.setNumThreads(int(threads))
    pipeline = fkd_infer.load(
        model,
        detector="none",
        provider="cpu",
        threads=int(threads),
        tuned=False,
        min_presence=0,
        refine=True,
    )
    with np.load(scene) as arrays:
        variants = [steps(pipeline, arrays["image"], boxes) for boxes in arrays["boxes"]]
    print(json.dumps(time_steps(variants, float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])

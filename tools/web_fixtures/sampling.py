"""Crops and views: all that is done to pixels before a network sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from fkd_infer.detection.tiling import View
from fkd_infer.geometry.arrays import bgr_image
from fkd_infer.geometry.crop import crop, crop_matrices
from fkd_infer.geometry.rules import CropRule
from fkd_train.data.synthetic import draw_face
from tools.web_fixtures.folder import FixtureFolder


def crops(fixtures: FixtureFolder) -> Iterator[dict[str, object]]:
    """Crops of all sizes: enlarged, averaged in blocks and in other areas, beyond the border."""
    rng = np.random.default_rng(3)
    # Noise shows every difference in sampling; drawn faces are as smooth as photos.
    noise = rng.integers(0, 256, (301, 403, 3), np.uint8)
    face = bgr_image(draw_face(900, rng)[0])
    boxes = (
        (100.3, 80.2, 140.9, 130.1),
        (20.0, 30.0, 230.5, 240.5),
        (-60.0, -40.0, 200.0, 210.0),
        (2.5, 1.5, 400.5, 299.5),
        (250.1, 150.7, 460.2, 390.4),
        (300.0, 200.0, 1100.0, 1000.0),
    )
    for number, (image, box) in enumerate((image, box) for image in (noise, face) for box in boxes):
        size, channels = ((128, 1), (96, 3), (64, 1))[number % 3]
        rule = CropRule(1.25, (0.02, -0.03), "black" if number % 4 == 3 else "replicate")
        matrix = crop_matrices(np.array([box], np.float32), rule, size)[0]
        pixels = crop(image, matrix, size, channels, rule.border)
        yield {
            "picture": fixtures.picture(f"crop-{number}-of", image),
            "box": np.array(box, np.float32),
            "rule": asdict(rule),
            "size": size,
            "channels": channels,
            "crop": fixtures.array(f"crop-{number}", pixels),
        }


def views(fixtures: FixtureFolder) -> Iterator[dict[str, object]]:
    """A picture as detectors search it, at several sizes."""
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (211, 307, 3), np.uint8)
    for number, factor in enumerate((1.0, 1.3, 2.0, 2.7, 4.1)):
        height, width = image.shape[:2]
        pixels, matrix = View(0, 0, width, height, factor).extract(image)
        yield {
            "picture": fixtures.picture(f"view-{number}-of", image),
            "factor": factor,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "pixels": fixtures.array(f"view-{number}", pixels),
            "matrix": matrix,
        }

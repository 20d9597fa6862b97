"""Drawn objects that cover a part of a face: glasses and hands."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.data.augmentation.photometric import Rng, with_shape_of


def with_glasses(pixels: Pixels, eye_corners: Floats, rng: Rng) -> Pixels:
    """Draws two rims with a bridge at the outer eye corners (2, 2), with clear or dark lenses."""
    first, last = eye_corners.astype(np.float64)
    across = last - first
    reach = float(np.linalg.norm(across))
    tilt = float(np.degrees(np.arctan2(across[1], across[0])))
    radii = reach * rng.uniform(0.2, 0.3), reach * rng.uniform(0.15, 0.28)
    down = np.array([-across[1], across[0]]) * rng.uniform(-0.02, 0.08)
    centres = [first + across * at + down for at in (0.17, 0.83)]
    ink: list[int] = rng.integers(0, 90, (pixels.shape[2],)).tolist()
    drawn = pixels.copy()
    if rng.random() < 0.4:
        for centre in centres:
            _draw_ellipse(drawn, centre, radii, tilt, ink, -1)
        opacity = rng.uniform(0.6, 1.0)
        blended = cv2.addWeighted(drawn, opacity, pixels, 1 - opacity, 0)
        drawn = with_shape_of(pixels, blended)
    width = max(1, round(reach * rng.uniform(0.02, 0.08)))
    for centre in centres:
        _draw_ellipse(drawn, centre, radii, tilt, ink, width)
    inner = [c + np.sign(0.5 - k) * across / reach * radii[0] for k, c in enumerate(centres)]
    start, end = (np.rint(16 * place).astype(int).tolist() for place in inner)
    cv2.line(drawn, start, end, ink, width, cv2.LINE_AA, 4)
    return drawn


def with_hand(pixels: Pixels, rng: Rng) -> Pixels:
    """Draws a palm with fingers over a crop, in the face's brightness, reaching in from outside."""
    size = pixels.shape[0]
    middle = pixels[size // 4 : -size // 4, size // 4 : -size // 4]
    tone = np.clip(np.median(middle, axis=(0, 1)) * rng.uniform(0.6, 1.4), 0, 255)
    angle = rng.uniform(0, 2 * np.pi)
    inward = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-inward[1], inward[0]])
    palm = size / 2 - inward * size * rng.uniform(0.4, 0.65) + aside * size * rng.normal(0, 0.12)
    width = size * rng.uniform(0.07, 0.11)
    drawn = pixels.copy()
    for number in range(4):
        root = palm + aside * width * 1.15 * (number - 1.5)
        tip = root + inward * size * rng.uniform(0.18, 0.34) + aside * rng.normal(0, 2)
        shade = np.clip(tone * rng.uniform(0.85, 1.15), 0, 255).astype(int).tolist()
        start, end = np.rint(root).astype(int).tolist(), np.rint(tip).astype(int).tolist()
        cv2.line(drawn, start, end, shade, max(1, round(width)), cv2.LINE_AA)
    _draw_ellipse(drawn, palm, (2.6 * width, 2.6 * width), 0, tone.astype(int).tolist(), -1)
    return drawn


def _draw_ellipse(
    pixels: Pixels,
    centre: NDArray[np.float64],
    radii: tuple[float, float],
    tilt: float,
    ink: list[int],
    width: int,
) -> None:
    place = np.rint(16 * centre).astype(int).tolist()
    axes = round(16 * radii[0]), round(16 * radii[1])
    cv2.ellipse(pixels, place, axes, tilt, 0, 360, ink, width, cv2.LINE_AA, 4)

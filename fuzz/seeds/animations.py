"""Seeds: animated pictures."""

from __future__ import annotations

import cv2
import numpy as np

from fkd_infer.media.images.webp import canvas_chunk, chunk, webp_file
from fuzz.seeds.encoding import draw_picture, encode
from fuzz.seeds.gif import encode_gif
from fuzz.seeds.images import images


def animations() -> dict[str, bytes]:
    """GIF, PNG and WebP, animated and still."""
    alpha = np.dstack([draw_picture(12, 10), draw_picture(12, 10)[..., 0]])
    parts = {
        "lossy": encode(".webp", draw_picture(12, 10), cv2.IMWRITE_WEBP_QUALITY, 60),
        "lossless": encode(".webp", draw_picture(12, 10), cv2.IMWRITE_WEBP_QUALITY, 101),
        "alpha": encode(".webp", alpha, cv2.IMWRITE_WEBP_QUALITY, 60),
    }
    still = images()
    return {
        "gif": encode_gif(3),
        "gif-still": still["gif"],
        "png": still["png-animated"],
        "webp-still": still["webp-lossless"],
        **{f"webp-{name}": _animated_webp(part) for name, part in parts.items()},
    }


def _animated_webp(still: bytes) -> bytes:
    """Encodes three frames of a picture that differ in blending and disposal."""
    parts = still[12:]
    if parts.startswith(b"VP8X"):
        parts = parts[18:]  # without its VP8X chunk of 18 bytes
    width, height = 12, 10
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frames = b"".join(
        chunk(b"ANMF", bytes(6) + size + duration.to_bytes(3, "little") + bytes([flags]) + parts)
        for duration, flags in ((40, 0), (0, 3), (100, 1))
    )
    return webp_file(
        canvas_chunk(width, height, 0x12) + chunk(b"ANIM", bytes(4) + b"\2\0") + frames
    )

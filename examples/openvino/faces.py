"""Finds faces with OpenVINO alone, without fkd: python faces.py faces-480x640.onnx photo.jpg."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import openvino


def main(model_file: str, photo: str) -> None:
    """Prints the score and the tip of the nose of each face."""
    # By itself, OpenVINO computes in bfloat16 where the CPU can; the hint keeps it exact.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(model_file, "CPU", exact)
    height, width, _ = model.input(0).shape
    image = cv2.imread(photo)
    if image is None:
        sys.exit(f"{photo}: cannot be read")
    scale = min(width / image.shape[1], height / image.shape[0], 1.0)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    framed = np.full((height, width, 3), 114, np.uint8)  # the rest of the frame is gray
    framed[: small.shape[0], : small.shape[1]] = small
    results = model([framed])
    for score, points in zip(results["scores"], results["points"], strict=True):
        if score > 0:  # the other rows are no faces
            x, y = points[30] / scale  # in pixels of the photo
            print(f"{score:.2f} {x:.1f} {y:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)

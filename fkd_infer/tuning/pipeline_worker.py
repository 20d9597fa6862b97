"""Times a network between OpenCV's work on a frame, in a process of its own:
`python -m fkd_infer.tuning.pipeline_worker MODEL SETTINGS`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender, serve

_HEIGHT, _WIDTH = 96, 128
"""So small that the detector needs about as long as fkdnet, and does not hide its time."""


def pipeline_contender(name: str, model: Path, settings: SessionSettings) -> Contender:
    """Returns a contender that processes frames on the CPU: detection, and two landmark calls."""
    arguments = [str(model), json.dumps(asdict(settings))]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(model: str, settings: str) -> None:
    """Opens the model and serves its calls."""
    import cv2
    import numpy as np

    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.runtime.session import LandmarkSession

    chosen = SessionSettings(**json.loads(settings))
    detector = FkdDetector(settings=SessionSettings(chosen.threads))
    pipeline = Pipeline(LandmarkSession(model, CPU.name, chosen), detector)
    coarse = np.random.default_rng(0).integers(0, 256, (_HEIGHT // 8, _WIDTH // 8, 3), np.uint8)
    blurred = cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    image = np.asarray(blurred, np.uint8)
    box = [[32, 16, 96, 80]]

    def process_frame() -> None:
        detector(image)
        pipeline.landmarks(image, box)
        pipeline.landmarks(image, box)

    serve(process_frame)


if __name__ == "__main__":
    main(*sys.argv[1:])

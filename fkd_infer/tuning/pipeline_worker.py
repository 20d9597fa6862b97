"""Times a network between OpenCV's work on a frame, in a process of its own:
`python -m fkd_infer.tuning.pipeline_worker MODEL SETTINGS PROVIDER`."""

from __future__ import annotations

import sys

from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender, serve
from fkd_infer.tuning.trial import RunConfig

_HEIGHT, _WIDTH = 96, 128
"""So small that the detector needs about as long as fkdnet, and does not hide its time."""


def pipeline_contender(name: str, config: RunConfig) -> Contender:
    """Returns a contender that processes frames: detection, and two landmark calls."""
    return Contender(name, [sys.executable, "-P", "-m", __name__, *config.arguments()])


def main(*arguments: str) -> None:
    """Opens the network and serves its calls."""
    import cv2
    import numpy as np

    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.runtime.session import LandmarkSession

    config = RunConfig.of_arguments(*arguments)
    settings = SessionSettings(config.settings.threads)
    detector = FkdDetector(provider=config.choice, settings=settings)
    pipeline = Pipeline(LandmarkSession(config.network, config.choice, config.settings), detector)
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

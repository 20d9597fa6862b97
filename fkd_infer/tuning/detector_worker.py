"""Times a detector in a process of its own:
`python -m fkd_infer.tuning.detector_worker DETECTOR WIDTH HEIGHT [MODEL SETTINGS PROVIDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender, serve
from fkd_infer.tuning.trial import RunConfig


def detector_contender(
    name: str, detector: str, model: Path | None, size: tuple[int, int], threads: int
) -> Contender:
    """Returns a contender that searches the same image of (width, height), at its full size, on the
    CPU."""
    config = RunConfig(model or Path(), SessionSettings(threads))
    return _contender(name, detector, size, config)


def tuned_detector_contender(name: str, size: tuple[int, int], config: RunConfig) -> Contender:
    """Returns a contender that searches the same image with fkd's own detector as configured."""
    return _contender(name, "fkd", size, config)


def _contender(name: str, detector: str, size: tuple[int, int], config: RunConfig) -> Contender:
    arguments = [detector, *map(str, size), *config.arguments()]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(detector: str, width: str, height: str, *arguments: str) -> None:
    """Opens the detector and serves its calls."""
    import cv2
    import numpy as np

    from fkd_infer.detection.base import Detector
    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.detection.registry import DetectorRequest, find_detector
    from fkd_infer.detection.tiling import Search

    config = RunConfig.of_arguments(*arguments)
    search = Search(max(int(width), int(height)))
    threads = config.settings.threads
    cv2.setNumThreads(threads)
    model = None if config.network == Path() else config.network
    detect: Detector
    if detector == "fkd":
        detect = FkdDetector(model, search, config.choice, config.settings)
    else:
        request = DetectorRequest(search, model=model, provider=CPU.name, threads=threads)
        detect = find_detector(detector).build(request)
    # Smooth noise has structure everywhere, and no face.
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    image = cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    frame = np.asarray(image, np.uint8)
    serve(lambda: detect(frame))


if __name__ == "__main__":
    main(*sys.argv[1:])

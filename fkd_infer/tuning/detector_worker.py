"""Times a detector in a process of its own:
`python -m fkd_infer.tuning.detector_worker DETECTOR MODEL WIDTH HEIGHT THREADS`."""

from __future__ import annotations

import sys
from pathlib import Path

from fkd_infer.tuning.interleaved import Contender, serve


def detector_contender(
    name: str, detector: str, model: Path | None, size: tuple[int, int], threads: int
) -> Contender:
    """Returns a contender that searches the same image of (width, height), at its full size."""
    arguments = [detector, str(model or ""), *map(str, size), str(threads)]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(detector: str, model: str, width: str, height: str, threads: str) -> None:
    """Opens the detector and serves its calls."""
    import cv2
    import numpy as np

    from fkd_infer.detection.registry import DetectorRequest, find_detector
    from fkd_infer.detection.tiling import Search

    cv2.setNumThreads(int(threads))
    search = Search(max(int(width), int(height)))
    request = DetectorRequest(search, model=model or None, provider="cpu", threads=int(threads))
    detect = find_detector(detector).build(request)
    # Smooth noise has structure everywhere, and no face.
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    image = cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    frame = np.asarray(image, np.uint8)
    serve(lambda: detect(frame))


if __name__ == "__main__":
    main(*sys.argv[1:])

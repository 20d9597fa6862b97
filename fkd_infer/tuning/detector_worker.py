"""Runs a detector in its own process, to be timed in turns with others.

`python -m fkd_infer.tuning.detector_worker KIND MODEL WIDTH HEIGHT THREADS`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fkd_infer.tuning.interleaved import Contender, serve


def detector_contender(
    name: str, kind: str, model: Path | None, size: tuple[int, int], threads: int
) -> Contender:
    """A detector that searches one image of (width, height) again and again, as it is."""
    arguments = [kind, str(model or ""), *map(str, size), str(threads)]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(kind: str, model: str, width: str, height: str, threads: str) -> None:
    """Opens the detector and serves."""
    import cv2
    import numpy as np

    from fkd_infer.detection.registry import DetectorRequest, find_detector
    from fkd_infer.detection.tiling import Search

    cv2.setNumThreads(int(threads))
    search = Search(max(int(width), int(height)))
    request = DetectorRequest(search, model=model or None, provider="cpu", threads=int(threads))
    detector = find_detector(kind).build(request)
    # Smooth noise: something to look at everywhere, and no face.
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    image = cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    frame = np.asarray(image, np.uint8)
    serve(lambda: detector(frame))


if __name__ == "__main__":
    main(*sys.argv[1:])  # as detector_contender wrote them

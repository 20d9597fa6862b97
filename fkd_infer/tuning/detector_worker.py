"""Runs a detector in its own process, to be timed in turns with others.

`python -m fkd_infer.tuning.detector_worker KIND MODEL WIDTH HEIGHT THREADS`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fkd_infer.choices import DetectorName
from fkd_infer.tuning.interleaved import Contender, serve


def detector_contender(
    name: str, kind: DetectorName, model: Path | None, size: tuple[int, int], threads: int
) -> Contender:
    """A detector that searches one image of (width, height) again and again, as it is."""
    arguments = [kind, str(model or ""), *map(str, size), str(threads)]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(kind: DetectorName, model: str, width: str, height: str, threads: str) -> None:
    """Opens the detector and serves."""
    import cv2
    import numpy as np

    from fkd_infer.detection.base import SizedDetector
    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.detection.haar import HaarDetector
    from fkd_infer.detection.tiling import Search
    from fkd_infer.detection.yunet import YuNetDetector
    from fkd_infer.runtime.settings import SessionSettings

    cv2.setNumThreads(int(threads))
    search = Search(max(int(width), int(height)))
    detector: SizedDetector
    if kind == "haar":
        detector = HaarDetector(search)
    elif kind == "yunet":
        detector = YuNetDetector(model or None, search)
    else:
        settings = SessionSettings(int(threads))
        detector = FkdDetector(model, search, "cpu", settings)
    # Smooth noise: something to look at everywhere, and no face.
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    image = cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    frame = np.asarray(image, np.uint8)
    serve(lambda: detector(frame))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]  # detector_contender wrote them

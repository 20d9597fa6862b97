"""A detector as a contender of `alternate`: `python -m fkd_infer.detector_block KIND MODEL WIDTH
HEIGHT THREADS`."""

from __future__ import annotations

import sys
from pathlib import Path

from fkd_infer.alternate import Contender, serve
from fkd_infer.names import DetectorName


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

    from fkd_infer.detector import SizedDetector
    from fkd_infer.fkddetector import FkdDetector
    from fkd_infer.haar import HaarDetector
    from fkd_infer.settings import SessionSettings
    from fkd_infer.views import Search
    from fkd_infer.yunet import YuNetDetector

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

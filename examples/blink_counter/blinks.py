"""Counts the blinks of each face of a video or camera: python blinks.py party.mp4."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from statistics import median

import fkd_infer

CLOSED, REOPENED = 0.65, 0.8
"""An eye is closed below CLOSED of its usual height over width, and open again above REOPENED."""
MEMORY = 90
"""Frames that say what is usual, so that narrow eyes and glasses count too."""
SETTLED = 10
"""Frames before the first blink is counted."""


class Eyes:
    """The eyes of one face: how far they are open usually, and how often they closed."""

    def __init__(self) -> None:
        self.blinks = 0
        self._heights: deque[float] = deque(maxlen=MEMORY)
        self._closed = False

    def see(self, height: float) -> bool:
        """Takes the next frame's height over width; returns whether a blink has begun."""
        usual = median(self._heights) if len(self._heights) >= SETTLED else height
        self._heights.append(height)
        begins = not self._closed and height < CLOSED * usual
        self._closed = height < (REOPENED if self._closed else CLOSED) * usual
        self.blinks += begins
        return begins


def main(source_text: str) -> None:
    """Prints each blink when it begins, and how many there were."""
    (source,) = fkd_infer.expand_sources(source_text)
    pipeline = fkd_infer.load(max_size=640)
    # Without smoothing, which would hide a blink of three frames.
    tracker = fkd_infer.Tracker(pipeline, pipeline.detector)
    eyes: dict[int | None, Eyes] = defaultdict(Eyes)
    for frame in fkd_infer.frames_from(source):
        for face in tracker(frame):
            ratios = fkd_infer.aspect_ratios(face.points)
            if ratios is None or face.predicted:  # predicted: not seen in this frame
                continue
            if eyes[face.id].see((ratios.left_eye + ratios.right_eye) / 2):
                print(f"{float(frame.time):.2f} s: face {face.id} blinks", flush=True)
    for number, each in eyes.items():
        print(f"face {number}: {each.blinks} blinks")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except fkd_infer.FkdError as error:  # its line says what is wrong, and what to do
        sys.exit(str(error))

"""Follows the faces of a video and draws their ways: python follow.py party.mp4 out.mp4."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

import fkd_infer

TICK = Fraction(1, 90_000)
"""The unit of the times in the written video, in seconds."""
TRAIL = 30
"""Frames for which the way of a nose is drawn."""


def main(path: str, out: str) -> None:
    """Writes the video with the trail of each nose, without its sound."""
    (source,) = fkd_infer.expand_sources(path)
    if source.path and Path(out).exists() and source.path.samefile(out):
        sys.exit(f"{out}: is the video itself; write somewhere else")
    pipeline = fkd_infer.load(max_size=640)  # videos have to be quick
    tracker = fkd_infer.Tracker(pipeline, pipeline.detector, smoothing="medium")
    trails: dict[int | None, deque[np.ndarray]] = defaultdict(lambda: deque(maxlen=TRAIL))
    with av.open(out, "w") as container:
        stream = container.add_stream("libx264", options={"crf": "20"})
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TICK
        for frame in fkd_infer.frames_from(source):
            for face in tracker(frame):
                trails[face.id].append(face.points[30])
                draw(frame.image, trails[face.id], f"face {face.id}")
            if not frame.index:
                stream.width, stream.height = frame.width // 2 * 2, frame.height // 2 * 2
            image = frame.image[: stream.height, : stream.width]  # H.264 needs even sides
            picture = av.VideoFrame.from_ndarray(image, "bgr24")
            picture.pts, picture.time_base = round(frame.time / TICK), TICK
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    print(f"{tracker.summary}; {len(trails)} faces, drawn in {out}")


def draw(image: np.ndarray, trail: deque[np.ndarray], name: str) -> None:
    """Draws a line along the trail, and the name at its end."""
    line = np.rint(trail).astype(np.int32)
    cv2.polylines(image, [line], False, (0, 200, 255), 2, cv2.LINE_AA)
    x, y = line[-1].tolist()
    cv2.putText(
        image, name, (x + 8, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 255), 1, cv2.LINE_AA
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except fkd_infer.FkdError as error:  # its line says what is wrong, and what to do
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: cannot be written: {error.strerror}")

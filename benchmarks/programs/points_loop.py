"""Finds the points of a video's faces, frame by frame: `points_loop.py LIBRARY VIDEO FACES`.

Prints one line of JSON: frames, faces, and seconds of reading and finding, without the start. It is
run by the interpreter of the library that it measures, so it imports nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any


def fkd_faces(video: str) -> Iterator[int]:
    """Yields the number of faces of each frame, as fkd finds them."""
    from fkd_infer import ReadSettings, Tracker, expand_sources, frames_from, load

    pipeline = load(max_size=640, tuned=False)
    tracker = Tracker(pipeline, pipeline.detector)
    [source] = expand_sources(video)
    yield 0
    for frame in frames_from(source, settings=ReadSettings(gray=True)):
        yield len(tracker(frame))


def face_mesh_faces(video: str, faces: int) -> Iterator[int]:
    """Yields the number of faces of each frame, as MediaPipe's FaceMesh finds them."""
    import cv2
    import mediapipe  # type: ignore[import-not-found]

    mesh: Any = mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=faces)
    capture = cv2.VideoCapture(video)
    yield 0
    while True:
        read, image = capture.read()
        if not read:
            return
        found = mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        yield len(found or ())


def main(library: str, video: str, faces: str) -> None:
    """Runs one library over a video."""
    loops: dict[str, Callable[[], Iterator[int]]] = {
        "fkd": lambda: fkd_faces(video),
        "mediapipe": lambda: face_mesh_faces(video, int(faces)),
    }
    counts = loops[library]()
    next(counts)  # everything is loaded
    started = time.perf_counter()
    found = list(counts)
    seconds = time.perf_counter() - started
    print(json.dumps({"frames": len(found), "faces": sum(found), "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])

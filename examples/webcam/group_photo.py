"""Takes a photo once everybody looks into the camera: python group_photo.py 0 group.jpg."""

from __future__ import annotations

import sys

import cv2

import fkd_infer

STRAIGHT, OPEN = 20, 0.2
"""Largest angle of a head, in degrees; smallest height of an eye, in widths."""
FRAMES = 10
"""Everybody has to look for so many frames in a row."""


def main(source_text: str, out: str) -> None:
    """Reads a camera (0 is the first one), a stream or a video until the photo is taken."""
    (source,) = fkd_infer.expand_sources(source_text)
    pipeline = fkd_infer.load(max_size=640)
    tracker = fkd_infer.Tracker(pipeline, pipeline.detector, smoothing="low")
    ready, said = 0, ""
    for frame in fkd_infer.frames_from(source):
        faces = tracker(frame)
        looking = sum(looks(face, frame) for face in faces)
        state = f"{looking} of {len(faces)} look into the camera"
        if state != said:
            print(state, flush=True)
            said = state
        ready = ready + 1 if faces and looking == len(faces) else 0
        if ready == FRAMES:
            if not cv2.imwrite(out, frame.image):
                sys.exit(f"{out}: cannot be written")
            print(f"taken after {float(frame.time):.1f} s: {out}")
            return
    sys.exit("the video ended before everybody looked")


def looks(face: fkd_infer.Face, frame: fkd_infer.Frame) -> bool:
    """Whether a head is straight and its eyes are open."""
    pose = fkd_infer.head_pose(face.points, frame.width, frame.height)
    ratios = fkd_infer.aspect_ratios(face.points)
    if pose is None or ratios is None or face.predicted:
        return False
    straight = abs(pose.yaw) < STRAIGHT and abs(pose.pitch) < STRAIGHT
    return straight and min(ratios.left_eye, ratios.right_eye) > OPEN


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except fkd_infer.FkdError as error:  # such as: camera 0 cannot be opened
        sys.exit(str(error))

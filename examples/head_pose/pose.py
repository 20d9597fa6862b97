"""Prints where the heads of photos look, and draws it: python pose.py OUT PHOTO…"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import fkd_infer


def main(out: str, *photos: str) -> None:
    """Writes each photo with an arrow from each nose to a folder."""
    Path(out).mkdir(exist_ok=True)
    pipeline = fkd_infer.load()
    for source in fkd_infer.expand_sources(photos):
        photo, target = Path(str(source.path)), Path(out, Path(source.name).name)
        image = fkd_infer.read_image(photo)
        if target.exists() and target.samefile(photo):
            sys.exit(f"{target}: is the photo itself; write to another folder")
        height, width = image.shape[:2]
        for face in pipeline(image):
            pose = fkd_infer.head_pose(face.points, width, height)
            if pose is None:  # its points are of no head that faces the camera
                continue
            yaw, pitch, roll = pose
            print(f"{source.name}: yaw {yaw:.0f}°, pitch {pitch:.0f}°, roll {roll:.0f}°")
            draw(image, face, pose)
        if not cv2.imwrite(str(target), image):
            sys.exit(f"{target}: cannot be written")


def draw(image: np.ndarray, face: fkd_infer.Face, pose: fkd_infer.PoseAngles) -> None:
    """Draws an arrow from the nose to where it points; its length is that of the face."""
    yaw, pitch, _ = np.radians(pose)
    ahead = np.array([np.sin(yaw), -np.cos(yaw) * np.sin(pitch)])  # right and down
    start = face.points[30]
    end = start + ahead * np.ptp(face.points[:, 1])
    tail, tip = (np.rint(point).astype(int).tolist() for point in (start, end))
    thickness = max(2, round(np.ptp(face.points[:, 1]) / 40))
    cv2.arrowedLine(image, tail, tip, (0, 200, 255), thickness, cv2.LINE_AA, tipLength=0.2)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (fkd_infer.FkdError, OSError) as error:  # its line says what is wrong
        sys.exit(str(error))

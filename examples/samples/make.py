"""Makes the files that the tutorials use, in the current folder.

photo.jpg       NASA's portrait of Eileen Collins (public domain), which scikit-image ships
holiday/        the same person tilted, small, dark, at the border, twice, and no one
party.mp4       four seconds, 640 × 360, 30 frames/s, with sound: a camera moves over the portrait
data/           drawn faces with exact points, in the layout of YouTube Faces' 68-keypoint data
"""

from __future__ import annotations

import shutil
from contextlib import chdir
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import click
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

RATE, SECONDS = 30, 4
SOUND_RATE = 48_000
PEOPLE, VIEWS = {"training": 60, "test": 12}, 5
"""Drawn people of each part of the data set, and pictures of each person."""


@click.command()
@click.option("--data/--no-data", default=True, help="Also draw faces to train on.")
def main(data: bool) -> None:
    """Make photo.jpg, holiday/, party.mp4 and data/ in the current folder.

    Files that are there already, and are others, are not replaced.
    """
    try:
        from skimage.data import astronaut
    except ImportError as error:
        fix = "pip install scikit-image"
        raise click.ClickException(f"needs scikit-image: {fix}") from error
    portrait: Image = np.ascontiguousarray(astronaut()[..., ::-1])
    here = Path.cwd()
    with TemporaryDirectory() as name:
        with chdir(name):
            write_photos(portrait)
            write_video(Path("party.mp4"), portrait)
            if data:
                write_drawn_faces(Path("data"))
        for made in sorted(path for path in Path(name).rglob("*") if path.is_file()):
            place = here / made.relative_to(name)
            if place.exists() and place.read_bytes() != made.read_bytes():
                raise click.ClickException(f"{place}: is another file; use an empty folder")
        shutil.copytree(name, here, dirs_exist_ok=True)
    click.echo("made photo.jpg, holiday/, party.mp4" + (" and data/" if data else ""))


def write_photos(portrait: Image) -> None:
    """Writes photo.jpg, and holiday/ with what photos of people are like."""
    height, width = portrait.shape[:2]
    tilt = cv2.getRotationMatrix2D((width / 2, height / 2), 25, 1.0)
    photos = {
        "photo.jpg": portrait,
        "holiday/at-the-border.jpg": portrait[:, 200:],
        "holiday/dark.jpg": (portrait // 5).astype(np.uint8),
        "holiday/nobody.jpg": portrait[330:, :200],
        "holiday/small.jpg": cv2.copyMakeBorder(
            cv2.resize(portrait, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA),
            *(160, 160, 300, 300),
            cv2.BORDER_REFLECT,
        ),
        "holiday/tilted.jpg": cv2.warpAffine(portrait, tilt, (width, height)),
        "holiday/twice.jpg": np.hstack([portrait, portrait[:, ::-1]]),
    }
    for name, image in photos.items():
        Path(name).parent.mkdir(exist_ok=True)
        if not cv2.imwrite(name, image):
            raise click.ClickException(f"{name}: cannot be written")


def write_video(path: Path, portrait: Image) -> None:
    """Writes a video of 640 × 360 whose camera circles around the face and tilts, with a tone."""
    with av.open(path, "w") as container:
        pictures = container.add_stream("libx264", RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 640, 360, "yuv420p"
        sound = container.add_stream("aac", SOUND_RATE, layout="mono")
        for index in range(RATE * SECONDS):
            turn = 2 * np.pi * index / (RATE * SECONDS)
            view = cv2.getRotationMatrix2D((224, 110), 15 * np.sin(turn), 1.3 + 0.3 * np.cos(turn))
            view[:, 2] += (320 - 224 + 60 * np.sin(turn), 180 - 110 + 25 * np.sin(2 * turn))
            image = cv2.warpAffine(portrait, view, (640, 360), borderMode=cv2.BORDER_REFLECT)
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(pictures.encode(frame))
        times = np.arange(SOUND_RATE * SECONDS) / SOUND_RATE
        tone = (0.1 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
        samples = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
        samples.sample_rate, samples.pts = SOUND_RATE, 0
        container.mux(sound.encode(samples))
        for stream in (pictures, sound):
            container.mux(stream.encode(None))


def write_drawn_faces(folder: Path) -> None:
    """Writes training/, test/ and their CSV files: a picture's name, and x and y of 68 points."""
    from fkd_train.data.synthetic import draw_face

    rng = np.random.default_rng(0)
    for part, people in PEOPLE.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        lines = ["," + ",".join(map(str, range(136)))]
        for person in range(people):
            for view in range(VIEWS):
                name = f"Person_{person}_{view:02}.jpg"
                image, points = draw_face(int(rng.integers(80, 140)), rng)
                cv2.imwrite(str(folder / part / name), image)
                lines.append(",".join([name, *(f"{value:.2f}" for value in points.ravel())]))
        (folder / f"{part}_frames_keypoints.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

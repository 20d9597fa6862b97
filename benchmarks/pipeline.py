"""Whole videos: a photo is panned over with a tone, and fkd-infer's result is checked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from fkd_infer.names import VIDEO_DETECT_SIZE
from fkd_infer.pipeline import load

WIDTH, HEIGHT, RATE, SOUND_RATE = 1280, 720, 30, 48_000
ENLARGED = 3.2


def photo() -> NDArray[np.uint8]:
    """NASA's portrait of Eileen Collins, enlarged so that a window of 720p holds the face."""
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    large = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, dtype=np.uint8)


def corner(index: int) -> tuple[int, int]:
    """The window's top left corner in the photo, at a frame: a slow known path."""
    turn = 2 * np.pi * index / (8 * RATE)
    return round(180 + 170 * np.sin(turn)), round(90 + 85 * np.sin(1.7 * turn))


def make_video(path: Path, seconds: int) -> None:
    """Pans over the photo for so long, with a tone of 440 Hz."""
    image, count = photo(), seconds * RATE
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for index in range(count):
            x, y = corner(index)
            window = np.ascontiguousarray(image[y : y + HEIGHT, x : x + WIDTH])
            container.mux(video.encode(av.VideoFrame.from_ndarray(window, format="bgr24")))
        container.mux(video.encode(None))
        for start in range(0, seconds * SOUND_RATE, 1024):
            tone = np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / SOUND_RATE)
            samples = (0.3 * tone).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = SOUND_RATE, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def sound_packets(path: Path) -> list[bytes]:
    """The encoded sound."""
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size]


def frames_and_seconds(path: Path) -> tuple[int, float]:
    """Frames as they decode, and the container's duration."""
    with av.open(str(path)) as container:
        duration = float(container.duration or 0) / 1e6
        return sum(1 for _ in container.decode(video=0)), duration


def run(seconds: int, out: Path) -> list[str]:
    """Runs the command on a generated video; lines of what came back."""
    out.mkdir(parents=True, exist_ok=True)
    given, result, records = out / "panned.mp4", out / "result" / "panned.mp4", out / "faces.jsonl"
    make_video(given, seconds)
    command = [sys.executable, "-m", "fkd_infer.cli", str(given), "--out", str(result.parent)]
    command += ["--json", str(records)]
    started = time.perf_counter()
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()
    wall = time.perf_counter() - started
    (count, length), (own_count, own_length) = frames_and_seconds(result), frames_and_seconds(given)
    sound = sound_packets(result)
    same = "the same bytes" if sound == sound_packets(given) else "CHANGED"
    return [
        *done.stderr.strip().splitlines(),
        f"{wall:.1f} s for {own_length:.2f} s of video: {own_length / wall:.2f}× real time",
        f"frames {count} of {own_count}; duration {length:.3f} s of {own_length:.3f} s",
        f"sound: {len(sound)} packets, {same}",
        *_points_in_place(records),
    ]


def _points_in_place(records: Path) -> list[str]:
    """Each frame's points, moved back by the known path, against their mean over all frames."""
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    best = [(line["frame"], line["faces"][0]["points"]) for line in lines if line["faces"]]
    points = np.array([np.array(found) + corner(index) for index, found in best])  # (n, 68, 2)
    mean = points.mean(axis=0)
    size = np.linalg.norm(mean[36] - mean[45])
    errors = 100 * np.linalg.norm(points - mean, axis=-1).mean(axis=1) / size
    faces = np.bincount([len(line["faces"]) for line in lines])
    counts = ", ".join(f"{n} faces in {c}" for n, c in enumerate(faces) if c)
    still = load(detect_size=VIDEO_DETECT_SIZE)(photo())[0].points
    offset = 100 * np.linalg.norm(mean - still, axis=-1).mean() / size
    return [
        f"{counts} frames",
        f"distance of a frame's points to their mean, moved along the known path, % of "
        f"interocular: median {np.median(errors):.2f}, largest {errors.max():.2f}",
        f"distance of that mean to the points of the still photo: {offset:.2f} %",
    ]

"""Runs killed at any moment and resumed end with the results of an undisturbed run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from faults.killed_runs import KILLS, kill_until_done, read_outputs, time_run
from record_samples import INSTALLED
from tiny_models import MODELS

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame

COMMAND = [sys.executable, "-m", "fkd_infer.cli.main", "--quiet"]
NETWORKS = [
    *("--model", str(MODELS / "scored.onnx")),
    *("--detector-model", str(MODELS / "detector.onnx")),
]


def scene(number: int, width: int = 320, height: int = 240) -> Pixels:
    """A bright picture of noise, in which the tiny detector finds a face."""
    rng = np.random.default_rng(number)
    image = rng.integers(140, 256, (height // 8, width // 8, 3), np.uint8)
    return np.ascontiguousarray(image.repeat(8, axis=0).repeat(8, axis=1))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(40):
        suffix = (".jpg", ".png", ".webp", ".bmp")[number % 4]
        write_image(folder / f"sub{number % 3}" / f"{number:02d}{suffix}", scene(number))
    return folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    frames = [Frame(scene(i // 9), "drawn", i, Fraction(i, 30)) for i in range(60)]
    for name in ("a.mp4", "b.mkv", "c.mov"):
        with VideoSink(folder / name, None) as video:
            for frame in frames:
                video.write(frame)
    with AnimationSink(folder / "d.gif", None) as animation:
        for frame in frames[::6]:
            animation.write(frame)
    write_image(folder / "e.png", scene(99))
    return folder


def outputs(out: Path) -> list[str]:
    names = [row.name for row in INSTALLED]
    files = [part for name in names for part in (f"--{name}", str(out / f"faces.{name}"))]
    return ["--out", str(out / "pictures"), *files]


def check_kills(
    sources: Path, place: Path, record: Callable[[str, object], None], *arguments: str
) -> None:
    def command(out: Path) -> list[str]:
        return [*COMMAND, str(sources), *NETWORKS, *outputs(out), *arguments]

    undisturbed, out = place / "undisturbed", place / "killed"
    seconds = time_run(command(undisturbed))
    expected = read_outputs(undisturbed)
    assert {"faces.json", "faces.npz"} < expected.keys()

    def begin() -> list[str]:
        shutil.rmtree(out, ignore_errors=True)
        return command(out)

    def check() -> None:
        assert read_outputs(out) == expected
        left = {file.suffix for file in out.rglob(".*")}
        assert left <= {".journal"}, "no partial file is left"

    counts = kill_until_done(begin, [*command(out), "--resume"], seconds, check)
    record("kills", f"{sources.name}: {counts}")
    assert counts.kills >= KILLS


def test_photos(
    photos: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    check_kills(photos, tmp_path, record_property)


def test_videos(
    videos: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    check_kills(videos, tmp_path, record_property, "--smooth", "offline", "--extras", "pose")

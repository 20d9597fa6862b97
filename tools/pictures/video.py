"""The pictures of docs/tutorials/video.md."""

from __future__ import annotations

from pathlib import Path

from tools.pictures.samples import fkd_infer, frames, samples, save, scaled, side_by_side

_TIMES = (0.0, 1.33, 3.0)


def draw_points(folder: Path) -> None:
    """Writes video-points.jpg: frames of party.mp4 with points, a false face among them."""
    _draw("", folder / "video-points.jpg")


def draw_filters(folder: Path) -> None:
    """Writes video-filters.jpg: the same frames with a hat and sunglasses."""
    options = "--filter hat --filter sunglasses --min-presence 0.9"
    _draw(options, folder / "video-filters.jpg")


def _draw(options: str, path: Path) -> None:
    with samples():
        fkd_infer(f"party.mp4 {options} --out drawn --quiet")
        row = side_by_side(frames("drawn/party.mp4", _TIMES))
        save(path, scaled(row, 900 / row.shape[1]))

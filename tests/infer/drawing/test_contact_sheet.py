"""Frames whose gray is their number go onto sheets, and are found there again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.drawing.contact_sheet import ROOM, ContactSheet, clock
from fkd_infer.errors import OutputError
from fkd_infer.media.images.file import read_image
from fkd_infer.types import Frame

PAPER = 32


def frame(
    gray: int, index: int = 0, source: str = "a.mp4", width: int = 64, height: int = 36
) -> Frame:
    image = np.full((height, width, 3), gray, np.uint8)
    return Frame(image, source, index, Fraction(index, 25))


def areas(sheet: NDArray[np.uint8]) -> list[tuple[int, int, int, int, int]]:
    """Thumbnails on a sheet by row and column: their gray, x, y, width and height."""
    found = []
    plain = sheet.max(axis=2)
    for gray in np.unique(plain):
        # Letters have all grays in their outlines, but are thin.
        mask = cv2.morphologyEx(
            (plain == gray).astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)
        )
        x, y, width, height = cv2.boundingRect(mask)
        if gray != PAPER and mask.sum() == width * height > 2000:
            found.append((int(gray), x, y, width, height))
    return sorted(found, key=lambda area: (area[2] // 50, area[1]))


def sheet_of(tmp_path: Path, *frames: Frame) -> NDArray[np.uint8]:
    path = tmp_path / str(len(list(tmp_path.iterdir()))) / "sheet.png"
    with ContactSheet(path) as sheet:
        for given in frames:
            sheet.write(given, [])
            assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]
    return read_image(path)


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (1, [0]),
        (7, list(range(7))),
        (20, list(range(20))),
        (21, list(range(0, 21, 2))),
        (40, list(range(0, 40, 2))),
        (41, list(range(0, 41, 4))),
        (150, list(range(0, 150, 8))),
    ],
)
def test_frames_are_evenly_spaced(tmp_path: Path, count: int, kept: list[int]) -> None:
    frames = [frame(60 + i, i) for i in range(count)]
    sheet = sheet_of(tmp_path, *frames)
    assert [area[0] - 60 for area in areas(sheet)] == kept
    assert len(kept) <= ROOM


def test_a_frame_is_due_when_it_is_kept() -> None:
    sheet = ContactSheet(Path("a.png"))
    due = []
    for i in range(50):
        due.append(sheet.due)
        sheet.write(frame(0, i), [])
    assert all(due[:21])
    assert [i for i in range(22, 40) if due[i]] == list(range(22, 40, 2))


def test_cells_do_not_touch_and_keep_the_frames_shape(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, *(frame(60 + i, i) for i in range(20)))
    found = areas(sheet)
    assert {(width, height) for *_, width, height in found} == {(320, 180)}
    assert len({x for _, x, *_ in found}) * len({y for _, _, y, *_ in found}) == 20
    assert 1.2 < sheet.shape[1] / sheet.shape[0] < 2.2
    for edge in (sheet[:10], sheet[-3:], sheet[:, :10], sheet[:, -10:]):
        assert (edge == PAPER).all()


def test_portrait_and_landscape_share_a_sheet(tmp_path: Path) -> None:
    tall = [frame(60 + i, 0, f"{i}.png", 36, 64) for i in range(4)]
    wide = [frame(90 + i, 0, f"w{i}.png", 64, 36) for i in range(4)]
    found = areas(sheet_of(tmp_path, *tall, *wide))
    assert [area[3:] for area in found] == [(135, 240)] * 4 + [(320, 180)] * 4
    assert [area[0] for area in found] == [60, 61, 62, 63, 90, 91, 92, 93]


def test_only_portraits_stand_close_together(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, *(frame(60 + i, i, width=36, height=64) for i in range(3)))
    first, second, _ = areas(sheet)
    assert first[3:] == (180, 320)
    assert second[1] - first[1] == 180 + 14


def inked(sheet: NDArray[np.uint8]) -> int:
    """Pixels of text below the thumbnails."""
    bottom = max(y + height for _, _, y, _, height in areas(sheet))
    return int((sheet[bottom + 1 :] > 100).any(axis=2).sum())


def test_names_are_told_where_there_are_several_sources(tmp_path: Path) -> None:
    frames = [frame(60, 0), frame(61, 1)]
    one = sheet_of(tmp_path, *frames)
    two = sheet_of(tmp_path, frames[0], frame(61, 1, "b.mp4"))
    assert two.shape[0] - one.shape[0] == 20
    assert inked(two) > inked(one) > 50


def test_long_and_foreign_names_stay_in_their_cells(tmp_path: Path) -> None:
    name = "Ærø 写真 with a name that is far too long for a thumbnail, and goes on.png"
    sheet = sheet_of(tmp_path, frame(60, 0, name), frame(61, 0, "b.png"))
    first, second = areas(sheet)
    between = sheet[:, first[1] + first[3] : second[1]]
    assert between.shape[1] == 14
    assert (between == PAPER).all()


def test_as_jpeg_and_without_frames(tmp_path: Path) -> None:
    with ContactSheet(tmp_path / "a.jpg") as sheet:
        sheet.write(frame(200), [])
    assert read_image(tmp_path / "a.jpg").shape[1] == 320 + 2 * 20
    with ContactSheet(tmp_path / "none.jpg"):
        pass
    assert not (tmp_path / "none.jpg").exists()


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with ContactSheet(tmp_path / "a.png") as sheet:
            sheet.write(frame(0), [])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_another_format() -> None:
    with pytest.raises(OutputError, match=r"sheet\.gif.*ends in \.jpg"):
        ContactSheet(Path("sheet.gif"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Fraction(0), "0:00.0"),
        (Fraction(1001, 80), "0:12.5"),
        (Fraction(5999, 100), "1:00.0"),
        (Fraction(3725), "1:02:05.0"),
    ],
)
def test_times_are_told_as_on_a_clock(seconds: Fraction, text: str) -> None:
    assert clock(seconds) == text

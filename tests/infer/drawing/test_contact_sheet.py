"""Contact sheets of frames whose gray level is their number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.drawing.contact_sheet import MAX_THUMBNAILS, ContactSheet, format_time
from fkd_infer.errors import OutputError
from fkd_infer.media.images.file import read_image
from fkd_infer.types import Frame

BACKGROUND = 32


def frame(
    gray: int, index: int = 0, source: str = "a.mp4", width: int = 64, height: int = 36
) -> Frame:
    image = np.full((height, width, 3), gray, np.uint8)
    return Frame(image, source, index, Fraction(index, 25))


def find_thumbnails(sheet: NDArray[np.uint8]) -> list[tuple[int, int, int, int, int]]:
    """The thumbnails of a sheet by row and column: gray level, x, y, width and height."""
    thumbnails = []
    plain = sheet.max(axis=2)
    for gray in np.unique(plain):
        # The edges of letters have every gray level, but are thin.
        mask = cv2.morphologyEx(
            (plain == gray).astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)
        )
        x, y, width, height = cv2.boundingRect(mask)
        if gray != BACKGROUND and mask.sum() == width * height > 2000:
            thumbnails.append((int(gray), x, y, width, height))
    return sorted(thumbnails, key=lambda area: (area[2] // 50, area[1]))


def write_sheet(tmp_path: Path, *frames: Frame) -> NDArray[np.uint8]:
    path = tmp_path / str(len(list(tmp_path.iterdir()))) / "sheet.png"
    with ContactSheet(path) as sheet:
        for written in frames:
            sheet.write(written, [])
            assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]
    return read_image(path)


@pytest.mark.parametrize(
    ("count", "selected"),
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
def test_frames_are_evenly_spaced(tmp_path: Path, count: int, selected: list[int]) -> None:
    frames = [frame(60 + i, i) for i in range(count)]
    sheet = write_sheet(tmp_path, *frames)
    assert [area[0] - 60 for area in find_thumbnails(sheet)] == selected
    assert len(selected) <= MAX_THUMBNAILS


def test_a_frame_is_due_when_it_is_selected() -> None:
    sheet = ContactSheet(Path("a.png"))
    due = []
    for i in range(50):
        due.append(sheet.due)
        sheet.write(frame(0, i), [])
    assert all(due[:21])
    assert [i for i in range(22, 40) if due[i]] == list(range(22, 40, 2))


def test_cells_do_not_touch_and_keep_the_frames_shape(tmp_path: Path) -> None:
    sheet = write_sheet(tmp_path, *(frame(60 + i, i) for i in range(20)))
    thumbnails = find_thumbnails(sheet)
    assert {(width, height) for *_, width, height in thumbnails} == {(320, 180)}
    assert len({x for _, x, *_ in thumbnails}) * len({y for _, _, y, *_ in thumbnails}) == 20
    assert 1.2 < sheet.shape[1] / sheet.shape[0] < 2.2
    for edge in (sheet[:10], sheet[-3:], sheet[:, :10], sheet[:, -10:]):
        assert (edge == BACKGROUND).all()


def test_portrait_and_landscape_share_a_sheet(tmp_path: Path) -> None:
    tall = [frame(60 + i, 0, f"{i}.png", 36, 64) for i in range(4)]
    wide = [frame(90 + i, 0, f"w{i}.png", 64, 36) for i in range(4)]
    thumbnails = find_thumbnails(write_sheet(tmp_path, *tall, *wide))
    assert [area[3:] for area in thumbnails] == [(135, 240)] * 4 + [(320, 180)] * 4
    assert [area[0] for area in thumbnails] == [60, 61, 62, 63, 90, 91, 92, 93]


def test_portraits_alone_have_narrow_cells(tmp_path: Path) -> None:
    sheet = write_sheet(tmp_path, *(frame(60 + i, i, width=36, height=64) for i in range(3)))
    first, second, _ = find_thumbnails(sheet)
    assert first[3:] == (180, 320)
    assert second[1] - first[1] == 180 + 14


def count_text_pixels(sheet: NDArray[np.uint8]) -> int:
    """Counts the pixels of text below the thumbnails."""
    bottom = max(y + height for _, _, y, _, height in find_thumbnails(sheet))
    return int((sheet[bottom + 1 :] > 100).any(axis=2).sum())


def test_several_sources_are_named(tmp_path: Path) -> None:
    frames = [frame(60, 0), frame(61, 1)]
    one = write_sheet(tmp_path, *frames)
    two = write_sheet(tmp_path, frames[0], frame(61, 1, "b.mp4"))
    assert two.shape[0] - one.shape[0] == 20
    assert count_text_pixels(two) > count_text_pixels(one) > 50


def test_long_and_foreign_names_stay_in_their_cells(tmp_path: Path) -> None:
    name = "Ærø 写真 with a name that is far too long for a thumbnail, and goes on.png"
    sheet = write_sheet(tmp_path, frame(60, 0, name), frame(61, 0, "b.png"))
    first, second = find_thumbnails(sheet)
    between = sheet[:, first[1] + first[3] : second[1]]
    assert between.shape[1] == 14
    assert (between == BACKGROUND).all()


def test_writes_a_jpeg_and_nothing_without_frames(tmp_path: Path) -> None:
    with ContactSheet(tmp_path / "a.jpg") as sheet:
        sheet.write(frame(200), [])
    assert read_image(tmp_path / "a.jpg").shape[1] == 320 + 2 * 20
    with ContactSheet(tmp_path / "none.jpg"):
        pass
    assert not (tmp_path / "none.jpg").exists()


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with ContactSheet(tmp_path / "a.png") as sheet:
            sheet.write(frame(0), [])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_refuses_another_format() -> None:
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
def test_formats_times(seconds: Fraction, text: str) -> None:
    assert format_time(seconds) == text

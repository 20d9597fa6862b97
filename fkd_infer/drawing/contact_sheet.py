"""A contact sheet: evenly spaced frames of all sources on one picture, with their times."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.drawing.marks import FONT
from fkd_infer.errors import OutputError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.writing import write_image
from fkd_infer.types import Face, Frame

MAX_THUMBNAILS = 20
_SUFFIXES = (".jpg", ".jpeg", ".png")
_SIDE = 320
"""Longer side of a thumbnail."""
_GAP, _MARGIN, _LINE_HEIGHT = 14, 20, 20
_ASPECT = 1.5
"""Width over height that the sheet approaches."""
_BACKGROUND, _TEXT_COLOUR, _NAME_COLOUR = (32, 32, 32), (235, 235, 235), (165, 165, 165)
_TEXT_SCALE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Thumbnail:
    image: Pixels
    source: str
    time: Fraction
    faces: int


class ContactSheet(AbstractContextManager["ContactSheet"]):
    """Collects up to 20 frames, and writes their picture at the end of a `with` block.

    Of a stream of unknown length it selects every frame, then every second, every fourth and so on.
    Writes nothing without frames, or after an error. Raises OutputError for a name that does not
    end in .jpg or .png.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in _SUFFIXES:
            raise OutputError(path, f"a contact sheet's name ends in {', '.join(_SUFFIXES)}")
        self._path = path
        self._thumbnails: list[_Thumbnail] = []
        self._video_sources: set[str] = set()
        self._count = 0
        self._step = 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._thumbnails:
            write_image(self._path, self._compose())

    @property
    def due(self) -> bool:
        """Whether the next frame is selected, and so has to be drawn."""
        return self._count % self._step == 0

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Adds an annotated BGR frame and its number of faces, if it is selected."""
        if frame.index > 0:
            self._video_sources.add(frame.source)
        if self.due:
            if len(self._thumbnails) == MAX_THUMBNAILS:
                self._thumbnails = self._thumbnails[::2]
                self._step *= 2
            if self.due:
                image = _fit(frame.bgr(), _SIDE, _SIDE)
                self._thumbnails.append(_Thumbnail(image, frame.source, frame.time, len(faces)))
        self._count += 1

    def _compose(self) -> Pixels:
        """Draws the thumbnails in rows, each centred in a cell above its lines of text."""
        labels = [self._label(thumbnail) for thumbnail in self._thumbnails]
        lines = max(len(label) for label in labels)
        width, height = _cell_size([thumbnail.image for thumbnail in self._thumbnails])
        columns = _column_count(len(labels), width / (height + lines * _LINE_HEIGHT))
        rows = -(-len(labels) // columns)
        across, down = width + _GAP, height + lines * _LINE_HEIGHT + _GAP
        size = (rows * down - _GAP + 2 * _MARGIN, columns * across - _GAP + 2 * _MARGIN, 3)
        sheet = np.full(size, _BACKGROUND, np.uint8)
        for number, (thumbnail, label) in enumerate(zip(self._thumbnails, labels, strict=True)):
            row, column = divmod(number, columns)
            x, y = _MARGIN + column * across, _MARGIN + row * down
            image = _fit(thumbnail.image, width, height)
            top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
            part = sheet[y + top : y + top + image.shape[0], x + left : x + left + image.shape[1]]
            part[:] = image
            for line, text in enumerate(label):
                colour = _TEXT_COLOUR if line == 0 else _NAME_COLOUR
                _draw_line(sheet, text, x, y + height + (line + 1) * _LINE_HEIGHT, width, colour)
        return sheet

    def _label(self, thumbnail: _Thumbnail) -> list[str]:
        """The lines below a thumbnail: time and faces; the name of one of several sources."""
        count = f"{thumbnail.faces} face{'' if thumbnail.faces == 1 else 's'}"
        has_others = any(other.source != thumbnail.source for other in self._thumbnails)
        is_video = thumbnail.source in self._video_sources
        first = f"{format_time(thumbnail.time)}  {count}" if is_video else count
        name = _to_ascii(Path(thumbnail.source).name)
        return [first, name] if has_others or not is_video else [first]


def format_time(time: Fraction) -> str:
    """Formats seconds as m:ss.t or h:mm:ss.t, to the nearest tenth."""
    minutes, tenths = divmod(round(time * 10), 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{tenths // 10:02}.{tenths % 10}"


def _fit(image: Pixels, width: int, height: int) -> Pixels:
    """Resizes an image to the largest size within width × height."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    if size == (image.shape[1], image.shape[0]):
        return image
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)


def _cell_size(images: Sequence[Pixels]) -> tuple[int, int]:
    """Width and height of a cell; 4:3 where portraits and landscapes would make it square."""
    width = max(image.shape[1] for image in images)
    height = max(image.shape[0] for image in images)
    return (width, height * 3 // 4) if width == height == _SIDE else (width, height)


def _column_count(count: int, aspect: float) -> int:
    """The fewest cells in a row, of width over height `aspect`, for a sheet of _ASPECT or wider."""
    return min(count, math.ceil(math.sqrt(_ASPECT * count / aspect)))


def _to_ascii(text: str) -> str:
    """Removes accents, and replaces characters that OpenCV cannot draw with ?."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in bare)


def _draw_line(
    sheet: Pixels, text: str, x: int, y: int, width: int, colour: tuple[int, int, int]
) -> None:
    """Draws a line of text centred below a thumbnail; a long one is shortened in its middle."""
    shortened, length = text, len(text)
    while (extent := cv2.getTextSize(shortened, FONT, _TEXT_SCALE, 1)[0][0]) > width and length > 2:
        length -= 1
        shortened = f"{text[: (length + 1) // 2]}..{text[len(text) - length // 2 :]}"
    start = (x + max(0, width - extent) // 2, y - 3)
    cv2.putText(sheet, shortened, start, FONT, _TEXT_SCALE, colour, 1, cv2.LINE_AA)

"""A contact sheet: frames of all sources, evenly spaced, on one picture with their times."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from fkd_infer.errors import OutputError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.file import write_image
from fkd_infer.types import Face, Frame

ROOM = 20
"""Thumbnails on a sheet at most."""
_SUFFIXES = (".jpg", ".jpeg", ".png")
_SIDE = 320
"""Longer side of a thumbnail."""
_GAP, _MARGIN, _LINE = 14, 20, 20
_SHAPE = 1.5
"""Width over height that a sheet is laid out for."""
_PAPER, _INK, _FAINT = (32, 32, 32), (235, 235, 235), (165, 165, 165)
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Thumbnail:
    image: Pixels
    source: str
    time: Fraction
    faces: int


class ContactSheet:
    """A picture of up to 20 frames that is written at the end; nothing where there were none.

    Of a stream of unknown length it keeps every frame, then every second, every fourth and so on.
    Raises OutputError for a name that is no .jpg or .png.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in _SUFFIXES:
            raise OutputError(path, f"a contact sheet's name ends in {', '.join(_SUFFIXES)}")
        self._path = path
        self._kept: list[_Thumbnail] = []
        self._moving: set[str] = set()
        self._seen = 0
        self._step = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._kept:
            write_image(self._path, self._laid_out())

    @property
    def due(self) -> bool:
        """Whether the next frame is one that it keeps, and so has to be drawn."""
        return self._seen % self._step == 0

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes an annotated BGR frame, and how many faces it has."""
        if frame.index > 0:
            self._moving.add(frame.source)
        if self.due:
            if len(self._kept) == ROOM:
                self._kept = self._kept[::2]
                self._step *= 2
            if self.due:
                image = _fitted(frame.image, _SIDE, _SIDE)
                self._kept.append(_Thumbnail(image, frame.source, frame.time, len(faces)))
        self._seen += 1

    def _laid_out(self) -> Pixels:
        """The sheet: thumbnails in rows, each in the middle of a cell above its lines of text."""
        labels = [self._label(kept) for kept in self._kept]
        lines = max(len(label) for label in labels)
        width, height = _cell([kept.image for kept in self._kept])
        columns = _columns(len(labels), width / (height + lines * _LINE))
        rows = -(-len(labels) // columns)
        across, down = width + _GAP, height + lines * _LINE + _GAP
        size = (rows * down - _GAP + 2 * _MARGIN, columns * across - _GAP + 2 * _MARGIN, 3)
        sheet = np.full(size, _PAPER, np.uint8)
        for number, (kept, label) in enumerate(zip(self._kept, labels, strict=True)):
            row, column = divmod(number, columns)
            x, y = _MARGIN + column * across, _MARGIN + row * down
            image = _fitted(kept.image, width, height)
            top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
            part = sheet[y + top : y + top + image.shape[0], x + left : x + left + image.shape[1]]
            part[:] = image
            for line, text in enumerate(label):
                _print(sheet, text, x, y + height + (line + 1) * _LINE, width, line == 0)
        return sheet

    def _label(self, kept: _Thumbnail) -> list[str]:
        """Lines of text: the time in what moves, and the source's name where there are several."""
        count = f"{kept.faces} face{'' if kept.faces == 1 else 's'}"
        several = any(other.source != kept.source for other in self._kept)
        moves = kept.source in self._moving
        first = f"{clock(kept.time)}  {count}" if moves else count
        return [first, _plain(Path(kept.source).name)] if several or not moves else [first]


def clock(time: Fraction) -> str:
    """Seconds as m:ss.t or h:mm:ss.t, to the nearest tenth."""
    minutes, tenths = divmod(round(time * 10), 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{tenths // 10:02}.{tenths % 10}"


def _fitted(image: Pixels, width: int, height: int) -> Pixels:
    """The image as large as it can be within width × height."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    if size == (image.shape[1], image.shape[0]):
        return image
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def _cell(images: Sequence[Pixels]) -> tuple[int, int]:
    """Width and height of a cell: a square would waste room where some stand and some lie."""
    width = max(image.shape[1] for image in images)
    height = max(image.shape[0] for image in images)
    return (width, height * 3 // 4) if width == height == _SIDE else (width, height)


def _columns(count: int, aspect: float) -> int:
    """How many cells of width over height `aspect` a row has, so that the sheet is no narrower
    than its shape asks for."""
    return min(count, math.ceil(math.sqrt(_SHAPE * count / aspect)))


def _plain(text: str) -> str:
    """Text in the letters that OpenCV can draw; accents are dropped, others become ?."""
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in bare)


def _print(sheet: Pixels, text: str, x: int, y: int, width: int, first: bool) -> None:
    """Writes text in the middle below a thumbnail; what is too long loses its middle."""
    shown, keep = text, len(text)
    while (extent := cv2.getTextSize(shown, _FONT, _TEXT, 1)[0][0]) > width and keep > 2:
        keep -= 1
        shown = f"{text[: (keep + 1) // 2]}..{text[len(text) - keep // 2 :]}"
    colour = _INK if first else _FAINT
    place = (x + max(0, width - extent) // 2, y - 3)
    cv2.putText(sheet, shown, place, _FONT, _TEXT, colour, 1, cv2.LINE_AA)

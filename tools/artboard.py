"""Draws pictures of filters in the units of the mean head; needs skia-python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skia

from fkd_infer.filters.pack import BUILTIN_PACKS
from fkd_infer.landmarks.head_model import mean_head

Position = tuple[float, float]
Colour = str
RIGID = (0, 16, 27, 36, 39, 42, 45)


class Board:
    """A picture of part of the head's plane: x right, y down, eye corners at x = ±0.5."""

    def __init__(self, left: float, top: float, right: float, bottom: float, width: int) -> None:
        self.corner, self.density = (left, top), width / (right - left)
        self.size = (width, round((bottom - top) * self.density))
        self.surface = skia.Surface(*self.size)
        self.canvas = self.surface.getCanvas()
        self.canvas.scale(self.density, self.density)
        self.canvas.translate(-left, -top)

    def fill(
        self, path: skia.Path, shade: Colour | skia.Shader, blur: float = 0, **more: Any
    ) -> None:
        """Fills a path."""
        self.canvas.drawPath(path, ink(shade, blur, **more))

    def stroke(
        self, path: skia.Path, shade: Colour | skia.Shader, width: float, blur: float = 0
    ) -> None:
        """Draws a path as a line with round ends."""
        paint = ink(shade, blur)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def inside(self, path: skia.Path) -> skia.AutoCanvasRestore:
        """Clips drawing to the path until the end of the with block."""
        restore = skia.AutoCanvasRestore(self.canvas, True)
        self.canvas.clipPath(path, skia.ClipOp.kIntersect, True)
        return restore

    def mirror(self) -> None:
        """Adds the mirror image; the board must be symmetrical about x = 0."""
        half = self.surface.makeImageSnapshot()
        self.canvas.save()
        self.canvas.resetMatrix()
        self.canvas.translate(self.size[0], 0)
        self.canvas.scale(-1, 1)
        self.canvas.drawImage(half, 0, 0)
        self.canvas.restore()

    def pixel(self, x: float, y: float) -> list[float]:
        """Returns the pixel at a position of the head's plane."""
        return [
            round((x - self.corner[0]) * self.density - 0.5, 2),
            round((y - self.corner[1]) * self.density - 0.5, 2),
        ]

    def save(self, path: Path) -> None:
        """Writes the picture as a PNG with straight alpha."""
        image = self.surface.makeImageSnapshot().toarray(colorType=skia.kBGRA_8888_ColorType)
        image[image[..., 3] == 0] = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])


class PackWriter:
    """Collects the layers of a filter pack and writes it."""

    def __init__(self, name: str, title: str) -> None:
        self.folder = BUILTIN_PACKS / name
        self.table: dict[str, Any] = {"version": 1, "name": name, "title": title, "layers": []}

    def layer(
        self,
        board: Board,
        file: str,
        points: Sequence[int] = RIGID,
        side: bool = False,
        **more: Any,
    ) -> None:
        """Adds a picture anchored at these points; `side` selects the plane of depth and height."""
        board.save(self.folder / file)
        head = mean_head()
        positions = head[list(points)][:, [2, 1] if side else [0, 1]]
        anchors = [
            {"points": [point], "at": board.pixel(float(x), float(y))}
            for point, (x, y) in zip(points, positions, strict=True)
        ]
        self.table["layers"].append({"image": file, **more, "anchors": anchors})

    def write(self) -> None:
        """Writes filter.json with one anchor per line."""
        layers = []
        for layer in self.table["layers"]:
            head = {key: value for key, value in layer.items() if key != "anchors"}
            anchors = ",\n        ".join(json.dumps(anchor) for anchor in layer["anchors"])
            layers.append(f'{json.dumps(head)[:-1]},\n      "anchors": [\n        {anchors}]}}')
        start = {key: value for key, value in self.table.items() if key != "layers"}
        joined = ",\n    ".join(layers)
        text = f'{json.dumps(start)[:-1]},\n  "layers": [\n    {joined}]}}\n'
        (self.folder / "filter.json").write_text(text)


def ink(shade: Colour | skia.Shader, blur: float = 0, screen: bool = False) -> skia.Paint:
    """Makes a paint of a colour #rrggbb or #rrggbbaa, or of a gradient."""
    paint = skia.Paint(AntiAlias=True)
    if isinstance(shade, str):
        paint.setColor(colour(shade))
    else:
        paint.setShader(shade)
    if blur:
        paint.setImageFilter(skia.ImageFilters.Blur(blur, blur))
    if screen:
        paint.setBlendMode(skia.BlendMode.kScreen)
    return paint


def colour(text: Colour) -> int:
    """Parses a colour #rrggbb or #rrggbbaa."""
    parts = [int(text[i : i + 2], 16) for i in range(1, len(text), 2)]
    return int(skia.Color(*parts))


def linear(start: Position, end: Position, *stops: tuple[float, Colour]) -> skia.Shader:
    """Makes a gradient along a line."""
    return skia.GradientShader.MakeLinear(
        [skia.Point(*start), skia.Point(*end)],
        [colour(c) for _, c in stops],
        [t for t, _ in stops],
    )


def radial(centre: Position, radius: float, *stops: tuple[float, Colour]) -> skia.Shader:
    """Makes a gradient around a centre."""
    return skia.GradientShader.MakeRadial(
        skia.Point(*centre), radius, [colour(c) for _, c in stops], [t for t, _ in stops]
    )


def curve(start: Position, *segments: Sequence[Position], closed: bool = True) -> skia.Path:
    """Makes a path of lines (one point each), quadratic (two) and cubic (three) Bézier curves."""
    path = skia.Path()
    path.moveTo(*start)
    for segment in segments:
        coordinates = [value for point in segment for value in point]
        (path.lineTo, path.quadTo, path.cubicTo)[len(segment) - 1](*coordinates)
    if closed:
        path.close()
    return path


def through(positions: Sequence[Position], closed: bool = True) -> skia.Path:
    """Makes a Catmull-Rom spline through positions."""
    points = np.array(positions, np.float64)
    if closed:
        padded = np.vstack([points[-1:], points, points[:2]])
    else:
        padded = np.vstack([points[:1], points, points[-1:]])
    path = skia.Path()
    path.moveTo(*padded[1])
    for before, first, last, after in zip(
        padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True
    ):
        path.cubicTo(*(first + (last - before) / 6), *(last - (after - first) / 6), *last)
    if closed:
        path.close()
    return path


def ellipse(x: float, y: float, across: float, down: float) -> skia.Path:
    """Makes an ellipse by its centre and semi-axes."""
    path = skia.Path()
    path.addOval(skia.Rect.MakeLTRB(x - across, y - down, x + across, y + down))
    return path


def flipped(path: skia.Path) -> skia.Path:
    """Mirrors the path about the face's axis."""
    other = skia.Path()
    path.transform(skia.Matrix.Scale(-1, 1), other)
    return other


def moved(path: skia.Path, x: float, y: float) -> skia.Path:
    """Translates the path."""
    other = skia.Path()
    path.transform(skia.Matrix.Translate(x, y), other)
    return other

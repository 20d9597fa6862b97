"""Draws the pictures of the built-in filters: `python tools/draw_packs.py [NAME...]`.

Shapes are in units of the mean head, and random details have fixed seeds. Needs skia-python, which
fkd itself does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import skia
from artboard import (
    Board,
    PackWriter,
    curve,
    ellipse,
    flipped,
    linear,
    moved,
    through,
)


def both(path: skia.Path) -> skia.Path:
    """Returns a path and its mirror image."""
    pair = skia.Path(path)
    pair.addPath(flipped(path))
    return pair


def shadow(shape: skia.Path, left: float, top: float, right: float, bottom: float) -> Board:
    """Draws the blurred shadow of a shape on a board of low resolution."""
    board = Board(left, top, right, bottom, 192)
    board.fill(shape, "#2a1208", blur=0.045)
    return board


def sunglasses() -> None:
    """Draws a black frame, smoked lenses, and arms that are visible when the head turns."""
    pack = PackWriter("sunglasses", "Sunglasses")
    outer = through(
        [(-0.10, -0.15), (-0.36, -0.225), (-0.66, -0.22), (-0.765, -0.165), (-0.71, -0.03),
         (-0.665, 0.16), (-0.54, 0.285), (-0.34, 0.305), (-0.185, 0.225), (-0.105, 0.03)]
    )  # fmt: skip
    lens = through(
        [(-0.155, -0.115), (-0.36, -0.165), (-0.58, -0.16), (-0.66, -0.115), (-0.64, 0.0),
         (-0.605, 0.13), (-0.51, 0.225), (-0.35, 0.245), (-0.225, 0.18), (-0.155, 0.03)]
    )  # fmt: skip
    bridge = curve((-0.14, -0.15), [(0, -0.2), (0.14, -0.15)], [(0.12, -0.02)],
                   [(0, -0.125), (-0.12, -0.02)])  # fmt: skip
    frame = skia.Op(skia.Op(both(outer), bridge, skia.PathOp.kUnion_PathOp), both(lens),
                    skia.PathOp.kDifference_PathOp)  # fmt: skip
    board = Board(-0.82, -0.29, 0.82, 0.37, 768)
    for glass in (lens, flipped(lens)):
        board.fill(glass, linear((0, -0.17), (0, 0.25), (0, "#07090df4"), (0.55, "#151a24e6"),
                                 (1, "#3a4152b8")))  # fmt: skip
        box = glass.getBounds()
        with board.inside(glass):
            x, w = box.left(), box.width()
            streak = curve((x + 0.26 * w, -0.25), [(x + 0.55 * w, -0.25)], [(x + 0.2 * w, 0.3)],
                           [(x - 0.09 * w, 0.3)])  # fmt: skip
            board.fill(streak, linear((0, -0.17), (0, 0.2), (0, "#ffffff5a"), (1, "#ffffff06")))
            thin = curve((x + 0.62 * w, -0.25), [(x + 0.69 * w, -0.25)], [(x + 0.34 * w, 0.3)],
                         [(x + 0.27 * w, 0.3)])  # fmt: skip
            board.fill(thin, linear((0, -0.17), (0, 0.2), (0, "#ffffff42"), (1, "#ffffff04")))
            board.stroke(glass, "#00000090", 0.03, blur=0.012)
    board.fill(
        frame, linear((0, -0.23), (0, 0.3), (0, "#34363c"), (0.22, "#121317"), (1, "#08080a"))
    )
    with board.inside(frame):
        board.stroke(moved(both(outer), 0, 0.016), "#ffffff70", 0.012, blur=0.005)
        board.stroke(moved(both(lens), 0, 0.006), "#ffffff38", 0.008, blur=0.003)
        board.stroke(curve((-0.12, -0.145), [(0, -0.19), (0.12, -0.145)], closed=False),
                     "#ffffff80", 0.012, blur=0.006)  # fmt: skip
    for x in (-0.7, 0.7):
        board.fill(ellipse(x, -0.137, 0.022, 0.011), linear((0, -0.15), (0, -0.125),
                   (0, "#ffffff"), (1, "#8b8f98")))  # fmt: skip
    cast = moved(both(outer), 0, 0.07)
    front = (27, 36, 39, 42, 45)
    pack.layer(shadow(cast, -1, -0.4, 1, 0.55), "shadow.png", front, z=10, depth=0.0,
               blend="multiply", opacity=0.5)  # fmt: skip
    arm = curve((0.36, -0.17), [(-0.2, -0.14), (-0.7, -0.1), (-0.86, -0.06)],
                [(-0.95, -0.03), (-1.0, 0.06), (-1.02, 0.2)],
                [(-0.95, 0.2)], [(-0.93, 0.06), (-0.88, 0.02), (-0.8, 0.01)],
                [(-0.6, -0.03), (-0.2, -0.06), (0.36, -0.07)])  # fmt: skip
    side = Board(-1.05, -0.22, 0.4, 0.24, 512)
    side.fill(arm, linear((-1.0, 0), (0.36, 0), (0.02, "#15161a00"), (0.22, "#15161aff"),
                          (1, "#1c1d22")))  # fmt: skip
    with side.inside(arm):
        gloss = curve((0.36, -0.15), [(-0.2, -0.12), (-0.7, -0.085)], closed=False)
        side.stroke(gloss, "#ffffff50", 0.012, blur=0.005)
    pack.layer(side, "arm.png", (0, 36, 27), side=True, z=28, turn=90, depth=0.265, mirrored=True)
    pack.layer(board, "frame.png", front, z=30, depth=0.2)
    pack.write()


def moustache() -> None:
    """Draws a handlebar moustache of single hairs."""
    pack = PackWriter("moustache", "Moustache")
    half = curve((0.0, 0.505), [(0.06, 0.455), (0.16, 0.47), (0.26, 0.555)],
                 [(0.35, 0.625), (0.47, 0.62), (0.485, 0.535)],
                 [(0.49, 0.485), (0.44, 0.475), (0.425, 0.51)],
                 [(0.45, 0.445), (0.55, 0.47), (0.535, 0.57)],
                 [(0.515, 0.69), (0.36, 0.735), (0.22, 0.685)],
                 [(0.11, 0.65), (0.04, 0.645), (0.0, 0.625)])  # fmt: skip
    board = Board(-0.62, 0.38, 0.62, 0.8, 640)
    rng = np.random.default_rng(4)
    for side in (half, flipped(half)):
        board.fill(
            side, linear((0, 0.45), (0, 0.7), (0, "#4a3020"), (0.5, "#2c1a10"), (1, "#170c07"))
        )
        sign = 1 if side is half else -1
        with board.inside(side):
            for _ in range(420):
                t = rng.uniform(0, 1)
                hair(board, sign, t, rng)
    for sign in (1, -1):
        for _ in range(90):
            hair(board, sign, rng.uniform(0, 0.75), rng, loose=True)
    board.stroke(curve((0, 0.515), [(0.006, 0.57), (0, 0.62)], closed=False), "#0c060480", 0.016,
                 blur=0.006)  # fmt: skip
    under = (31, 33, 35, 50, 51, 52)
    cast = moved(both(half), 0, 0.035)
    pack.layer(shadow(cast, -0.7, 0.3, 0.7, 0.9), "shadow.png", under, z=14, blend="multiply",
               opacity=0.55)  # fmt: skip
    pack.layer(board, "moustache.png", under, z=20, depth=0.0, offset=[0, -0.02])
    pack.write()


def hair(board: Board, sign: int, t: float, rng: np.random.Generator, loose: bool = False) -> None:
    """Draws a hair of the moustache outwards, starting at t, from 0 (middle) to 1."""
    x = 0.01 + 0.4 * t
    across = rng.uniform(0, 1)
    top = np.interp(x, [0, 0.1, 0.26, 0.42], [0.505, 0.47, 0.555, 0.6])
    low = np.interp(x, [0, 0.12, 0.24, 0.42], [0.625, 0.645, 0.685, 0.7])
    y = top + across * (low - top) + (0.004 if loose else 0)
    slope = np.interp(x, [0, 0.1, 0.25, 0.36, 0.45], [0.1, 0.45, 0.6, 0.15, -0.4])
    length = rng.uniform(0.06, 0.13) * (0.75 if loose else 1)
    drop = length * slope + rng.uniform(-0.012, 0.02) + 0.015 * across
    path = curve((sign * x, y), [(sign * (x + length / 2), y + drop * 0.4),
                 (sign * (x + length), y + drop)], closed=False)  # fmt: skip
    shades = ["#7a553a", "#8d6646", "#0e0704", "#1d1008", "#5a3b27", "#a27a55"]
    weights = [0.2, 0.1, 0.25, 0.25, 0.17, 0.03]
    shade = str(rng.choice(shades, p=weights)) if not loose else "#24140b"
    board.stroke(path, shade + ("b0" if not loose else "90"), rng.uniform(0.002, 0.0045))


PACKS: dict[str, Callable[[], None]] = {"sunglasses": sunglasses, "moustache": moustache}


def main() -> None:
    """Draws the named packs, or all."""
    from draw_faces import FACES
    from draw_hats import HATS

    packs = PACKS | HATS | FACES
    for name in sys.argv[1:] or packs:
        packs[name]()


if __name__ == "__main__":
    main()

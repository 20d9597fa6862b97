"""Draws filters on the head: hat, crown and flowers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skia
from artboard import Board, PackWriter, curve, ellipse, linear, moved, radial, through

AXIS = -0.8
"""Depth of the head's axis, relative to the anchors of hats."""


def on_forehead(path: skia.Path, blur: float = 0.06) -> Board:
    """Draws a shadow on the forehead."""
    board = Board(-1.3, -1.1, 1.3, 0.1, 192)
    board.fill(path, "#1c0d06", blur=blur)
    return board


def hat() -> None:
    """Draws a felt hat with a ribbon."""
    pack = PackWriter("hat", "Felt hat")
    board = Board(-1.5, -1.95, 1.5, -0.28, 700)
    brim_back = curve((-1.4, -0.75), [(-0.9, -1.02), (0.9, -1.02), (1.4, -0.75)],
                      [(0.8, -0.6), (-0.8, -0.6), (-1.4, -0.75)])  # fmt: skip
    board.fill(brim_back, linear((0, -1.0), (0, -0.65), (0, "#3a2c22"), (1, "#1b130e")))
    crown = curve((-0.93, -0.72), [(-0.95, -1.1), (-0.86, -1.55), (-0.66, -1.72)],
                  [(-0.45, -1.87), (-0.2, -1.74), (0.0, -1.7)],
                  [(0.2, -1.74), (0.45, -1.87), (0.66, -1.72)],
                  [(0.86, -1.55), (0.95, -1.1), (0.93, -0.72)],
                  [(0.5, -0.52), (-0.5, -0.52), (-0.93, -0.72)])  # fmt: skip
    board.fill(crown, linear((-0.95, 0), (0.95, 0), (0, "#4a382b"), (0.3, "#8a6d54"),
                             (0.5, "#7d614a"), (0.75, "#5b4535"), (1, "#33261d")))  # fmt: skip
    with board.inside(crown):
        board.fill(curve((-0.3, -1.9), [(-0.16, -1.5), (0, -1.32), (0.0, -1.3)],
                         [(0, -1.32), (0.16, -1.5), (0.3, -1.9)]),
                   "#2a1d14a0", blur=0.06)  # fmt: skip
        board.fill(ellipse(-0.5, -1.5, 0.14, 0.3), "#c9a98a66", blur=0.09)
        board.fill(ellipse(0.45, -1.45, 0.1, 0.28), "#b394764d", blur=0.09)
        felt(board, (-1, -1.9, 1, -0.5), 2600)
    ribbon = curve((-0.945, -0.99), [(-0.5, -0.79), (0.5, -0.79), (0.945, -0.99)],
                   [(0.94, -0.7)], [(0.5, -0.5), (-0.5, -0.5), (-0.94, -0.7)])  # fmt: skip
    with board.inside(crown):
        board.fill(ribbon, linear((-0.95, 0), (0.95, 0), (0, "#120d10"), (0.3, "#3a2b33"),
                                  (0.42, "#54404a"), (0.6, "#2c2027"), (1, "#0d090b")))  # fmt: skip
        for k in range(9):
            y = -0.97 + 0.033 * k
            line = curve((-0.95, y), [(-0.5, y + 0.2), (0.5, y + 0.2), (0.95, y)], closed=False)
            board.stroke(line, "#00000030", 0.006)
    brim = curve((-1.42, -0.77), [(-1.0, -0.7), (-0.95, -0.74), (-0.9, -0.74)],
                 [(-0.5, -0.56), (0.5, -0.56), (0.9, -0.74)],
                 [(0.95, -0.74), (1.0, -0.7), (1.42, -0.77)],
                 [(1.25, -0.47), (0.7, -0.33), (0.0, -0.33)],
                 [(-0.7, -0.33), (-1.25, -0.47), (-1.42, -0.77)])  # fmt: skip
    board.fill(moved(curve((-0.9, -0.74), [(-0.5, -0.56), (0.5, -0.56), (0.9, -0.74)],
                           closed=False), 0, 0.01), "#00000000")  # fmt: skip
    board.fill(brim, linear((0, -0.75), (0, -0.33), (0, "#4a382b"), (0.45, "#86694f"),
                            (0.85, "#6c533f"), (1, "#3b2c21")))  # fmt: skip
    with board.inside(brim):
        board.fill(ellipse(-1.35, -0.7, 0.4, 0.3), "#1a110b90", blur=0.12)
        board.fill(ellipse(1.35, -0.7, 0.4, 0.3), "#1a110bb0", blur=0.12)
        board.stroke(curve((-0.92, -0.74), [(-0.5, -0.555), (0.5, -0.555), (0.92, -0.74)],
                           closed=False), "#120a06b0", 0.05, blur=0.025)  # fmt: skip
        board.fill(ellipse(-0.35, -0.47, 0.45, 0.035), "#d3b59455", blur=0.04)
        felt(board, (-1.45, -0.8, 1.45, -0.3), 2200)
        edge = curve((-1.42, -0.77), [(-1.25, -0.47), (-0.7, -0.33), (0.0, -0.33)],
                     [(0.7, -0.33), (1.25, -0.47), (1.42, -0.77)], closed=False)  # fmt: skip
        board.stroke(edge, "#2a1e15", 0.03)
        board.stroke(moved(edge, 0, -0.022), "#b0917366", 0.008)
    bow(board)
    cast = curve((-0.66, -0.6), [(-0.3, -0.5), (0.3, -0.5), (0.66, -0.6)],
                 [(0.68, -0.36)], [(0.4, -0.26), (-0.4, -0.26), (-0.68, -0.36)])  # fmt: skip
    pack.layer(on_forehead(cast), "shadow.png", z=40, depth=AXIS + 0.1, round=True,
               scale=1.12, offset=[0, 0.1], blend="multiply", opacity=0.65)  # fmt: skip
    pack.layer(board, "hat.png", z=50, depth=AXIS, round=True, scale=1.12,
               offset=[0, 0.1])  # fmt: skip
    pack.write()


def felt(board: Board, box: tuple[float, float, float, float], count: int) -> None:
    """Draws short fibres."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        x, y = rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3])
        dx, dy = rng.normal(0, 0.012, 2)
        shade = "#e8cfb018" if rng.random() < 0.5 else "#0000001c"
        board.stroke(curve((x, y), [(x + dx, y + dy)], closed=False), shade, 0.006)


def bow(board: Board) -> None:
    """Draws the bow of the ribbon, at the side."""
    for sign, reach in ((-1, 0.13), (1, 0.1)):
        wing = curve((0.68, -0.76),
                     [(0.68 + sign * reach, -0.9), (0.68 + sign * reach * 1.5, -0.84)],
                     [(0.68 + sign * reach * 1.25, -0.76)], [(0.68 + sign * reach * 1.4, -0.66)],
                     [(0.68 + sign * reach, -0.63), (0.68, -0.74)])  # fmt: skip
        board.fill(wing, linear((0, -0.88), (0, -0.65), (0, "#56424c"), (1, "#1b1217")))
    board.fill(ellipse(0.68, -0.755, 0.032, 0.06), linear((0.64, 0), (0.72, 0), (0, "#5f4954"),
               (1, "#1a1216")))  # fmt: skip


GOLD = ((0.0, "#6b4208"), (0.16, "#c98f1d"), (0.34, "#fff0a8"), (0.46, "#e9b73a"),
        (0.7, "#b97d14"), (0.86, "#f2cf62"), (1.0, "#5f3a06"))  # fmt: skip


def crown() -> None:
    """Draws a golden crown with gemstones."""
    pack = PackWriter("crown", "Crown")
    board = Board(-1.05, -1.95, 1.05, -0.42, 720)
    back = curve((-0.86, -0.78), [(-0.97, -1.5)], [(-0.62, -1.12)], [(-0.42, -1.62)],
                 [(-0.2, -1.2)], [(0.2, -1.2)], [(0.42, -1.62)], [(0.62, -1.12)], [(0.97, -1.5)],
                 [(0.86, -0.78)], [(0.5, -1.0), (-0.5, -1.0), (-0.86, -0.78)])  # fmt: skip
    board.fill(back, linear((0, -1.6), (0, -0.8), (0, "#a87718"), (0.6, "#5d3c09"), (1, "#2b1a04")))
    front = curve((-0.86, -0.72), [(-0.97, -1.5)], [(-0.68, -1.1), (-0.64, -1.04)],
                  [(-0.56, -1.04), (-0.5, -1.66)],
                  [(-0.3, -1.05), (-0.22, -0.98)], [(-0.12, -1.0), (0.0, -1.78)],
                  [(0.12, -1.0), (0.22, -0.98)], [(0.3, -1.05), (0.5, -1.66)],
                  [(0.56, -1.04), (0.64, -1.04)], [(0.68, -1.1), (0.97, -1.5)],
                  [(0.86, -0.72)], [(0.5, -0.5), (-0.5, -0.5), (-0.86, -0.72)])  # fmt: skip
    board.fill(front, linear((-0.95, 0), (0.95, 0), *GOLD))
    with board.inside(front):
        board.fill(front, linear((0, -1.75), (0, -0.5), (0, "#fff6c455"), (0.5, "#00000000"),
                                 (1, "#40220066")))  # fmt: skip
        board.stroke(front, "#fff3b8c0", 0.022, blur=0.006)
        board.stroke(moved(front, 0.01, 0.014), "#5a340660", 0.016, blur=0.008)
        for y, wide in ((-0.73, 0.02), (-0.98, 0.016)):
            arc = curve((-0.9, y), [(-0.5, y + 0.22), (0.5, y + 0.22), (0.9, y)], closed=False)
            board.stroke(moved(arc, 0, 0.012), "#4a2a0590", wide * 1.3, blur=0.006)
            board.stroke(arc, "#fff0b4", wide)
    for x, y, r in ((-0.97, -1.5, 0.055), (-0.5, -1.66, 0.065), (0, -1.78, 0.08),
                    (0.5, -1.66, 0.065), (0.97, -1.5, 0.055)):  # fmt: skip
        board.fill(ellipse(x, y, r, r), radial((x - r * 0.35, y - r * 0.4), r * 1.5,
                   (0, "#fffbe0"), (0.35, "#f4cf5c"), (0.8, "#a96f10"),
                   (1, "#5f3a06")))  # fmt: skip
    stones = ((-0.7, -0.755, 0.06, "#3aa0ff", "#062a78"),
              (-0.37, -0.655, 0.075, "#33d17a", "#04431f"),
              (0, -0.62, 0.1, "#ff4d6a", "#7a0318"), (0.37, -0.655, 0.075, "#33d17a", "#04431f"),
              (0.7, -0.755, 0.06, "#3aa0ff", "#062a78"))  # fmt: skip
    for x, y, r, light, dark in stones:
        stone(board, x, y - 0.03, r, light, dark)
    cast = curve((-0.78, -0.72), [(-0.4, -0.56), (0.4, -0.56), (0.78, -0.72)],
                 [(0.76, -0.56)], [(0.4, -0.42), (-0.4, -0.42), (-0.76, -0.56)])  # fmt: skip
    pack.layer(on_forehead(cast, 0.045), "shadow.png", z=40, depth=AXIS + 0.1, round=True,
               blend="multiply", opacity=0.5, scale=1.05, offset=[0, 0.05])  # fmt: skip
    pack.layer(board, "crown.png", z=50, depth=AXIS, round=True, scale=1.08, offset=[0, 0.05])
    pack.write()


def stone(board: Board, x: float, y: float, r: float, light: str, dark: str) -> None:
    """Draws a gemstone in its setting."""
    board.fill(ellipse(x, y, r * 1.25, r * 1.2), linear((x - r, y - r), (x + r, y + r),
               (0, "#fff0b0"), (0.5, "#b67c16"), (1, "#5a3605")))  # fmt: skip
    board.fill(ellipse(x, y, r, r * 0.95), radial((x + r * 0.3, y + r * 0.4), r * 1.5, (0, light),
               (0.75, dark), (1, dark)))  # fmt: skip
    board.fill(ellipse(x - r * 0.3, y - r * 0.38, r * 0.34, r * 0.2), "#ffffffd8", blur=r * 0.05)
    board.fill(ellipse(x + r * 0.35, y + r * 0.45, r * 0.3, r * 0.14), "#ffffff50", blur=r * 0.1)


def flowers() -> None:
    """Draws a wreath of flowers and leaves."""
    pack = PackWriter("flowers", "Flower crown")
    board = Board(-1.22, -1.28, 1.22, -0.28, 768)
    rng = np.random.default_rng(11)
    for _ in range(58):
        t = rng.uniform(-1, 1)
        x, y = wreath(t)
        leaf(board, x + rng.normal(0, 0.03), y + rng.normal(0, 0.05), rng)
    kinds = [("#fff4f4", "#f3b6c2"), ("#ffc2d1", "#e0567f"), ("#fff0d0", "#f2a65a"),
             ("#e9d6ff", "#9b6fd0"), ("#ff9aa8", "#c62e4f")]  # fmt: skip
    places = [(-0.93, 0.1), (0.93, 0.1), (-0.8, 0.13), (0.8, 0.13), (-0.62, 0.12), (0.62, 0.12),
              (-0.24, 0.12), (0.24, 0.12), (-0.43, 0.17), (0.43, 0.17), (0.0, 0.2)]  # fmt: skip
    for number, (t, size) in enumerate(places):
        x, y = wreath(t)
        light, deep = kinds[(number // 2 * 2 + number % 2 * 3) % len(kinds)]
        flower(board, x, y + rng.normal(0, 0.02), size * 1.02, light, deep, rng)
    for _ in range(26):
        x, y = wreath(rng.uniform(-1, 1))
        x, y = x + rng.normal(0, 0.02), y + rng.choice([-1, 1]) * rng.uniform(0.1, 0.15)
        r = rng.uniform(0.016, 0.028)
        board.fill(ellipse(x, y, r, r), radial((x - r * 0.3, y - r * 0.3), r * 1.3,
                   (0, "#ffffff"), (1, "#d8c9b8")))  # fmt: skip
    cast = through([wreath(float(t)) for t in np.linspace(-0.95, 0.95, 15)], closed=False)
    below = Board(-1.3, -1.1, 1.3, 0.1, 192)
    below.stroke(moved(cast, 0, 0.1), "#1c0d06", 0.16, blur=0.05)
    pack.layer(below, "shadow.png", z=40, depth=AXIS + 0.15, round=True, blend="multiply",
               opacity=0.45)  # fmt: skip
    pack.layer(board, "flowers.png", z=50, depth=AXIS + 0.1, round=True)
    pack.write()


def wreath(t: float) -> tuple[float, float]:
    """Returns a position on the wreath at t, from -1 (left in the image) to 1."""
    angle = t * np.pi / 2
    return 0.97 * float(np.sin(angle)), -0.98 + 0.36 * float(np.cos(angle))


def leaf(board: Board, x: float, y: float, rng: np.random.Generator) -> None:
    """Draws a leaf of random direction."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.2)
    board.canvas.save()
    board.canvas.translate(x, y)
    board.canvas.rotate(float(np.degrees(angle)))
    shape = curve((0, 0), [(length * 0.5, -length * 0.36), (length, 0)],
                  [(length * 0.5, length * 0.36), (0, 0)])  # fmt: skip
    light, dark = [("#8fbf6a", "#2f5d2c"), ("#6fa85a", "#214a2a"), ("#a9c98a", "#4d7a48")][
        int(rng.integers(3))
    ]
    board.fill(moved(shape, 0.006, 0.012), "#00000040", blur=0.008)
    board.fill(shape, linear((0, -length * 0.2), (0, length * 0.2), (0, light), (1, dark)))
    board.stroke(curve((0, 0), [(length * 0.92, 0)], closed=False), "#e4f0c870", 0.005)
    board.canvas.restore()


def flower(
    board: Board, x: float, y: float, r: float, light: str, deep: str, rng: np.random.Generator
) -> None:
    """Draws a flower of three rings of petals."""
    board.fill(ellipse(x + 0.01, y + 0.025, r * 0.95, r * 0.92), "#00000060", blur=0.02)
    for ring, (size, count) in enumerate(((1.0, 7), (0.72, 6), (0.45, 5))):
        start = rng.uniform(0, 360)
        for k in range(count):
            board.canvas.save()
            board.canvas.translate(x, y)
            board.canvas.rotate(float(start + 360 * k / count + rng.normal(0, 5)))
            reach = r * size
            petal = curve((0, 0), [(-reach * 0.62, -reach * 0.35), (-reach * 0.5, -reach * 1.02),
                          (0, -reach * 0.96)], [(reach * 0.5, -reach * 1.02),
                          (reach * 0.62, -reach * 0.35), (0, 0)])  # fmt: skip
            board.fill(moved(petal, 0, 0.006), "#3a0a1838", blur=r * 0.04)
            board.fill(petal, radial((0, 0), reach, (0, deep), (0.45 + 0.1 * ring, deep),
                       (0.95, light), (1, "#ffffff")))  # fmt: skip
            board.canvas.restore()
    board.fill(ellipse(x, y, r * 0.17, r * 0.17), radial((x - r * 0.05, y - r * 0.06), r * 0.2,
               (0, "#fff2a8"), (1, "#d9932b")))  # fmt: skip
    for _ in range(14):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.24) * r
        px, py = x + reach * np.cos(angle), y + reach * np.sin(angle)
        board.fill(ellipse(px, py, r * 0.025, r * 0.025), "#fff6c8")


HATS: dict[str, Callable[[], None]] = {"hat": hat, "crown": crown, "flowers": flowers}

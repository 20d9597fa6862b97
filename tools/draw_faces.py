"""Draws filters on the face itself: dog, cat and make-up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skia
from artboard import (
    Board,
    PackWriter,
    curve,
    ellipse,
    linear,
    moved,
    radial,
    through,
)

from fkd_infer.landmarks.head_model import mean_head

NOSE = (30, 31, 33, 35)
ROOT = (0, 16, 27, 36, 45)
ALL = tuple(range(68))


def fur(
    board: Board, shape: skia.Path, shades: tuple[str, ...], count: int, angle: float, seed: int
) -> None:
    """Fills a shape with short hairs of about one direction (degrees, 90 is down)."""
    rng = np.random.default_rng(seed)
    box = shape.getBounds()
    with board.inside(shape):
        for _ in range(count):
            x, y = rng.uniform(box.left(), box.right()), rng.uniform(box.top(), box.bottom())
            direction = np.radians(angle + rng.normal(0, 22))
            dx, dy = 0.07 * np.cos(direction), 0.07 * np.sin(direction)
            bend = rng.normal(0, 0.01)
            hair = curve((x, y), [(x + dx / 2 + bend, y + dy / 2), (x + dx, y + dy)], closed=False)
            board.stroke(hair, str(rng.choice(list(shades))), rng.uniform(0.004, 0.008))


def dog() -> None:
    """Draws floppy ears, a nose, and a tongue when the mouth is open."""
    pack = PackWriter("dog", "Dog")
    ear = curve((-0.42, -1.12), [(-0.55, -1.38), (-0.85, -1.42), (-1.05, -1.22)],
                [(-1.3, -0.98), (-1.42, -0.55), (-1.32, -0.22)],
                [(-1.26, -0.04), (-1.08, -0.06), (-0.98, -0.26)],
                [(-0.9, -0.46), (-0.88, -0.62), (-0.8, -0.72)],
                [(-0.68, -0.86), (-0.5, -0.9), (-0.42, -1.12)])  # fmt: skip
    board = Board(-1.5, -1.5, -0.3, 0.05, 432)
    board.fill(ear, radial((-0.85, -0.95), 0.95, (0, "#a8703f"), (0.5, "#83502a"), (1, "#4a2914")))
    inner = curve((-0.72, -0.98), [(-0.95, -1.12), (-1.2, -0.7), (-1.2, -0.38)],
                  [(-1.18, -0.2), (-1.08, -0.24), (-1.03, -0.4)],
                  [(-0.97, -0.66), (-0.86, -0.76), (-0.72, -0.98)])  # fmt: skip
    fur(board, ear, ("#c98f5a66", "#3a1f0e66", "#d7a26d4d", "#5f381b80"), 1500, 105, 1)
    with board.inside(ear):
        board.fill(inner, "#3b1c12a0", blur=0.035)
        board.fill(moved(inner, -0.01, 0.02), "#8f5a4a70", blur=0.05)
        fur(board, inner, ("#20100a55", "#9c6a5444"), 250, 100, 2)
        board.fill(ellipse(-0.72, -1.22, 0.22, 0.08), "#e8b98255", blur=0.06)
        board.stroke(ear, "#2b150a80", 0.03, blur=0.02)
    cast = Board(-1.3, -1.3, -0.1, 0.3, 128)
    with_shadow = curve((-0.4, -1.0), [(-0.9, -0.95), (-0.95, -0.5), (-0.9, -0.2)],
                        [(-0.72, -0.5), (-0.5, -0.8), (-0.4, -1.0)])  # fmt: skip
    cast.fill(with_shadow, "#1c0d06", blur=0.05)
    pack.layer(cast, "shadow.png", ROOT, z=30, depth=-0.4, blend="multiply", opacity=0.35,
               mirrored=True)  # fmt: skip
    pack.layer(board, "ear.png", ROOT, z=45, depth=-0.35, offset=[0.06, 0.03], mirrored=True)

    muzzle = Board(-0.62, 0.02, 0.62, 0.75, 256)
    patch = curve((0, 0.07), [(0.2, 0.08), (0.24, 0.25), (0.35, 0.4)],
                  [(0.5, 0.6), (0.2, 0.64), (0.0, 0.56)], [(-0.2, 0.64), (-0.5, 0.6), (-0.35, 0.4)],
                  [(-0.24, 0.25), (-0.2, 0.08), (0, 0.07)])  # fmt: skip
    muzzle.fill(patch, "#fff3e2b0", blur=0.05)
    for x, y in ((0.16, 0.47), (0.23, 0.52), (0.27, 0.45)):
        muzzle.fill(ellipse(x, y, 0.014, 0.014), "#4a2c1c")
        muzzle.fill(ellipse(-x, y, 0.014, 0.014), "#4a2c1c")
    pack.layer(muzzle, "muzzle.png", (*NOSE, 51), z=20, opacity=0.55)

    nose = Board(-0.32, 0.1, 0.32, 0.54, 384)
    shape = curve((0, 0.16), [(0.12, 0.13), (0.25, 0.17), (0.255, 0.27)],
                  [(0.255, 0.37), (0.12, 0.42), (0.06, 0.44)],
                  [(0.03, 0.455), (-0.03, 0.455), (-0.06, 0.44)],
                  [(-0.12, 0.42), (-0.255, 0.37), (-0.255, 0.27)],
                  [(-0.25, 0.17), (-0.12, 0.13), (0, 0.16)])  # fmt: skip
    nose.fill(moved(shape, 0, 0.025), "#1a0a0690", blur=0.025)
    nose.fill(shape, radial((-0.04, 0.2), 0.34, (0, "#57494a"), (0.4, "#2b2326"), (1, "#0a0809")))
    with nose.inside(shape):
        rng = np.random.default_rng(5)
        for _ in range(900):
            x, y = rng.uniform(-0.26, 0.26), rng.uniform(0.14, 0.46)
            nose.fill(ellipse(x, y, 0.006, 0.005), str(rng.choice(["#ffffff12", "#00000030"])))
        for sign in (1, -1):
            hole = curve((sign * 0.05, 0.35), [(sign * 0.07, 0.29), (sign * 0.17, 0.27),
                         (sign * 0.2, 0.32)], [(sign * 0.17, 0.37), (sign * 0.1, 0.35),
                         (sign * 0.05, 0.35)])  # fmt: skip
            nose.fill(hole, "#000000e0", blur=0.008)
        nose.stroke(curve((0, 0.3), [(0, 0.46)], closed=False), "#000000c0", 0.014, blur=0.004)
        nose.fill(ellipse(-0.09, 0.2, 0.085, 0.026), "#ffffffd0", blur=0.012)
        nose.fill(ellipse(0.1, 0.2, 0.05, 0.016), "#ffffff80", blur=0.01)
        nose.stroke(moved(shape, 0, -0.008), "#ffffff26", 0.012, blur=0.006)
    pack.layer(nose, "nose.png", NOSE, z=40, depth=0.12)

    tongue = Board(-0.3, 0.66, 0.3, 1.42, 288)
    shape = curve((-0.17, 0.7), [(0, 0.68), (0.17, 0.7)], [(0.22, 0.95), (0.25, 1.12)],
                  [(0.25, 1.36), (-0.25, 1.36), (-0.25, 1.12)],
                  [(-0.22, 0.95), (-0.17, 0.7)])  # fmt: skip
    tongue.fill(moved(shape, 0, 0.02), "#3a0a0a70", blur=0.02)
    tongue.fill(
        shape, linear((0, 0.68), (0, 1.32), (0, "#a83a4a"), (0.3, "#e8687a"), (1, "#f78a98"))
    )
    with tongue.inside(shape):
        tongue.stroke(
            curve((0, 0.7), [(0.01, 0.95), (0, 1.16)], closed=False), "#a0304490", 0.03, blur=0.014
        )
        tongue.stroke(shape, "#b0384c90", 0.04, blur=0.025)
        tongue.fill(ellipse(-0.1, 1.1, 0.04, 0.12), "#ffffff80", blur=0.02)
        tongue.fill(ellipse(0.11, 1.15, 0.025, 0.08), "#ffffff50", blur=0.016)
    pack.layer(
        tongue, "tongue.png", (61, 62, 63, 65, 66, 67, 60, 64), z=35, when="mouth_open", depth=0.03
    )
    pack.write()


def cat() -> None:
    """Draws pointed ears, a small nose and whiskers."""
    pack = PackWriter("cat", "Cat")
    board = Board(-1.1, -1.75, -0.2, -0.65, 420)
    ear = curve((-0.36, -0.92), [(-0.5, -1.2), (-0.72, -1.55), (-0.93, -1.68)],
                [(-1.02, -1.4), (-1.03, -1.0), (-0.92, -0.72)],
                [(-0.8, -0.78), (-0.5, -0.86), (-0.36, -0.92)])  # fmt: skip
    board.fill(
        ear, linear((-0.9, -1.68), (-0.6, -0.7), (0, "#17171b"), (0.6, "#2d2d34"), (1, "#1b1b20"))
    )
    fur(board, ear, ("#5a5a6666", "#00000080", "#77778450"), 1100, -112, 3)
    inner = curve((-0.5, -0.98), [(-0.6, -1.2), (-0.76, -1.42), (-0.87, -1.5)],
                  [(-0.92, -1.28), (-0.92, -1.05), (-0.85, -0.86)],
                  [(-0.72, -0.9), (-0.6, -0.94), (-0.5, -0.98)])  # fmt: skip
    with board.inside(ear):
        board.fill(inner, linear((0, -1.5), (0, -0.85), (0, "#c9818d"), (1, "#f2b9bf")), blur=0.02)
        board.fill(moved(inner, 0.07, 0.02), "#6a304055", blur=0.06)
        fur(board, inner, ("#ffffff60", "#f7d9dc80"), 130, -105, 4)
        board.stroke(ear, "#000000a0", 0.03, blur=0.015)
    pack.layer(board, "ear.png", ROOT, z=45, depth=-0.35, mirrored=True)

    nose = Board(-0.2, 0.26, 0.2, 0.52, 256)
    shape = curve((-0.13, 0.33), [(0, 0.295), (0.13, 0.33)],
                  [(0.13, 0.39), (0.04, 0.43), (0, 0.455)],
                  [(-0.04, 0.43), (-0.13, 0.39), (-0.13, 0.33)])  # fmt: skip
    nose.fill(moved(shape, 0, 0.012), "#40141870", blur=0.014)
    nose.fill(shape, radial((-0.02, 0.33), 0.17, (0, "#ffb3be"), (0.5, "#ec7f92"), (1, "#b94d63")))
    with nose.inside(shape):
        nose.fill(ellipse(-0.045, 0.34, 0.04, 0.012), "#ffffffc0", blur=0.006)
        nose.stroke(shape, "#7a243860", 0.016, blur=0.008)
    pack.layer(nose, "nose.png", NOSE, z=40, depth=0.06)

    whiskers = Board(-1.25, 0.2, 0.0, 0.95, 512)
    for start, end, bend in (((-0.3, 0.5), (-1.15, 0.3), -0.1),
                                            ((-0.33, 0.545), (-1.2, 0.5), -0.07),
                                            ((-0.31, 0.59), (-1.12, 0.72), -0.02),
                                            ((-0.27, 0.625), (-0.98, 0.87), 0.03)):  # fmt: skip
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + bend)
        for shift, wide in ((0.008, 0.016), (0.0, 0.011), (-0.001, 0.006)):
            shade = ("#00000050", "#f8f8ff", "#ffffff")[int((shift < 0.005) + (shift < 0))]
            taper = skia.Path()
            taper.moveTo(start[0], start[1] - wide / 2 + shift)
            taper.quadTo(middle[0], middle[1] - wide / 3 + shift, end[0], end[1] + shift)
            taper.quadTo(
                middle[0], middle[1] + wide / 3 + shift, start[0], start[1] + wide / 2 + shift
            )
            whiskers.fill(taper, shade, blur=0.004 if shift > 0.005 else 0)
        whiskers.fill(ellipse(*start, 0.012, 0.012), "#2a1a18c0", blur=0.002)
    pack.layer(whiskers, "whiskers.png", (31, 33, 48, 51), z=35, depth=0.02, mirrored=True)
    pack.write()


def party() -> None:
    """Draws lips, blush, eye shadow, lashes and glitter, warped with the face."""
    pack = PackWriter("party", "Party make-up")
    head = mean_head()[:, :2].copy()
    # Slightly open lips, so that the gap between them stays unpainted as they move.
    head[[61, 62, 63], 1] -= 0.012
    head[[65, 66, 67], 1] += 0.012
    lips = lips_between(head)
    board = Board(-0.45, 0.5, 0.45, 0.95, 448)
    board.fill(lips, linear((0, 0.58), (0, 0.86), (0, "#b3123f"), (0.5, "#d81f55"), (1, "#b0103c")),
               blur=0.008)  # fmt: skip
    piecewise(pack, board, "lips.png", head, z=5, blend="multiply", opacity=0.82)
    gloss = Board(-0.45, 0.5, 0.45, 0.95, 384)
    with gloss.inside(lips):
        for x, y, w, h, shade in ((-0.06, 0.806, 0.09, 0.014, "#ffffffb0"),
                                  (0.1, 0.8, 0.03, 0.01, "#ffffff90"),
                                  (-0.09, 0.622, 0.05, 0.008, "#ffffff80"),
                                  (0.08, 0.622, 0.04, 0.007, "#ffffff70")):  # fmt: skip
            gloss.fill(ellipse(x, y, w, h), shade, blur=0.008)
        gloss.fill(lips, "#d8305a2e")
    piecewise(pack, gloss, "gloss.png", head, z=6, blend="screen", opacity=0.7)

    tint = Board(-0.85, -0.35, 0.85, 0.6, 800)
    tint.fill(through([(-0.36, 0.42), (-0.5, 0.28), (-0.74, 0.17), (-0.76, 0.3), (-0.55, 0.5)]),
              "#f0567a60", blur=0.085)  # fmt: skip
    lid = curve((-0.2, -0.012), [(-0.26, -0.14), (-0.46, -0.2), (-0.7, -0.13)],
                [(-0.6, -0.06), (-0.54, -0.02), (-0.5, 0.0)],
                [(-0.45, -0.05), (-0.37, -0.075), (-0.316, -0.062)],
                [(-0.27, -0.055), (-0.24, -0.03), (-0.2, -0.012)])  # fmt: skip
    tint.fill(lid, linear((-0.22, 0), (-0.68, 0), (0, "#c9608fc4"), (0.5, "#8a3f9ec8"),
                          (1, "#4a2a8cc8")), blur=0.02)  # fmt: skip
    line = curve((-0.215, -0.006), [(-0.25, -0.045), (-0.28, -0.066), (-0.316, -0.068)],
                 [(-0.37, -0.075), (-0.44, -0.06), (-0.5, -0.015)],
                 [(-0.56, -0.03), (-0.66, -0.09)],
                 [(-0.6, -0.02), (-0.52, 0.012)],
                 [(-0.47, -0.005), (-0.44, -0.046), (-0.38, -0.053)],
                 [(-0.31, -0.058), (-0.26, -0.035), (-0.215, -0.006)])  # fmt: skip
    tint.fill(line, "#0d080cf0")
    for t in np.linspace(0, 1, 15):
        lash(tint, float(t))
    tint.mirror()
    piecewise(pack, tint, "tint.png", head, z=1, blend="multiply")
    sparkle = Board(-0.85, 0.0, 0.85, 0.45, 960)
    sparkle.fill(through([(-0.42, 0.15), (-0.58, 0.13), (-0.7, 0.04), (-0.66, 0.16), (-0.5, 0.22)]),
                 "#ffd9b038", blur=0.04)  # fmt: skip
    glitter(sparkle)
    sparkle.mirror()
    piecewise(pack, sparkle, "glitter.png", head, z=8, blend="screen", opacity=0.8)
    pack.write()


def lips_between(head: np.ndarray) -> skia.Path:
    """Returns the lips without the mouth between them."""
    outer = through([(float(x), float(y)) for x, y in head[48:60]])
    inner = through([(float(x), float(y)) for x, y in head[60:68]])
    return skia.Op(outer, inner, skia.PathOp.kDifference_PathOp)


def lash(board: Board, t: float) -> None:
    """Draws an eyelash at t, from the inner end of the lid (0) to the outer one (1)."""
    x = -0.235 - 0.265 * t
    y = float(np.interp(x, [-0.5, -0.419, -0.316, -0.222], [-0.008, -0.058, -0.062, -0.012]))
    length = 0.035 + 0.05 * t
    lean = -0.15 - 0.95 * t
    tip = (x + length * np.sin(lean), y - length * np.cos(lean))
    middle = (x + 0.2 * length * np.sin(lean), y - 0.62 * length * np.cos(lean))
    lash_path = curve((x - 0.005, y), [middle, tip], [(middle[0] + 0.004, middle[1] + 0.006),
                      (x + 0.005, y)])  # fmt: skip
    board.fill(lash_path, "#0d080c")


def glitter(board: Board) -> None:
    """Draws grains and small stars below the eye."""
    rng = np.random.default_rng(21)
    shades = ["#fff2c0", "#ffd1ec", "#cfe8ff", "#ffffff", "#ffe08a"]
    for _ in range(200):
        t = rng.uniform(0, 1)
        x = -0.26 - 0.48 * t + rng.normal(0, 0.015)
        y = 0.13 + 0.05 * np.sin(np.pi * t) - 0.12 * t**2 + abs(rng.normal(0, 0.05)) * (0.5 + t)
        r = rng.uniform(0.003, 0.009)
        board.fill(ellipse(x, y, r, r), str(rng.choice(shades)) + "b8")
    for x, y, r in ((-0.58, 0.19, 0.035), (-0.44, 0.24, 0.025), (-0.69, 0.12, 0.028),
                    (-0.5, 0.3, 0.018), (-0.64, 0.28, 0.02)):  # fmt: skip
        board.fill(ellipse(x, y, r * 0.9, r * 0.9), "#fff0c850", blur=r * 0.5)
        star = skia.Path()
        for k in range(8):
            angle, reach = k * np.pi / 4, r if k % 2 == 0 else r * 0.24
            place = (x + reach * np.sin(angle), y - reach * np.cos(angle))
            (star.moveTo if k == 0 else star.lineTo)(*place)
        star.close()
        board.fill(star, "#ffffff")


def piecewise(pack: PackWriter, board: Board, file: str, head: np.ndarray, **more: object) -> None:
    """Adds a layer warped by all points; `head` has their positions in the picture."""
    pack.layer(board, file, ALL, warp="piecewise", **more)
    for anchor, (x, y) in zip(pack.table["layers"][-1]["anchors"], head, strict=True):
        anchor["at"] = board.pixel(float(x), float(y))


FACES: dict[str, Callable[[], None]] = {"dog": dog, "cat": cat, "party": party}

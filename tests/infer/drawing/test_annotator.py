from __future__ import annotations

import cv2
import numpy as np
import pytest

from fkd_infer.choices import DRAW_LAYERS
from fkd_infer.drawing.annotator import PALETTE, Annotator
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame


def frame(height: int = 120, width: int = 160) -> Frame:
    return Frame(np.full((height, width, 3), 40, np.uint8), "test")


def face(centre: tuple[float, float] = (80, 60), size: float = 60, id: int | None = None) -> Face:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (68, 2)) * size + centre
    x, y = centre
    box = np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2], np.float32)
    return Face(points.astype(np.float32), box, 0.87, id)


def test_a_point_is_drawn_at_its_position() -> None:
    points = np.tile(np.array([[30.0, 50.0]], np.float32), (68, 1))
    drawn = Annotator(IBUG68, ("points",))(
        frame(), [Face(points, np.array([0, 0, 9, 9.0], np.float32))]
    )
    rows, columns = np.nonzero((drawn.image != 40).any(axis=2))
    assert rows.mean() == pytest.approx(50, abs=0.1)
    assert columns.mean() == pytest.approx(30, abs=0.1)
    assert len(rows) < 40


def test_the_argument_is_not_changed() -> None:
    original = frame()
    drawn = Annotator(IBUG68)(original, [face()])
    assert (original.image == 40).all()
    assert (drawn.image != 40).any()
    assert (drawn.source, drawn.time) == (original.source, original.time)


def test_without_faces_the_frame_is_the_same_object() -> None:
    original = frame()
    assert Annotator(IBUG68)(original, []) is original


@pytest.mark.parametrize("layer", DRAW_LAYERS)
def test_every_layer_draws_something(layer: str) -> None:
    large = face((240, 240), 300, id=2)
    drawn = Annotator(IBUG68, (layer,))(frame(480, 480), [large])  # type: ignore[arg-type]
    assert (drawn.image != 40).any()


@pytest.mark.parametrize("centre", [(0, 0), (159, 119), (-500, 60), (1e7, -1e7)])
@pytest.mark.parametrize("size", [2, 60, 900, 1e6])
def test_faces_at_and_beyond_the_border_can_be_drawn(
    centre: tuple[float, float], size: float
) -> None:
    drawn = Annotator(IBUG68, DRAW_LAYERS)(frame(), [face(centre, size, id=3)])
    assert drawn.image.shape == (120, 160, 3)


def test_points_too_far_away_are_not_drawn() -> None:
    near = face(id=3)
    far = Face(near.points * np.float32(1e36), near.box, 0.9, 3)
    assert (Annotator(IBUG68, DRAW_LAYERS)(frame(), [far]).image == 40).all()


def test_larger_faces_get_larger_points() -> None:
    def count_pixels(size: float) -> int:
        drawn = Annotator(IBUG68, ("points",))(frame(900, 900), [face((450, 450), size)])
        return int((drawn.image != 40).any(axis=2).sum())

    assert count_pixels(700) > 4 * count_pixels(60)


def test_tracked_faces_have_colours_by_id() -> None:
    def colours(number: int | None) -> set[tuple[int, ...]]:
        one = face((240, 240), 400, id=number)
        drawn = Annotator(IBUG68, ("box",))(frame(480, 480), [one]).image
        return {tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist()}

    assert PALETTE[0] in colours(1)
    assert PALETTE[1] in colours(2)
    assert PALETTE[0] in colours(1 + len(PALETTE))
    assert not set(PALETTE) & colours(None)


def test_labels_stay_inside_the_picture() -> None:
    for centre in ((0.0, 0.0), (159.0, 119.0), (159.0, 0.0), (80.0, -30.0)):
        drawn = Annotator(IBUG68, ("score",))(frame(), [face(centre, 60, id=12)]).image
        ink = (drawn != 40).any(axis=2)
        assert ink.any()
        edge = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
        assert not edge.any()


def test_labels_have_an_outline_all_around() -> None:
    for size in (60, 200):
        large = face((240, 240), size, id=12)
        drawn = Annotator(IBUG68, ("score",))(frame(480, 480), [large]).image
        letters = (np.ptp(drawn, axis=2) > 60).astype(np.uint8)
        around = cv2.dilate(letters, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > letters
        assert letters.sum() > size
        assert (drawn[around] < 40).any(axis=1).all()


def test_a_face_with_nan_is_not_drawn() -> None:
    broken = face()
    broken.points[3] = np.nan
    drawn = Annotator(IBUG68, DRAW_LAYERS)(frame(), [broken])
    assert (drawn.image == 40).all()


def test_points_of_unjoined_groups_are_not_joined_by_lines() -> None:
    points = np.array([[20, 20], [80, 20], [20, 80], [80, 80]], np.float32)
    groups: dict[str, tuple[int, ...]] = {"brow": (0, 1), "skin": (2, 3)}
    scheme = LandmarkScheme("four", 4, groups, (), (0, 1), unjoined=("skin",))
    one = Face(points, np.array([10, 10, 90, 90], np.float32))
    drawn = Annotator(scheme, ("contours",))(frame(100, 100), [one]).image
    assert (drawn[20, 50] != 40).any()
    assert (drawn[60:] == 40).all()

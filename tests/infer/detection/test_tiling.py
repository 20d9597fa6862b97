"""Planning of views, and the matrices that lead back to the frame."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fkd_infer.detection.tiling import Search, View, merge_turns, merge_views, plan_views
from fkd_infer.errors import SettingsError
from fkd_infer.types import Detections

SMALLEST = 12.0
NONE = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))


def shown_size(view: View) -> tuple[int, int]:
    width, height = view.right - view.left, view.bottom - view.top
    return max(1, round(width / view.factor)), max(1, round(height / view.factor))


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"max_size": 63}, "max_size is 63"),
        ({"max_size": 640, "min_face": 3.9}, "min_face is 3.9"),
        ({"max_size": 640, "min_face": math.inf}, "min_face is inf"),
        ({"max_size": 640, "min_face": math.nan}, "min_face is nan"),
        ({"max_size": 640, "min_score": -0.1}, "min_score is -0.1"),
        ({"max_size": 640, "min_score": 1.1}, "min_score is 1.1"),
        ({"max_size": 640, "min_score": math.nan}, "min_score is nan"),
    ],
)
def test_errors_name_the_invalid_search_value(search: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Search(**search)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_searches_accept_the_limits_themselves() -> None:
    Search(64, 4, 0)
    Search(64, 4, 1)


@pytest.mark.parametrize(
    ("size", "search", "factor"),
    [
        ((640, 480), Search(640), 1),  # as it is
        ((1920, 1080), Search(640), 3),  # downscaled by the longer side
        ((1080, 1920), Search(640), 3),
        ((32, 16), Search(640), 1),  # not enlarged without min_face
        ((1920, 1080), Search(640, 36), 3),  # faces of 36 are shown as 12
        ((1920, 1080), Search(640, 120), 10),  # larger faces need fewer pixels
        ((300, 200), Search(640, 120), 10),
        ((300, 200), Search(640, 8), 8 / 12),  # enlarged, in one view
        ((300, 200), Search(640, 4), 1 / 2),  # no more than twofold
        ((320, 100), Search(640, 6), 1 / 2),
        ((1, 1), Search(640), 1),
    ],
)
def test_one_view_is_planned_where_that_is_enough(
    size: tuple[int, int], search: Search, factor: float
) -> None:
    (view,) = plan_views(*size, search, SMALLEST)
    assert (view.left, view.top, view.right, view.bottom) == (0, 0, *size)
    assert view.factor == pytest.approx(factor)


@pytest.mark.parametrize(
    ("size", "search", "factors"),
    [
        ((1280, 960), Search(1280), [1]),
        ((4000, 3000), Search(4000), [1, 2]),  # a face may fill the frame
        ((3000, 4000), Search(4000), [1, 2]),
        ((8000, 600), Search(6000), [8000 / 6000, 4]),
        ((4000, 3000), Search(4000, 120), [10]),
    ],
)
def test_frames_are_also_searched_at_a_size_at_which_faces_cannot_be_too_large(
    size: tuple[int, int], search: Search, factors: list[float]
) -> None:
    views = plan_views(*size, search, SMALLEST, largest_face=2000)
    assert [view.factor for view in views] == pytest.approx(factors)
    assert all((view.left, view.top, view.right, view.bottom) == (0, 0, *size) for view in views)


def test_large_frames_are_tiled_for_small_faces() -> None:
    full, *tiles = plan_views(1920, 1080, Search(640, 12), SMALLEST)
    assert full == View(0, 0, 1920, 1080, 3)
    # Each shares 1.5 × 12 × 3 = 54 pixels or more with the next.
    lefts, tops = [0, 427, 853, 1280], [0, 440]
    wanted_tiles = [View(x, y, x + 640, y + 640, 1) for y in tops for x in lefts]
    assert tiles == wanted_tiles


def test_long_frames_are_tiled_in_one_direction() -> None:
    _, *tiles = plan_views(2000, 100, Search(640, 12), SMALLEST)
    assert {(view.top, view.bottom) for view in tiles} == {(0, 100)}
    assert [view.left for view in tiles] == sorted({view.left for view in tiles})
    assert tiles[0].left == 0
    assert tiles[-1].right == 2000


def test_very_large_frames_have_coarse_tiles_before_fine_ones() -> None:
    """Else faces too large for half a tile and too small for the full view would be missed."""
    _, *tiles = plan_views(3840, 2160, Search(400, 13.5), 27)
    factors = sorted({view.factor for view in tiles}, reverse=True)
    assert len(factors) == 2
    assert 9.6 > factors[0] > factors[1] == 0.5
    assert sum(view.factor == factors[0] for view in tiles) < len(tiles) / 8


SIDES = st.integers(64, 6000)
LARGEST = st.sampled_from([320, 400, 641, 643, 960, 1280])
SMALLESTS = st.sampled_from([12.0, 17.5, 26.5])


@settings(max_examples=300, deadline=None)
@given(
    width=SIDES,
    height=SIDES,
    max_size=LARGEST,
    smallest=SMALLESTS,
    least=st.floats(0.5, 3),
    which=st.integers(0, 10_000),
    grown=st.none() | st.floats(0, 1),
    x=st.sampled_from([0.5, 0.95, 0.99]) | st.floats(0, 1),
    y=st.sampled_from([0.5, 0.95, 0.99]) | st.floats(0, 1),
)
def test_every_face_fits_into_a_view_at_a_sufficient_size(
    width: int,
    height: int,
    max_size: int,
    smallest: float,
    least: float,
    which: int,
    grown: float | None,
    x: float,
    y: float,
) -> None:
    min_face = least * smallest
    views = plan_views(width, height, Search(max_size, min_face), smallest)
    view, room = views[which % len(views)], min(width, height)
    # A face that some view just does not show, or any; and across the edge of a view.
    side = 0.999 * smallest * view.factor
    side = side if grown is None else min_face * (room / min_face) ** grown
    assume(min_face <= side <= room)
    left = min(max(0, view.right - x * side), width - side) - 0.5
    top = min(max(0, view.bottom - y * side), height - side) - 0.5
    box = np.array([[left, top, left + side, top + side]], np.float32)
    part = Detections(box, np.ones(1, np.float32))
    seen = [view for view in views if side / view.factor >= smallest * (1 - 1e-6)]
    assert views[0] in seen or any(
        len(merge_views([NONE, part], [views[0], view], (width, height))) for view in seen
    )


@settings(max_examples=200, deadline=None)
@given(
    width=SIDES,
    height=SIDES,
    max_size=LARGEST,
    smallest=SMALLESTS,
    min_face=st.none() | st.sampled_from([4, 6, 9, 13.3]) | st.floats(4, 500),
)
def test_views_cover_the_frame_and_stay_within_max_size(
    width: int, height: int, max_size: int, smallest: float, min_face: float | None
) -> None:
    full, *tiles = plan_views(width, height, Search(max_size, min_face), smallest)
    assert (full.left, full.top, full.right, full.bottom) == (0, 0, width, height)
    for view in (full, *tiles):
        assert max(shown_size(view)) <= max_size
        assert 0 <= view.left < view.right <= width
        assert 0 <= view.top < view.bottom <= height
        assert view.factor >= 0.5


@pytest.mark.parametrize("search", [Search(640, 12), Search(640, 20), Search(320, 6)])
def test_tiles_overlap_by_a_face_that_coarser_views_miss(search: Search) -> None:
    for width in range(321, 3000):
        full, *tiles = plan_views(width, 64, search, SMALLEST)
        factors = sorted({view.factor for view in tiles}, reverse=True)
        for coarser, factor in pairwise([full.factor, *factors]):
            spans = [(view.left, view.right) for view in tiles if view.factor == factor]
            assert (spans[0][0], spans[-1][1]) == (0, width)
            face = SMALLEST * coarser + 4 * factor
            assert all(one[1] - other[0] >= face for one, other in pairwise(spans))


@pytest.mark.parametrize("factor", [1, 1.5, 2.3, 3, 0.5, 0.77])
@pytest.mark.parametrize("part", [(0, 0, 231, 173), (37, 11, 168, 88), (30, 7, 31, 90)])
def test_the_matrix_of_a_view_leads_its_pixels_back_to_the_frame(
    part: tuple[int, int, int, int], factor: float
) -> None:
    """In an image whose pixels encode their position."""
    y, x = np.mgrid[:173, :231].astype(np.uint8)
    image = np.dstack([x, y, np.zeros_like(x)])
    view = View(*part, factor)
    pixels, matrix = view.extract(image)
    assert pixels.shape[1::-1] == shown_size(view)
    assert matrix.dtype == np.float32
    v, u = np.indices(pixels.shape[:2])
    for channel, grid in ((0, u), (1, v)):
        back = matrix[channel, channel] * grid + matrix[channel, 2]
        low, high = part[channel], part[channel + 2] - 1
        message = pixels[..., channel].astype(float)
        assert np.abs(message - np.clip(back, low, high)).max() <= 1
    size = np.array(pixels.shape[1::-1])
    corners = np.stack([np.full(2, -0.5), size - 0.5]) * np.diag(matrix[:, :2]) + matrix[:, 2]
    edges = np.array(part).reshape(2, 2) - 0.5
    np.testing.assert_allclose(corners[0], edges[0], atol=1e-3)
    # Halving leaves out an odd row or column.
    left_out = edges[1] - corners[1]
    assert (left_out > -1e-3).all()
    assert (left_out < 2 ** int(max(0, np.log2(factor))) - 1 + 1e-3).all()


def test_views_of_gray_planes_are_extracted() -> None:
    pixels, _ = View(3, 2, 33, 22, 2).extract(np.zeros((40, 50), np.uint8))
    assert pixels.shape == (10, 15)


def test_a_face_that_was_found_in_two_directions_is_one_face() -> None:
    def found(box: tuple[float, ...], score: float, roll: float) -> Detections:
        rolls = np.array([roll], np.float32)
        boxes = np.array([box], np.float32)
        return Detections(boxes, np.array([score], np.float32), rolls=rolls)

    upright, again = found((10, 10, 50, 50), 0.9, 0), found((28, 10, 68, 50), 0.8, 180)
    neighbour, apart = found((28, 10, 68, 50), 0.7, 0), found((45, 10, 85, 50), 0.6, 180)
    assert merge_turns([upright, again]).scores.tolist() == pytest.approx([0.9])
    assert merge_turns([again, neighbour]).scores.tolist() == pytest.approx([0.8])
    merged = merge_turns([upright, apart])
    assert merged.scores.tolist() == pytest.approx([0.9, 0.6])
    assert merged.known_rolls().tolist() == [0, 180]
    both = Detections.concatenate([upright, neighbour])
    assert len(merge_turns([both])) == 2, "two upright faces may overlap as much"

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.canvas.image_canvas import ImageCanvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.choices import Blend
from fkd_infer.filters.raster import Mesh, draw_affine, draw_mesh
from fkd_infer.filters.texture import Texture
from fkd_infer.geometry.arrays import Matrix, Pixels
from fkd_infer.geometry.triangulation import delaunay

IDENTITY = np.eye(2, 3)


def random_pixels(seed: int, height: int, width: int, channels: int) -> Pixels:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels), np.uint8)


def shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def reference(under: Pixels, over: Pixels, mode: Blend, gain: float = 1.0) -> NDArray[np.float64]:
    """Blends a picture (not times alpha) over a frame in floating point."""
    share = over[..., 3:] / 255
    colour = np.minimum(over[..., :3] * gain, 255) / 255
    below = under / 255
    mixed = {"normal": colour, "multiply": colour * below, "screen": 1 - (1 - colour) * (1 - below)}
    return np.asarray(255 * (below * (1 - share) + mixed[mode] * share), np.float64)


@pytest.mark.parametrize("mode", ["normal", "multiply", "screen"])
def test_blending_follows_its_formula_to_one_level(mode: Blend) -> None:
    under, over = random_pixels(0, 40, 50, 3), random_pixels(1, 40, 50, 4)
    canvas = under.copy()
    draw_affine(ImageCanvas(canvas), Texture(over), IDENTITY, Paint(mode))
    assert np.abs(canvas - reference(under, over, mode)).max() <= 1.01


def test_a_gain_darkens_the_colours_and_not_the_alpha() -> None:
    under, over = random_pixels(0, 30, 30, 3), random_pixels(1, 30, 30, 4)
    canvas = under.copy()
    draw_affine(ImageCanvas(canvas), Texture(over), IDENTITY, Paint("normal", 0.5))
    assert np.abs(canvas - reference(under, over, "normal", 0.5)).max() <= 1.6


def test_opacity_and_strength_have_the_same_effect() -> None:
    under, over = random_pixels(0, 30, 30, 3), random_pixels(1, 30, 30, 4)
    thin, weak = under.copy(), under.copy()
    draw_affine(ImageCanvas(thin), Texture(over, 0.5), IDENTITY, Paint())
    draw_affine(ImageCanvas(weak), Texture(over), IDENTITY, Paint(strength=0.5))
    assert np.abs(thin.astype(int) - weak).max() <= 1
    half = (under + reference(under, over, "normal")) / 2
    assert np.abs(thin - half).max() <= 1.6


def test_an_opaque_picture_moved_by_whole_pixels_is_copied() -> None:
    canvas = np.full((60, 80, 3), 40, np.uint8)
    over = random_pixels(1, 20, 30, 4)
    over[..., 3] = 255
    draw_affine(ImageCanvas(canvas), Texture(over), shift(7, 11), Paint())
    assert (canvas[11:31, 7:37] == over[..., :3]).all()
    canvas[11:31, 7:37] = 40
    assert (canvas == 40).all()


def test_nothing_changes_where_a_picture_is_transparent() -> None:
    under, over = random_pixels(0, 40, 40, 3), random_pixels(1, 40, 40, 4)
    over[..., 3] = 0
    canvas = under.copy()
    draw_affine(ImageCanvas(canvas), Texture(over), shift(0.3, 0.7), Paint())
    assert (canvas == under).all()


@pytest.mark.parametrize(("x", "y"), [(-15, 5), (70, 5), (5, -12), (5, 50)])
def test_a_picture_is_clipped_at_each_border_as_on_a_larger_frame(x: float, y: float) -> None:
    small, large = np.full((60, 80, 3), 90, np.uint8), np.full((160, 180, 3), 90, np.uint8)
    over = random_pixels(1, 20, 30, 4)
    draw_affine(ImageCanvas(small), Texture(over), shift(x, y), Paint())
    draw_affine(ImageCanvas(large), Texture(over), shift(x + 50, y + 50), Paint())
    assert (small == large[50:110, 50:130]).all()
    assert (small != 90).any()


@pytest.mark.parametrize(("x", "y"), [(-40, 5), (90, 5), (5, -30), (5, 70), (1e9, 1e9)])
def test_a_picture_outside_the_frame_draws_nothing(x: float, y: float) -> None:
    canvas = np.full((60, 80, 3), 90, np.uint8)
    draw_affine(ImageCanvas(canvas), Texture(random_pixels(1, 20, 30, 4)), shift(x, y), Paint())
    assert (canvas == 90).all()


@pytest.mark.parametrize(
    "matrix", [np.full((2, 3), np.nan), np.zeros((2, 3)), np.full((2, 3), np.inf)]
)
def test_a_singular_or_infinite_matrix_draws_nothing(matrix: Matrix) -> None:
    canvas = np.full((60, 80, 3), 90, np.uint8)
    draw_affine(ImageCanvas(canvas), Texture(random_pixels(1, 20, 30, 4)), matrix, Paint())
    assert (canvas == 90).all()


def test_a_fine_pattern_is_averaged_when_drawn_small() -> None:
    over = np.zeros((256, 256, 4), np.uint8)
    over[..., 3] = 255
    over[::2, ::2] = over[1::2, 1::2] = 255
    canvas = np.zeros((40, 40, 3), np.uint8)
    draw_affine(
        ImageCanvas(canvas), Texture(over), np.array([[0.11, 0, 5.3], [0, 0.11, 5.8]]), Paint()
    )
    inner = canvas[10:28, 10:28]
    assert np.abs(inner.astype(int) - 127).max() <= 2


def test_transparent_pixels_do_not_bleed_into_an_edge() -> None:
    over = np.zeros((40, 40, 4), np.uint8)
    over[..., :3] = (0, 255, 0)
    over[10:30, 10:30] = (255, 255, 255, 255)
    canvas = np.zeros((40, 40, 3), np.uint8)
    draw_affine(ImageCanvas(canvas), Texture(over), shift(0.5, 0.5), Paint())
    assert (canvas[..., 0] == canvas[..., 1]).all()


def test_a_box_has_integer_pixels_within_the_frame() -> None:
    canvas = ImageCanvas(np.zeros((50, 70, 3), np.uint8))
    assert canvas.box(2.5, -4.0, 80.0, 10.2) == (2, 0, 70, 12)
    assert canvas.box(-9.0, -9.0, -3.0, 20.0) is None


def test_delaunay_splits_a_square_with_its_centre_into_four_triangles() -> None:
    triangles = delaunay(np.array([[0.0, 0], [10, 0], [10, 10], [0, 10], [5, 5]]))
    assert sorted(tuple(sorted(t)) for t in triangles.tolist()) == [
        (0, 1, 4), (0, 3, 4), (1, 2, 4), (2, 3, 4)
    ]  # fmt: skip


GRID = np.array([[10.0, 10], [70, 10], [70, 70], [10, 70], [40, 40], [25, 52], [55, 30]])


def draw_discs(places: Matrix) -> Pixels:
    """Draws a soft disc at each place."""
    y, x = np.mgrid[:80, :80]
    image = np.zeros((80, 80, 4), np.uint8)
    for px, py in places:
        alpha = np.clip(4.5 - np.hypot(x - px, y - py), 0, 1) * 255
        image[..., 3] = np.maximum(image[..., 3], alpha.astype(np.uint8))
    image[..., :3] = 255
    return image


def test_a_mesh_puts_each_inner_anchor_on_its_point_to_a_tenth_of_a_pixel() -> None:
    target = GRID * 2 + (20, 15) + np.array([[0, 0]] * 4 + [[14, -9], [-8, 12], [9, 11]])
    image = np.full((80, 80, 4), 255, np.uint8)
    for (ax, ay), (px, py) in zip(GRID[4:], target[4:].astype(int), strict=True):
        # Blue and green encode the distance right and down of the anchor, 16 levels per pixel.
        image[..., 0] = np.clip(128 + 16 * (np.arange(80) - ax), 0, 255)
        image[..., 1] = np.clip(128 + 16 * (np.arange(80) - ay), 0, 255)[:, None]
        canvas = np.zeros((240, 240, 3), np.uint8)
        draw_mesh(ImageCanvas(canvas), Texture(image), Mesh.over(image, GRID), target, Paint())
        assert np.abs(canvas[py, px, :2].astype(int) - 128).max() <= 1.6


def test_an_identity_mesh_copies_the_picture() -> None:
    image = draw_discs(GRID[4:])
    canvas = np.zeros((80, 80, 3), np.uint8)
    draw_mesh(ImageCanvas(canvas), Texture(image), Mesh.over(image, GRID), GRID, Paint())
    assert np.abs(canvas[..., 0].astype(int) - image[..., 3]).max() <= 1


def test_a_mesh_of_affine_points_equals_the_affine_warp() -> None:
    image = draw_discs(np.array([[30.0, 30], [52, 44]]))
    matrix = np.array([[1.6, 0.5, 12.3], [-0.4, 1.8, 40.6]])
    by_mesh, by_matrix = np.zeros((240, 240, 3), np.uint8), np.zeros((240, 240, 3), np.uint8)
    points = GRID @ matrix[:, :2].T + matrix[:, 2]
    draw_mesh(ImageCanvas(by_mesh), Texture(image), Mesh.over(image, GRID), points, Paint())
    draw_affine(ImageCanvas(by_matrix), Texture(image), matrix, Paint())
    assert np.abs(by_mesh.astype(int) - by_matrix).max() <= 12
    assert by_matrix.max() == 255


def test_a_mesh_seen_from_behind_is_not_drawn() -> None:
    image = draw_discs(GRID[4:])
    canvas = np.zeros((80, 80, 3), np.uint8)
    draw_mesh(
        ImageCanvas(canvas),
        Texture(image),
        Mesh.over(image, GRID),
        GRID * (-1, 1) + (79, 0),
        Paint(),
    )
    assert (canvas == 0).all()


@pytest.mark.parametrize("points", [GRID * 0 + 30, GRID * np.nan, GRID + 5000, GRID - 5000])
def test_a_mesh_without_an_area_in_the_frame_draws_nothing(points: Matrix) -> None:
    image = draw_discs(GRID[4:])
    canvas = np.zeros((80, 80, 3), np.uint8)
    draw_mesh(ImageCanvas(canvas), Texture(image), Mesh.over(image, GRID), points, Paint())
    assert (canvas == 0).all()


def test_blend_changes_only_its_region() -> None:
    frame = np.full((30, 30, 3), 100, np.uint8)
    patch = np.full((10, 10, 4), 255, np.uint8)
    ImageCanvas(frame).blend((5, 5, 15, 15), patch, Paint())
    assert (frame[5:15, 5:15] == 255).all()
    frame[5:15, 5:15] = 100
    assert (frame == 100).all()


def test_a_large_texture_is_prepared_in_parts() -> None:
    image = random_pixels(0, 1600, 1600, 4)
    tracemalloc.start()
    try:
        assert Texture(image, 0.5).levels[0][0].shape == image.shape
        assert tracemalloc.get_traced_memory()[1] < 4 * image.nbytes
    finally:
        tracemalloc.stop()

"""What counts as a cut and as a change."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.tracking.scene_change import CHANGED, SceneChangeDetector, Thumbnail

NOBODY = np.empty((0, 4), np.float32)


def picture(seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    return rng.integers(30, 220, (9, 16, 3), np.uint8).repeat(20, axis=0).repeat(20, axis=1)


def test_another_picture_is_a_cut_and_a_moved_one_is_none() -> None:
    one, other = Thumbnail.of(picture(0)), Thumbnail.of(picture(1))
    assert other.is_cut_from(one)
    assert not one.is_cut_from(one)
    assert not Thumbnail.of(np.roll(picture(0), 6, axis=1)).is_cut_from(one)


def test_another_size_is_a_cut() -> None:
    assert Thumbnail.of(picture(0)[:-2]).is_cut_from(Thumbnail.of(picture(0)))


def test_light_and_fades_are_no_cuts() -> None:
    one = Thumbnail.of(picture(0))
    dark = Thumbnail.of((picture(0) * 0.4).astype(np.uint8))
    black = Thumbnail.of(np.zeros_like(picture(0)))
    assert not dark.is_cut_from(one)
    assert not black.is_cut_from(one)
    assert not one.is_cut_from(black)


def test_the_detector_compares_each_frame_with_the_one_before() -> None:
    scene = SceneChangeDetector()
    thumbnails = [Thumbnail.of(picture(seed)) for seed in (0, 0, 1, 1, 0)]
    assert [scene.is_cut(each) for each in thumbnails] == [False, False, True, False, True]


def test_noise_is_no_change() -> None:
    rng = np.random.default_rng(2)
    noisy = picture(0) + rng.normal(0, 4, picture(0).shape)
    assert Thumbnail.of(noisy.astype(np.uint8)).changed_share(Thumbnail.of(picture(0)), NOBODY) == 0


def test_a_change_counts_by_its_share_but_not_within_boxes() -> None:
    """The left half of the picture: 160 of 320 pixels."""
    changed = picture(0)
    changed[:, :160] += int(2 * CHANGED)
    before, after = Thumbnail.of(picture(0)), Thumbnail.of(changed)
    assert after.changed_share(before, NOBODY) == pytest.approx(0.5, abs=0.01)
    half = np.array([[-40, -50, 159.5, 400]], np.float32)
    assert after.changed_share(before, half) == 0
    everything = np.array([[-40, -50, 400, 400]], np.float32)
    assert after.changed_share(before, everything) == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 2000, 3), (17, 31, 3), (90, 120)])
def test_images_of_any_size_have_a_thumbnail(shape: tuple[int, ...]) -> None:
    cells = Thumbnail.of(np.full(shape, 77, np.uint8)).cells
    assert cells.shape == (18, 32)
    np.testing.assert_allclose(cells, 77)

"""Mosaics of painted faces show what their ground truth states."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.config.detector import MosaicConfig
from fkd_train.config.sections import AugmentConfig
from fkd_train.data import mosaic
from fkd_train.data.faces import Faces
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.data.synthetic import face_shape
from fkd_train.ground_truth import FACE, IGNORED, GroundTruth, five_points

PLAIN = MosaicConfig(
    size=128,
    per_epoch=1,
    smallest=40.0,
    single=1.0,
    faceless=0.0,
    empty=0.0,
    relit=0.0,
    glasses=0.0,
    occlusion=0.0,
    gray=0.0,
    dark=0.0,
    tint=0.0,
)
"""Mosaics with one face each, without changes of pixels."""
VARIED = MosaicConfig(
    size=320,
    per_epoch=1,
    augment=AugmentConfig(light=0.5, lamp=0.5, blur=0.5, noise=0.5, jpeg=0.5, low_resolution=0.5),
)
MIRRORED = [1, 0, 2, 4, 3]
COLOURS = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0], [0, 255, 255], [255, 0, 255]], np.uint8)
SKIN, OTHER = np.array([255, 0, 255]), np.array([0, 255, 0])
NEIGHBOUR = np.array([[158, 150, 196, 190]], np.float32)


def shape(side: float = 100.0, middle: tuple[float, float] = (100.0, 100.0)) -> Floats:
    return np.asarray(face_shape() * side + np.array(middle), np.float32)


def faces_of(image: Pixels, points: Floats) -> Faces:
    return Faces(("face",), (image,), points[None])


def coloured() -> Faces:
    """A gray image with a disc of another colour at each of the five points."""
    points = shape()
    image = np.full((200, 200, 3), 128, np.uint8)
    for place, colour in zip(five_points(points), COLOURS, strict=True):
        cv2.circle(image, np.rint(place).astype(int).tolist(), 10, colour.tolist(), -1)
    return faces_of(image, points)


def painted() -> Faces:
    """A magenta face, and a green neighbour without points."""
    points = shape()
    image = np.full((200, 200, 3), 90, np.uint8)
    cv2.fillConvexPoly(image, cv2.convexHull(np.rint(points).astype(np.int32)), SKIN.tolist())
    left, top, right, bottom = NEIGHBOUR[0].astype(int).tolist()
    image[top:bottom, left:right] = OTHER
    return faces_of(image, points)


def generator(faces: Faces, config: MosaicConfig, others: Floats | None = None) -> MosaicGenerator:
    boxes = {} if others is None else {"face": others}
    return MosaicGenerator(faces, boxes, [np.full((50, 70, 3), 60, np.uint8)], config)


def draw(mosaics: MosaicGenerator, count: int) -> list[tuple[Pixels, GroundTruth]]:
    return [mosaics(np.random.default_rng([5, number])) for number in range(count)]


def shares(truth: GroundTruth, size: int) -> Floats:
    """The visible share of each box."""
    visible = truth.boxes.clip(-0.5, size - 0.5)
    areas = np.prod(truth.boxes[:, 2:] - truth.boxes[:, :2], axis=1)
    return np.asarray(np.prod(visible[:, 2:] - visible[:, :2], axis=1) / areas, np.float32)


def shows_all_points(truth: GroundTruth, size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(((truth.points >= 0) & (truth.points <= size - 0.5)).all((1, 2)))


def colour_mask(image: Pixels, colour: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Pixels:
    """1 where an image shows a colour, 0 elsewhere."""
    near = np.abs(image.astype(int) - colour).max(axis=-1) < 60
    return np.asarray(near, np.uint8)


def without(mask: Pixels, boxes: Floats) -> Pixels:
    rest = mask.copy()
    for x0, y0, x1, y1 in np.concatenate([boxes[:, :2] - 2, boxes[:, 2:] + 3], 1).astype(int):
        rest[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 0
    return rest


def test_equal_seeds_draw_equal_mosaics_and_others_differ() -> None:
    mosaics = generator(painted(), VARIED, NEIGHBOUR)
    (first, truth), (again, same), (other, _) = (
        mosaics(np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(truth.boxes, same.boxes)
    np.testing.assert_array_equal(truth.points, same.points)
    assert (first != other).any()


def test_each_point_has_its_colour_mirrored_or_not() -> None:
    checked = {False: 0, True: 0}
    for image, truth in draw(generator(coloured(), PLAIN), 60):
        points = truth.points[truth.kinds == FACE]
        places = np.rint(points.reshape(-1, 2)).astype(int)
        inside = ((places > 1) & (places < 126)).all(axis=1)
        x, y = places[inside].T
        apart = np.abs(image[y, x][:, None].astype(int) - COLOURS).max(axis=-1)
        number = np.tile(np.arange(5), len(points))[inside]
        mirrored = bool(
            (apart.argmin(axis=1) == np.array(MIRRORED)[number]).sum() > len(number) / 2
        )
        expected = np.array(MIRRORED)[number] if mirrored else number
        assert (apart.min(axis=1) < 60).all()
        np.testing.assert_array_equal(apart.argmin(axis=1), expected)
        checked[mirrored] += len(number)
    assert min(checked.values()) > 50


def test_the_right_eye_stays_left_of_the_left_eye_in_upright_faces() -> None:
    for _, truth in draw(generator(coloured(), replace(PLAIN, roll=40.0)), 40):
        for right_eye, left_eye, _, right_mouth, _ in truth.points[truth.kinds == FACE]:
            across, down = left_eye - right_eye, right_mouth - right_eye
            assert across[0] * down[1] - across[1] * down[0] > 0
            assert across[0] > 0


def test_boxes_contain_their_points_and_arrays_have_their_types() -> None:
    for image, truth in draw(generator(painted(), VARIED, NEIGHBOUR), 40):
        assert image.dtype == np.uint8
        assert image.shape == (320, 320, 3)
        assert image.flags.c_contiguous
        assert truth.boxes.dtype == truth.points.dtype == np.float32
        assert truth.boxes.shape == (len(truth), 4)
        assert truth.points.shape == (len(truth), 5, 2)
        assert set(truth.kinds.tolist()) <= {FACE, IGNORED}
        faces = truth.kinds == FACE
        boxes = truth.boxes[faces][:, None]
        assert (truth.points[faces] >= boxes[..., :2] - 0.01).all()
        assert (truth.points[faces] <= boxes[..., 2:] + 0.01).all()


def test_boxes_are_ignored_when_largely_cut_and_dropped_when_almost_invisible() -> None:
    kinds: list[int] = []
    for _, truth in draw(generator(painted(), PLAIN), 400):
        share = shares(truth, 128)
        assert (share >= 0.099).all()
        is_face = (share >= 0.55) | shows_all_points(truth, 128)
        np.testing.assert_array_equal(truth.kinds == FACE, is_face)
        kinds += truth.kinds.tolist()
    assert kinds.count(IGNORED) > 0
    assert kinds.count(FACE) > 300


def test_a_face_larger_than_its_tile_is_one_if_eyes_nose_and_mouth_show() -> None:
    config = replace(PLAIN, smallest=170.0, largest=1.6)
    counted = 0
    for _, truth in draw(generator(painted(), config), 60):
        shows, is_face = shows_all_points(truth, 128), truth.kinds == FACE
        assert is_face[shows].all()
        counted += int((shows & (shares(truth, 128) < 0.55)).sum())
    assert counted > 5


@pytest.mark.parametrize(
    ("roll", "expected"), [(0.0, {FACE}), (64.0, {FACE}), (70.0, {IGNORED}), (81.0, set())]
)
def test_faces_turned_too_far_are_ignored_or_background(
    roll: float, expected: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosaic, "_roll", lambda _config, _rng: roll)
    monkeypatch.setattr(mosaic, "_position", lambda length, _extent, _rng: length / 2)
    kinds = [draw(generator(painted(), PLAIN), 1)[0][1].kinds for _ in range(10)]
    assert set(np.concatenate(kinds).tolist()) == expected


def test_inverted_faces_are_background() -> None:
    config = replace(PLAIN, tilted=0.0, inverted=1.0)
    assert all(len(truth) == 0 for _, truth in draw(generator(painted(), config), 20))


def test_heads_turned_sideways_are_drawn_more_often() -> None:
    frontal, turned = shape(), shape()
    turned[27:36] += (30, 0)  # the nose lies on one side of the eyes
    colours = (SKIN, OTHER)
    images = tuple(np.full((200, 200, 3), colour, np.uint8) for colour in colours)
    faces = Faces(("frontal", "turned"), images, np.stack([frontal, turned]))
    config = replace(PLAIN, profiles=6.0, smallest=60.0)
    green = [image[64, 64, 1] > 128 for image, _ in draw(generator(faces, config), 60)]
    assert sum(green) > 36


@pytest.mark.parametrize(("single", "empty", "least"), [(1.0, 0.0, 0.001), (0.1, 0.4, 0.1)])
def test_shows_no_face_without_ground_truth(
    single: float, empty: float, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Surroundings may show up to a twentieth of a face's box."""
    monkeypatch.setattr(mosaic, "texture", lambda shape, _: np.full(shape, 60, np.uint8))
    monkeypatch.setattr(mosaic, "scrambled", lambda pixels, _: np.zeros_like(pixels))
    config = replace(PLAIN, size=320, single=single, smallest=9.0, empty=empty)
    shown, stray, neighbours, lost = 0, 0, 0, 0
    for image, truth in draw(generator(painted(), config, NEIGHBOUR), 60):
        skin, other = colour_mask(image, SKIN), colour_mask(image, OTHER)
        shown += int(skin.sum())
        stray += int(without(skin, truth.boxes).sum())
        neighbours += int(other.sum())
        lost += int(without(other, truth.boxes[truth.kinds == IGNORED]).sum())
    assert min(shown, neighbours) > 20_000
    assert stray < least * shown
    assert lost < max(least, 0.02) * neighbours


def test_shows_every_face_of_the_ground_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosaic, "texture", lambda shape, _: np.full(shape, 60, np.uint8))
    for image, truth in draw(generator(painted(), replace(PLAIN, size=320, single=0.2)), 30):
        skin = colour_mask(image, SKIN)
        for box in truth.boxes[truth.kinds == FACE].round().astype(int).clip(0, 320):
            # A hull fills most of its box, and the tile's edge may cut a good third of it.
            assert skin[box[1] : box[3], box[0] : box[2]].mean() > 0.3


def test_a_faceless_mosaic_has_no_ground_truth() -> None:
    for _, truth in draw(generator(painted(), replace(VARIED, faceless=1.0), NEIGHBOUR), 10):
        assert len(truth) == 0
        assert truth.boxes.shape == (0, 4)
        assert truth.points.shape == (0, 5, 2)


@pytest.mark.parametrize("size", [64, 96, 352])
def test_tiles_cover_the_mosaic_once(size: int) -> None:
    for seed in range(20):
        counts = np.zeros((size, size), int)
        for x0, y0, x1, y1 in mosaic._split((0, 0, size, size), np.random.default_rng(seed)):
            assert min(x1 - x0, y1 - y0) >= 16
            counts[y0:y1, x0:x1] += 1
        assert (counts == 1).all()


@pytest.mark.parametrize("tile", [(17, 95), (31, 24), (16, 16), (64, 64)])
@pytest.mark.parametrize("image", [(31, 47), (200, 200)])
def test_fills_odd_tiles_from_small_images(tile: tuple[int, int], image: tuple[int, int]) -> None:
    height, width = image
    points = shape(0.6 * height, (width / 2, height / 2))
    mosaics = generator(
        faces_of(np.full((*image, 3), 7, np.uint8), points), replace(VARIED, glasses=1.0)
    )
    mosaics = replace(mosaics, config=replace(mosaics.config, occlusion=1.0))
    for seed in range(30):
        rng, canvas = np.random.default_rng(seed), np.zeros((100, 100, 3), np.uint8)
        part = canvas[2 : 2 + tile[0], 3 : 3 + tile[1]]
        mosaics._draw_background(part, rng)
        truth = mosaics._draw_face(part, rng)
        assert np.isfinite(truth.boxes).all()
        beside = canvas.copy()
        beside[2 : 2 + tile[0], 3 : 3 + tile[1]] = 0
        assert not beside.any()


def test_faces_are_drawn_by_the_weights_of_their_data_sets() -> None:
    one = coloured()
    both = Faces.joined([one.of_set("one"), one.of_set("two")])
    config = MosaicConfig(size=96, per_epoch=1, profiles=0)
    mosaics = MosaicGenerator(both, {}, [], config, {"one": 3.0})
    np.testing.assert_allclose(mosaics._chances, [0.75, 1.0])

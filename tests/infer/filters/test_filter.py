from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from fkd_infer.canvas.image_canvas import ImageCanvas
from fkd_infer.cli.filters import main
from fkd_infer.errors import FilterError, InvalidImageError, NoFaceError
from fkd_infer.filters.filter import (
    brightness_gain,
    builtin_filters,
    load_filter,
    load_filters,
    mouth_openness,
)
from fkd_infer.filters.preview import TILE, draw_preview_sheet
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.landmarks.head_model import fit_pose, mean_head
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Face

BOX = np.array([0, 0, 9, 9], np.float32)


def rotation(yaw: float = 0, roll: float = 0, pitch: float = 0) -> NDArray[np.float64]:
    """A head's rotation matrix (3, 3), angles in degrees: roll clockwise on screen."""
    a, b, c = np.radians([yaw, roll, pitch])
    about_y = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    about_x = [[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]]
    about_z = [[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]]
    return np.asarray(np.array(about_z) @ about_y @ about_x, np.float64)


def face(
    centre: tuple[float, float] = (200, 200),
    scale: float = 80,
    yaw: float = 0,
    roll: float = 0,
    pitch: float = 0,
) -> Face:
    points = scale * mean_head() @ rotation(yaw, roll, pitch)[:2].T + centre
    return Face(points.astype(np.float32), BOX)


def canvas(level: int = 120) -> Pixels:
    return np.full((400, 400, 3), level, np.uint8)


def write_pack(
    folder: Path, image: Pixels, anchors: dict[int, tuple[float, float]], **fields: Any
) -> Path:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "a.png"), image)
    anchor_table = [{"points": [point], "at": list(at)} for point, at in anchors.items()]
    layer = {"image": "a.png", "anchors": anchor_table, "brightness": False} | fields
    table = {"version": 1, "name": folder.name, "title": "T", "layers": [layer]}
    (folder / "filter.json").write_text(json.dumps(table))
    return folder


EYES = {36: (20.0, 40.0), 45: (60.0, 40.0)}


def flag() -> Pixels:
    """Red on the face's right, green on its left, blue above both."""
    image = np.zeros((80, 80, 4), np.uint8)
    image[30:50, 15:40] = (0, 0, 255, 255)
    image[30:50, 40:65] = (0, 255, 0, 255)
    image[10:30, 15:65] = (255, 0, 0, 255)
    return image


def centre_of(frame: Pixels, channel: int) -> Floats:
    """The mean position (x, y) of the pixels of one colour."""
    others = [c for c in range(3) if c != channel]
    y, x = np.nonzero((frame[..., channel] > 200) & (frame[..., others] < 60).all(axis=-1))
    assert len(x)
    return np.array([x.mean(), y.mean()], np.float32)


@pytest.mark.parametrize("warp", ["head", "similarity"])
@pytest.mark.parametrize("roll", [0, 90, 180, -90, 40, -40])
def test_a_layer_follows_roll(tmp_path: Path, roll: float, warp: str) -> None:
    loaded = load_filter(write_pack(tmp_path / "flag", flag(), EYES, warp=warp))
    frame = canvas()
    head = face(roll=roll)
    loaded.draw(frame, [head])
    right, left, top = centre_of(frame, 2), centre_of(frame, 1), centre_of(frame, 0)
    across = (head.points[45] - head.points[36]) / np.linalg.norm(head.points[45] - head.points[36])
    down = np.array([-across[1], across[0]])
    assert (left - right) @ across == pytest.approx(80 * 25 / 40, abs=1.0)
    assert abs((left - right) @ down) < 1.0
    assert (top - (left + right) / 2) @ down == pytest.approx(-80 * 20 / 40, abs=1.0)


def test_anchors_of_a_layer_on_the_head_lie_on_their_points(tmp_path: Path) -> None:
    dots = np.zeros((80, 80, 4), np.uint8)
    cv2.circle(dots, (20, 40), 4, (0, 0, 255, 255), -1)
    cv2.circle(dots, (60, 40), 4, (0, 255, 0, 255), -1)
    loaded = load_filter(write_pack(tmp_path / "dots", dots, EYES))
    for yaw, roll, pitch in ((30, 0, 0), (-30, 20, 0), (0, 0, 20), (0, 0, 0)):
        frame, head = canvas(), face(yaw=yaw, roll=roll, pitch=pitch)
        loaded.draw(frame, [head])
        assert np.linalg.norm(centre_of(frame, 2) - head.points[36]) < 0.7
        assert np.linalg.norm(centre_of(frame, 1) - head.points[45]) < 0.7


@pytest.mark.parametrize("warp", ["head", "similarity", "affine", "piecewise"])
def test_a_layer_does_not_drift_against_a_moving_face(tmp_path: Path, warp: str) -> None:
    soft = np.zeros((64, 64, 4), np.uint8)
    y, x = np.mgrid[:64, :64]
    soft[..., :3] = 255
    soft[..., 3] = 255 * np.exp(-((x - 32.0) ** 2 + (y - 36.0) ** 2) / 60)
    anchors = {36: (12.0, 20.0), 45: (52.0, 20.0), 33: (32.0, 38.0), 8: (32.0, 62.0)}
    loaded = load_filter(write_pack(tmp_path / "spot", soft, anchors, warp=warp))
    offsets = []
    for step in range(24):
        # The face moves by known fractions of a pixel.
        shift = (120 + 3.37 * step, 150 + 1.23 * step)
        frame = canvas(0)
        head = face(shift, scale=61.7, yaw=12, roll=8)
        loaded.draw(frame, [head])
        mass = frame[..., 0].astype(float)
        rows, columns = np.mgrid[:400, :400]
        centre = np.array([(mass * columns).sum(), (mass * rows).sum()]) / mass.sum()
        offsets.append(centre - head.points.mean(axis=0))
    assert np.ptp(np.array(offsets), axis=0).max() < 0.1


def test_yaw_narrows_a_flat_layer_and_not_a_round_one(tmp_path: Path) -> None:
    widths = {}
    for enabled in (False, True):
        loaded = load_filter(write_pack(tmp_path / f"p{enabled}", flag(), EYES, round=enabled))
        for yaw in (0, 45):
            frame = canvas()
            loaded.draw(frame, [face(yaw=yaw)])
            columns = np.nonzero((frame != 120).any(axis=(0, 2)))[0]
            widths[enabled, yaw] = np.ptp(columns)
    assert widths[False, 45] / widths[False, 0] == pytest.approx(np.cos(np.radians(45)), abs=0.03)
    assert widths[True, 45] / widths[True, 0] == pytest.approx(1, abs=0.03)


def test_a_deeper_layer_moves_against_the_yaw(tmp_path: Path) -> None:
    positions = {}
    for depth in (0.0, -1.0):
        loaded = load_filter(write_pack(tmp_path / f"d{depth}", flag(), EYES, depth=depth))
        frame = canvas()
        loaded.draw(frame, [face(yaw=30)])
        positions[depth] = centre_of(frame, 0)[0]
    assert positions[-1.0] - positions[0.0] == pytest.approx(-80 * np.sin(np.radians(30)), abs=1)


@pytest.mark.parametrize(("yaw", "visible"), [(40, True), (-40, False)])
def test_a_layer_at_the_side_is_visible_when_the_head_turns(
    tmp_path: Path, yaw: float, visible: bool
) -> None:
    loaded = load_filter(
        write_pack(tmp_path / "side", flag(), {0: (0.0, 40), 36: (60.0, 30)}, turn=90)
    )
    frame = canvas()
    loaded.draw(frame, [face(yaw=yaw)])
    assert bool((frame != 120).any()) == visible


def test_fit_pose_recovers_a_known_pose() -> None:
    head = face((150, 90), 40, yaw=25, roll=-70, pitch=10)
    pose = fit_pose(head.points)
    assert pose is not None
    np.testing.assert_allclose(pose.rotation, 40 * rotation(25, -70, 10)[:2], atol=0.01)
    np.testing.assert_allclose(pose.centre, (150, 90), atol=0.01)
    assert pose.scale == pytest.approx(40, abs=0.01)


def test_offset_and_scale_are_in_units_of_the_head(tmp_path: Path) -> None:
    plain = load_filter(write_pack(tmp_path / "plain", flag(), EYES))
    for warp in ("head", "similarity"):
        changed = write_pack(
            tmp_path / warp, flag(), EYES, warp=warp, offset=[0.5, -0.25], scale=0.5
        )
        before, after = canvas(), canvas()
        plain.draw(before, [face()])
        load_filter(changed).draw(after, [face()])
        move = centre_of(after, 2) - centre_of(before, 2)
        # Half as large, so the patch is also half as far from the anchors' middle, 12.5 pixels.
        np.testing.assert_allclose(move, (40 + 12.5, -20), atol=1)


@pytest.mark.parametrize("name", builtin_filters())
def test_a_builtin_filter_draws_the_same_on_a_larger_frame(name: str) -> None:
    loaded = load_filter(name)
    for x, y in ((0, 200), (400, 200), (200, 0), (200, 400), (5, 395)):
        small, large = canvas(), np.full((1200, 1200, 3), 120, np.uint8)
        loaded.draw(small, [face((x, y))])
        loaded.draw(large, [face((x + 400, y + 400))])
        # OpenCV samples at 1/32 of a pixel, which a sharp edge turns into 8 levels.
        assert np.abs(small.astype(int) - large[400:800, 400:800]).max() <= 8
        assert (large != 120).any()
    for x, y in ((-900, 200), (200, 3000), (10**7, 10**7)):
        outside = canvas()
        loaded.draw(outside, [face((x, y))])
        assert (outside == 120).all()


@pytest.mark.parametrize("name", builtin_filters())
@pytest.mark.parametrize("scale", [0.01, 1, 12, 900])
def test_a_builtin_filter_draws_at_any_size_and_pose(name: str, scale: float) -> None:
    loaded = load_filter(name)
    for yaw, roll, pitch in ((89, 0, 0), (-60, 175, 0), (0, 0, 60), (0, 0, 0)):
        frame = canvas()
        loaded.draw(frame, [face((200, 200), scale, yaw, roll, pitch)])
        assert scale != 12 or yaw == 89 or (frame != 120).any()


def test_faces_without_a_position_are_left_out() -> None:
    loaded, frame = load_filter("party"), canvas()
    loaded.draw(frame, [])
    loaded.draw(frame, [Face(np.full((68, 2), np.nan, np.float32), BOX)])
    loaded.draw(frame, [Face(np.full((68, 2), 50, np.float32), BOX)])
    assert (frame == 120).all()


def test_the_nearer_of_two_faces_is_drawn_on_top(tmp_path: Path) -> None:
    loaded = load_filter(write_pack(tmp_path / "flag", flag(), EYES))
    near, far = face((140, 200), 90), face((190, 200), 50)
    together, alone = canvas(), canvas()
    loaded.draw(together, [near, far])
    loaded.draw(alone, [near])
    drawn = (alone != 120).any(axis=-1)
    # The edge of the nearer one is blended with the farther one.
    inner = cv2.erode(drawn.astype(np.uint8), np.ones((5, 5))) > 0
    assert (together[inner] == alone[inner]).all()
    assert (together != alone).any()


def test_several_filters_are_ordered_by_z(tmp_path: Path) -> None:
    red, blue = flag(), flag()
    red[..., :3], blue[..., :3] = (0, 0, 255), (255, 0, 0)
    low = write_pack(tmp_path / "low", red, EYES, z=1)
    high = write_pack(tmp_path / "high", blue, EYES, z=2)
    frames = []
    for names in ((low, high), (high, low)):
        both = load_filters(names)
        frame = canvas()
        both.draw(frame, [face()])
        frames.append(frame)
    assert (frames[0] == frames[1]).all()
    assert tuple(frames[0][200, 200]) == (255, 0, 0)
    assert (both.name, both.title) == ("high+low", "T, T")


def test_the_brightness_gain_follows_the_light_within_limits() -> None:
    points = face().points
    levels = [
        brightness_gain(ImageCanvas(canvas(level)), points) for level in (5, 60, 120, 165, 250)
    ]
    assert levels == sorted(levels)
    assert levels[0] == pytest.approx(0.4)
    assert levels[3] == pytest.approx(1)
    assert levels[4] == pytest.approx(1.08)


def test_a_layer_with_brightness_is_darker_in_the_dark(tmp_path: Path) -> None:
    frames = {}
    for enabled in (True, False):
        loaded = load_filter(write_pack(tmp_path / f"b{enabled}", flag(), EYES, brightness=enabled))
        frames[enabled] = canvas(40)
        loaded.draw(frames[enabled], [face()])
    assert frames[False][210, 180, 2] == 255
    assert frames[True][210, 180, 2] == pytest.approx(255 * (40 / 165) ** 0.6, abs=2)


def test_a_layer_for_an_open_mouth_is_hidden_in_a_closed_one(tmp_path: Path) -> None:
    loaded = load_filter(write_pack(tmp_path / "m", flag(), EYES, when="mouth_open"))
    closed = face()
    opened = replace(closed, points=closed.points.copy())
    opened.points[65:68, 1] += 40
    frame = canvas()
    loaded.draw(frame, [closed])
    assert (frame == 120).all()
    loaded.draw(frame, [opened])
    assert (frame != 120).any()
    pose = fit_pose(opened.points)
    assert pose is not None
    assert mouth_openness(opened.points, pose) == 1


def test_another_landmark_scheme_is_refused() -> None:
    other = replace(IBUG68, name="mine")
    for call in (
        lambda: load_filter("hat").check_scheme(other),
        lambda: load_filters(["hat"], other),
    ):
        with pytest.raises(FilterError, match=r"'hat'.*'ibug68'.*'mine'"):
            call()
    load_filter("hat").check_scheme(IBUG68)


def test_an_unknown_filter_lists_the_builtin_ones() -> None:
    with pytest.raises(FilterError, match=r"'beard'.*sunglasses"):
        load_filter("beard")


def test_a_preview_sheet_has_a_row_for_each_filter_and_needs_a_face() -> None:
    sheet = draw_preview_sheet(canvas(), [face()], [load_filter("hat"), load_filter("cat")])
    assert sheet.shape == (2 * TILE, 8 * TILE, 3)
    assert all((sheet[TILE * row :, TILE * k :][:TILE, :TILE] != 120).any()
               for row in range(2) for k in range(8))  # fmt: skip
    with pytest.raises(NoFaceError, match="no face"):
        draw_preview_sheet(canvas(), [], [load_filter("hat")])


def test_list_and_validate_print_filters_and_packs(tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["list"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(builtin_filters())
    good = write_pack(tmp_path / "good", flag(), EYES)
    result = CliRunner().invoke(main, ["validate", str(good), str(good / "filter.json")])
    assert result.exit_code == 0
    assert result.output.count(", valid\n") == 2
    bad = CliRunner().invoke(main, ["validate", str(tmp_path)])
    assert bad.exit_code == 1
    assert len(bad.output.splitlines()) == 1


def test_preview_draws_filters_on_a_photo(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    out = tmp_path / "drawn.png"
    result = CliRunner().invoke(main, ["preview", "hat", "dog", "--out", str(out)])
    assert result.exit_code == 0
    assert "Felt hat, Dog: 1 face" in result.output
    photo = data.astronaut()[..., ::-1]
    changed = (cv2.imread(str(out)) != photo).any(axis=-1)
    assert 2000 < changed.sum() < 60_000
    sheet = tmp_path / "sheet.png"
    result = CliRunner().invoke(
        main, ["preview", "hat", "--sheet", "--image", str(out), "--out", str(sheet)]
    )
    assert result.exit_code == 0
    drawn = cv2.imread(str(sheet))
    assert drawn is not None
    assert drawn.shape == (TILE, 8 * TILE, 3)


def test_preview_does_not_replace_its_photo(tmp_path: Path) -> None:
    photo, link = tmp_path / "photo.png", tmp_path / "link.png"
    cv2.imwrite(str(photo), canvas())
    before = photo.read_bytes()
    link.hardlink_to(photo)
    for out in (photo, link):
        result = CliRunner().invoke(
            main, ["preview", "hat", "--image", str(photo), "--out", str(out)]
        )
        assert result.exit_code == 1
        assert "it is the photo" in result.output
    assert photo.read_bytes() == before


@pytest.mark.parametrize("kind", ["gray", "float", "read-only"])
def test_images_that_cannot_be_drawn_on_are_refused(kind: str) -> None:
    image: Any = {"gray": canvas()[..., 0], "float": canvas() / 255, "read-only": canvas()}[kind]
    image.flags.writeable = kind != "read-only"
    with pytest.raises(InvalidImageError):
        load_filter("hat").draw(image, [face()])


def test_one_filter_may_be_named_alone() -> None:
    assert load_filters("hat").name == load_filters(["hat"]).name == "hat"

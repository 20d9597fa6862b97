"""Plots and face sheets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import read_faces
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net
from fkd_train.models.spec import ModelSpec
from fkd_train.reports.plots import (
    COLOURS,
    TILE,
    ced_curve,
    ced_curves,
    curves,
    face_sheet,
    first_filters,
)

SAMPLER = CropSampler(64, 1, CropConfig(scale=1.25), IBUG68)


def test_a_sheet_shows_true_points_left_and_predicted_right(drawn_data: Path) -> None:
    faces = read_faces(drawn_data, "test")
    errors = np.arange(6, dtype=np.float32)
    rows = np.array([4, 1, 0, 2])
    same = face_sheet(faces, faces.points, rows, errors, SAMPLER)
    assert same.shape == (2 * TILE, 6 * TILE, 3)
    left, right = same[: TILE - 30, :TILE], same[: TILE - 30, TILE : 2 * TILE]
    np.testing.assert_array_equal(left, right)
    moved = face_sheet(faces, faces.points + 5, rows, errors, SAMPLER)
    np.testing.assert_array_equal(moved[: TILE - 30, :TILE], left)
    assert (moved[: TILE - 30, TILE : 2 * TILE] != right).any()


def test_a_sheet_of_a_network_of_colour_images_is_in_colour(drawn_data: Path) -> None:
    faces = read_faces(drawn_data, "test", colour=True)
    red = tuple(image // np.array([4, 4, 1], np.uint8) for image in faces.images)
    faces, sampler = replace(faces, images=red), replace(SAMPLER, channels=3)
    errors = np.zeros(6, np.float32)
    sheet = face_sheet(faces, faces.points, np.array([0]), errors, sampler)
    blue, _, bright = np.median(sheet[: TILE - 30, :TILE], axis=(0, 1))
    assert bright > 2 * blue


def test_shows_the_filters_of_networks_that_have_some(drawn_data: Path) -> None:
    faces = read_faces(drawn_data, "test", colour=True)
    spec = ModelSpec("naimishnet", 64, unit=16, offset=32, channels=3)
    sampler = replace(SAMPLER, channels=3)
    figure = first_filters(build_landmark_net(spec), sampler, faces)
    assert figure is not None
    assert len(figure.axes) == 32
    dense = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 136))
    assert first_filters(LandmarkNet(spec, dense), sampler, faces) is None


def test_the_ced_ends_at_the_share_of_faces_below_the_limit() -> None:
    figure = ced_curve(np.array([1.0, 4.0, 12.0, 40.0], np.float32))
    shares = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines]
    assert [0, 25, 50, 75, 75] in shares


def test_networks_differ_by_colour_and_then_by_dashes() -> None:
    errors = {f"network {n}": np.array([1.0, 4.0 + n], np.float32) for n in range(8)}
    figure = ced_curves(errors)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(errors)
    styles = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines[:8]]
    assert styles[:6] == [(colour, "-") for colour in COLOURS]
    assert styles[6:] == [(colour, "--") for colour in COLOURS[:2]]


def test_titles_of_curves_have_the_last_value() -> None:
    rows = [
        {"epoch": e, "train_loss": 1 / e, "nme": 9.0 / e, "seed_mse": 0.1 / e} for e in (1.0, 2.0)
    ]
    figure = curves(rows)
    assert [axis.get_title().splitlines()[-1] for axis in figure.axes] == [
        "last 0.5",
        "last 4.5",
        "last 0.05",
    ]
    without = [{key: row[key] for key in ("epoch", "train_loss", "nme")} for row in rows]
    assert len(curves(without).axes) == 2

"""Comparisons of networks and their HTML report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from tiny_models import FIVE

from fkd_infer.errors import NonFiniteOutputError, OutputError
from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.checkpoints import save_checkpoint
from fkd_train.cli import evaluate
from fkd_train.config.landmarks import (
    LandmarkRecipe,
    ModelConfig,
    TrunkConfig,
    landmark_recipe_to_dict,
)
from fkd_train.data.synthetic import face_shape
from fkd_train.errors import RunError
from fkd_train.evaluation.comparison import Comparison, EvaluationProtocol, compare, distinct_names
from fkd_train.evaluation.face_geometry import box_sides, rolls, upright, yaws
from fkd_train.evaluation.robustness import PERTURBATIONS
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.reports.comparison_plots import binned
from fkd_train.reports.html import SHEET_FACES, sheet_rows, write_report


@pytest.fixture(scope="module")
def small(tiny: LandmarkRecipe) -> LandmarkRecipe:
    """A recipe of a fast network."""
    trunk = TrunkConfig(stem=8, widths=(8, 16), depths=(1, 1))
    return replace(tiny, model=ModelConfig("fkdnet", 64, trunk=trunk, head="grid"))


def untrained(path: Path, recipe: LandmarkRecipe, seed: int = 0, broken: bool = False) -> Path:
    """A checkpoint of an untrained network, or of one whose outputs are NaN."""
    torch.manual_seed(seed)
    network = build_landmark_net(recipe.model.spec(recipe.landmarks.count))
    if broken:
        for parameter in network.parameters():
            torch.nn.init.constant_(parameter, torch.nan)
    content = {"recipe": landmark_recipe_to_dict(recipe), "points": recipe.landmarks.count}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, {**content, "weights": network.state_dict(), "progress": {"epoch": 0}})
    return path


@pytest.fixture(scope="module")
def models(small: LandmarkRecipe, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two checkpoints of the same name."""
    folder = tmp_path_factory.mktemp("models")
    return [untrained(folder / run / "last.pt", small, seed=s) for s, run in enumerate(["a", "b"])]


def protocol(data: Path, perturb: bool = False) -> EvaluationProtocol:
    return EvaluationProtocol(data, "official", "model", "points", perturb)


@pytest.fixture(scope="module")
def comparison(models: list[Path], drawn_data: Path) -> Comparison:
    return compare(models, protocol(drawn_data, perturb=True))


@pytest.fixture(scope="module")
def page(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(tmp_path_factory.mktemp("report"), comparison).read_text()


def run(*arguments: str | Path) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(evaluate.main, texts, catch_exceptions=False)


def strict_json(path: Path) -> Any:
    """Reads JSON; raises for NaN and infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_page_is_self_contained(page: str) -> None:
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert sources
    for source in sources:
        assert source.startswith(("data:image/svg+xml;base64,", "data:image/jpeg;base64,"))


def test_the_page_shows_models_side_by_side(page: str) -> None:
    for name in ("a/last.pt", "b/last.pt"):
        assert page.count(f"<h3>{name}</h3>") == 1
        assert f"<tr><th>{name}</th>" in page
        assert f'<th colspan="3">{name}</th>' in page
        for title in ("best", "median", "worst"):
            assert f'alt="the {title} faces of {name}"' in page
    for perturbation in PERTURBATIONS:
        assert f"<tr><th>{perturbation}</th>" in page
    assert "estimated yaw" in page


def test_the_numbers_equal_the_evaluations(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    write_report(tmp_path, comparison)
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "report.json"}
    numbers = strict_json(tmp_path / "report.json")
    assert numbers["head"]["faces"] == numbers["head"]["measured"] == 6
    assert numbers["names"] == list(comparison.faces.names)
    assert set(numbers["shapes"]) == {"size", "roll", "yaw"}
    for model, result in zip(numbers["models"], comparison.results, strict=True):
        assert model["path"] == str(result.path)
        assert model["file_bytes"] == result.path.stat().st_size
        assert model["input_size"] == 64
        assert np.mean(model["face_errors"]) == pytest.approx(model["nme"], abs=1e-3)
        assert np.mean(model["point_errors"]) == pytest.approx(model["nme"], abs=1e-3)
        assert len(model["point_errors"]) == 68
        assert [row["perturbation"] for row in model["robustness"]] == list(PERTURBATIONS)
        worst = numbers["names"][int(np.argmax(model["face_errors"]))]
        assert model["sheets"]["worst"][0] == worst


def test_names_are_shown_literally(comparison: Comparison, tmp_path: Path) -> None:
    """HTML markup, and names that matplotlib would read as mathematics or leave out of a legend."""
    names = "_<b>$x_{$.pt", "b & c"
    results = zip(names, comparison.results, strict=True)
    renamed = tuple(replace(result, name=name) for name, result in results)
    page = write_report(tmp_path, replace(comparison, results=renamed)).read_text()
    assert "<h3>_&lt;b&gt;$x_{$.pt</h3>" in page
    assert "<h3>b &amp; c</h3>" in page


def test_the_page_has_no_robustness_without_perturbations(
    models: list[Path], drawn_data: Path, tmp_path: Path
) -> None:
    page = write_report(tmp_path, compare(models[:1], protocol(drawn_data))).read_text()
    assert "<h3>last.pt</h3>" in page
    assert "Robustness" not in page
    assert "robustness" not in strict_json(tmp_path / "report.json")["models"][0]


def test_other_schemes_have_no_yaw(
    small: LandmarkRecipe, five_point_data: Path, tmp_path: Path
) -> None:
    five = untrained(tmp_path / "five.pt", replace(small, scheme=FIVE))
    comparison = compare([five], replace(protocol(five_point_data), split="identity"))
    page = write_report(tmp_path / "report", comparison).read_text()
    assert "Error by roll" in page
    assert "Error by estimated yaw" not in page
    assert "Yaw is" not in page
    assert "seed MSE" not in page
    assert set(strict_json(tmp_path / "report" / "report.json")["shapes"]) == {"size", "roll"}

    other = untrained(tmp_path / "other.pt", small)
    with pytest.raises(RunError, match=r"other\.pt: its scheme is ibug68, that of .* is five"):
        compare([five, other], protocol(five_point_data))


def test_compare_names_a_broken_network(
    models: list[Path], small: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    broken = untrained(tmp_path / "broken.pt", small, broken=True)
    with pytest.raises(NonFiniteOutputError, match=r"broken\.pt"):
        compare([models[0], broken], protocol(drawn_data))


def test_reports_a_folder_that_cannot_be_written(comparison: Comparison, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(file, replace(comparison, results=comparison.results[:1]))


def test_distinct_names_are_as_short_as_possible() -> None:
    paths = [Path(p) for p in ("m.onnx", "runs/a/last.pt", "runs/b/last.pt", "old/b/last.pt")]
    assert distinct_names(paths) == ["m.onnx", "a/last.pt", "runs/b/last.pt", "old/b/last.pt"]


def test_evaluates_a_repeated_model_once(models: list[Path], drawn_data: Path) -> None:
    twice = [models[0], models[0].parent / "." / "last.pt"]
    assert [r.name for r in compare(twice, protocol(drawn_data)).results] == ["last.pt"]


def test_sheets_have_the_best_the_median_and_the_worst_faces() -> None:
    errors = np.random.default_rng(0).permutation(21).astype(np.float32)
    rows = sheet_rows(errors)
    assert errors[rows["best"]].tolist() == [0, 1, 2, 3, 4, 5]
    assert errors[rows["median"]].tolist() == [7, 8, 9, 10, 11, 12]
    assert errors[rows["worst"]].tolist() == [20, 19, 18, 17, 16, 15]
    assert all(len(some) == 4 for some in sheet_rows(errors[:4]).values())
    assert SHEET_FACES == 6


def test_outer_bins_extend_to_the_extremes_and_have_several_faces() -> None:
    values = np.concatenate([[-50], np.linspace(-20, 20, 100), [90]])
    errors = {"m": np.abs(values)}
    bins = binned(values, errors, range(-80, 81, 10))
    assert [(b.low, b.high) for b in bins] == [(-50, -10), (-10, 0), (0, 10), (10, 90)]
    assert sum(b.count for b in bins) == 102
    assert bins[1].medians["m"] == pytest.approx(5, abs=0.3)


def test_a_bin_without_a_face_is_merged_into_the_one_before() -> None:
    values = np.concatenate([np.full(20, 5.0), np.full(20, 95.0)])
    bins = binned(values, {"m": values}, range(10, 100, 10))
    assert [(b.low, b.high, b.count) for b in bins] == [(5, 90, 20), (90, 95, 20)]


def test_geometry_of_a_rotated_face() -> None:
    angle = np.radians(20)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    face = face_shape()
    points = np.stack([face, 100 * face @ rotation + 7]).astype(np.float32)
    level, rotated = rolls(points, IBUG68)
    assert rotated - level == pytest.approx(20, abs=1e-3)
    straight = upright(points, IBUG68)
    np.testing.assert_allclose(straight[0], straight[1], atol=1e-5)
    assert box_sides(points[:1])[0] == pytest.approx(np.ptp(face, axis=0).max())


def test_yaw_is_positive_if_the_nose_is_to_the_right() -> None:
    """45 degrees with the tip of the nose above the outer corner of an eye."""
    faces = np.stack([face_shape()] * 3)
    corners = faces[0, list(IBUG68.outer_eye_corners), 0]
    faces[0, 30, 0] = corners.mean()
    faces[1, 30, 0] = corners[1]
    faces[2, 30, 0] = corners[0]
    estimated = yaws(faces, IBUG68)
    assert estimated is not None
    np.testing.assert_allclose(estimated, [0, 45, -45], atol=0.5)


def test_the_command_evaluates_several_models(
    models: list[Path], drawn_data: Path, tmp_path: Path
) -> None:
    figures, report = tmp_path / "figures.json", tmp_path / "report"
    options: list[str | Path] = ["--data", drawn_data, "--json", figures, "--perturb"]
    both = run("--model", models[0], "--model", models[1], *options, "--report", report)
    assert both.exit_code == 0, both.output
    for model in models:
        assert f"{model}, official split, 6 of 6 faces" in both.output
    assert both.output.count("tilted by 45°") == 2
    assert f"report: {report / 'report.html'}" in both.output
    tables = strict_json(figures)
    assert [table["model"] for table in tables] == [str(model) for model in models]
    assert tables[0]["robustness"][0]["ratio"] == 1
    report_models = strict_json(report / "report.json")["models"]
    assert [table["nme"] for table in tables] == [model["nme"] for model in report_models]

    assert run("--model", models[0], *options).exit_code == 0
    assert strict_json(figures) == tables[0]


@pytest.mark.parametrize("more", [("--crop", "image"), ("--boxes", "haar")])
def test_refuses_other_crops_with_perturbations(more: tuple[str, str]) -> None:
    result = run("--model", "m.pt", "--data", "d", "--perturb", *more)
    assert result.exit_code == 2
    assert "remove --crop and --boxes" in result.stderr


def test_the_score_is_printed_and_reported(
    small: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photos")
    augment = replace(small.augment, unframed=0.2)
    scored = replace(small, model=replace(small.model, score=True), augment=augment)
    both = [untrained(tmp_path / "scored.pt", scored), untrained(tmp_path / "unscored.pt", small)]
    arguments = [argument for model in both for argument in ("--model", model)]
    arguments += [
        "--data",
        drawn_data,
        "--score",
        "--report",
        tmp_path,
        "--json",
        tmp_path / "a.json",
    ]
    result = run(*arguments)
    assert "score: ROC AUC against backgrounds 0." in result.output
    assert "badly framed face" in result.output
    assert "score: this network has none" in result.output
    with_score, without_score = strict_json(tmp_path / "a.json")
    assert 0 <= with_score["score"]["groups"]["beside the face"]["auc"] <= 1
    assert "score" not in without_score
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Score</h2>" in page
    assert "photos without a face" in page

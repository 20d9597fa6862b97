"""Options of fkd-infer for detection."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_models import DETECTED_BOXES, LOW_SCORE, MODELS

from fkd_infer.cli.main import main
from fkd_infer.cli.options.faces import FaceOptions
from fkd_infer.cli.options.networks import ProviderOptions
from fkd_infer.detection.base import SizedDetector
from fkd_infer.detection.registry import DETECTORS
from fkd_infer.detection.tiling import Search
from fkd_infer.media.sources import expand_sources
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.system.files import download

FIXED, TINY = str(MODELS / "fixed.onnx"), str(MODELS / "detector.onnx")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A light picture of 128 × 128 pixels in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.png"
    _, data = cv2.imencode(".png", np.full((128, 128, 3), 204, np.uint8))
    path.write_bytes(data.tobytes())
    return path


def faces(photo: Path, *options: str) -> list[dict[str, Any]]:
    given = ("--model", FIXED, "--detector-model", TINY, "--json", "-", "--quiet")
    done = run(photo, *given, *options)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["faces"]
    return found


def test_default_detector_runs_a_given_file(photo: Path) -> None:
    (face,) = faces(photo)
    assert face["box"] == DETECTED_BOXES[0].tolist()
    assert face["score"] == 0.8


def test_min_score_decides_how_many_faces_are_found(photo: Path) -> None:
    scores = [face["score"] for face in faces(photo, "--min-score", "0.2")]
    assert scores == [0.8, LOW_SCORE]
    assert faces(photo, "--min-score", "0.9") == []


def test_max_size_scales_frames_down(photo: Path) -> None:
    (face,) = faces(photo, "--max-size", "64")
    assert face["box"] == (DETECTED_BOXES[0] * 2 + 0.5).tolist()


def test_min_face_decides_the_scale_of_the_search(photo: Path) -> None:
    (face,) = faces(photo, "--min-face", "24")
    assert face["box"] == (DETECTED_BOXES[0] * 2 + 0.5).tolist()
    (face,) = faces(photo, "--min-face", "6")
    assert face["box"] == (DETECTED_BOXES[0] / 2 - 0.25).tolist()


SEARCH_OPTIONS = ["--detector-model d.onnx", "--max-size 640", "--min-face 20", "--min-score 0.5"]


@pytest.mark.parametrize("option", SEARCH_OPTIONS)
@pytest.mark.parametrize("without", ["--boxes b.csv", "--detector none"])
def test_refuses_search_options_if_nothing_is_searched(
    photo: Path, option: str, without: str
) -> None:
    done = run(photo, "--model", FIXED, "--json", "-", *option.split(), *without.split())
    assert done.exit_code == 2
    assert f"{option.split()[0]} needs a detector, not --boxes or --detector none" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            "--detector haar --detector-model d.onnx",
            1,
            "it has no model file, but d.onnx was given",
        ),
        ("--detector-model nosuch.onnx", 1, "nosuch.onnx: no such model file; shipped models: fkd"),
        (
            f"--detector-model {FIXED}",
            1,
            "places points, but one that finds faces is needed; use it",
        ),
        (f"--detector-model {FIXED}", 1, "use it as --model"),
        (f"--model {TINY}", 1, "use it as --detector-model"),
        ("--detector yunet --detector-model a.png", 1, "a.png: not a usable model"),
        ("--detector yunet --detector-model nosuch.onnx", 1, "nosuch.onnx: no such model file"),
        ("--detector yunet", 1, "name the file with --detector-model"),
        ("--detector magic", 2, "'magic' is not one of"),
        ("--max-size 63", 2, "--max-size"),
        ("--min-face 3", 2, "--min-face"),
        ("--min-face inf", 2, "is not a finite number"),
        ("--min-face nan", 2, "'nan' is not a finite number"),
        ("--min-score 1.1", 2, "--min-score"),
        ("--min-score nan", 2, "'nan' is not a finite number"),
    ],
)
def test_reports_a_mistake_in_one_line(
    photo: Path, monkeypatch: pytest.MonkeyPatch, options: str, code: int, message: str
) -> None:
    def unreachable(url: str, timeout: float) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(download, "urlopen", unreachable)
    done = run(photo, "--model", FIXED, "--json", "-", *options.split())
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output
    if code == 1:
        assert len(done.stderr.strip().splitlines()) == 1


def test_help_lists_every_detector() -> None:
    text = run("--help").output
    assert f"[{'|'.join(DETECTORS)}]" in text
    for option in SEARCH_OPTIONS:
        assert option.split()[0] in text


ON_CPU = ProviderOptions(ProviderChoice("cpu"), None, (), False, None)


def searches(photo: Path, **changes: Any) -> tuple[Search, Search]:
    """The search settings for photos and for videos."""
    usual = FaceOptions(
        FIXED, "fkd", Path(TINY), None, "points", None, None, None, None, None, "off", None,
        None, 1, tuned=False,
    )  # fmt: skip
    options = replace(usual, **changes)
    pipeline = options.pipeline(expand_sources([str(photo)]), 1, ON_CPU)
    tracker = options.finder(pipeline, []).tracker
    assert tracker is not None
    assert isinstance(tracker.detector, SizedDetector)
    assert isinstance(pipeline.detector, SizedDetector)
    assert type(tracker.detector) is type(pipeline.detector)
    return pipeline.detector.search, tracker.detector.search


def test_searches_videos_at_a_smaller_size_unless_it_is_given(photo: Path) -> None:
    assert searches(photo) == (Search(1280), Search(640))
    assert searches(photo, max_size=800) == (Search(800), Search(800))
    assert searches(photo, min_face=20, min_score=0.7) == (
        Search(1280, 20, 0.7),
        Search(640, 20, 0.7),
    )


def test_photos_and_videos_are_searched_for_turned_faces_alike(photo: Path) -> None:
    expected = Search(1280, roll="any"), Search(640, roll="any")
    assert searches(photo, roll="any") == expected


@pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="this OpenCV has no cascades")
def test_haar_searches_at_a_smaller_size(photo: Path) -> None:
    found = searches(photo, detector="haar", detector_model=None)
    assert found == (Search(960), Search(400))


def test_live_refuses_a_detector_that_does_not_search(photo: Path) -> None:
    done = run("live", photo, "--detector", "none")
    assert done.exit_code == 2
    assert "'none' is not one of" in done.stderr

"""Detectors by name: the built-in ones, and those of other packages through entry points."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import dedent

import click
import numpy as np
import pytest
from click.testing import CliRunner
from tiny_models import MODELS, card

from fkd_infer.cli.main import main as fkd_infer_command
from fkd_infer.cli.options.detectors import DetectorChoice, photo_size_text, video_size_text
from fkd_infer.detection.factory import box_rule, build_detector, video_detector
from fkd_infer.detection.registry import (
    BOX_KINDS,
    DETECTORS,
    SEARCHING,
    find_detector,
    plugin_detectors,
)
from fkd_infer.detection.tiling import Search
from fkd_infer.doctor.finding import Finding
from fkd_infer.doctor.plugins import detectors
from fkd_infer.errors import DetectorError, SettingsError
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.loading import load
from fkd_infer.media.images.writing import write_image

Install = Callable[..., None]
CORNERS = """
    import fkd_infer
    import numpy as np

    class Corners(fkd_infer.Detector):
        def __init__(self, request):
            self.rule = request.rule or fkd_infer.BoxRule(0.5)
            self.request = request

        def __call__(self, image):
            return fkd_infer.Detections(np.array([[0, 0, 8, 8]], "f4"), np.ones(1, "f4"))

    corners = fkd_infer.DetectorSpec(
        "corners", "the upper left corner", Corners, fkd_infer.BoxRule(0.5), default_model="none"
    )
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with one entry point, and the module that it names, on sys.path."""

    def add(
        code: str = CORNERS,
        entry: str = "corners = corner_faces:corners",
        distribution: str = "corner-faces",
    ) -> None:
        folder = tmp_path / distribution
        folder.mkdir()
        (folder / "corner_faces.py").write_text(dedent(code))
        info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[fkd.detectors]\n{entry}\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "corner_faces", raising=False)

    return add


def test_the_registry_lists_the_built_in_detectors() -> None:
    assert list(DETECTORS) == ["fkd", "haar", "yunet", "none"]
    assert SEARCHING == ("fkd", "haar", "yunet")
    assert BOX_KINDS == ("points", "fkd", "haar", "yunet")
    assert all(find_detector(name) is spec for name, spec in DETECTORS.items())
    assert (photo_size_text(), video_size_text()) == (
        "1280, videos 640; haar 960 and 400",
        "640, haar 400",
    )


def test_a_plugin_is_built_like_the_others(install: Install) -> None:
    install()
    assert plugin_detectors() == ["corners"]
    assert find_detector("corners").box_rule == box_rule("corners", card()) == BoxRule(0.5)
    search = Search(100, min_score=0.5)
    detector = build_detector("corners", card(), search, model="a.bin", provider="cpu", threads=2)
    request = detector.request  # type: ignore[attr-defined]
    assert (request.search, request.model, request.provider) == (search, "a.bin", "cpu")
    assert (request.threads, request.rule, request.crop) == (2, None, card().crop)
    assert video_detector(detector, Search(640)) is detector
    assert len(detector(np.zeros((20, 20, 3), np.uint8))) == 1


def test_a_pipeline_is_loaded_with_a_plugin(install: Install) -> None:
    install()
    pipeline = load(MODELS / "fixed.onnx", detector="corners", max_size=320, tuned=False)
    assert pipeline.detector.request.search == Search(320)  # type: ignore[attr-defined]
    (face,) = pipeline(np.zeros((20, 20, 3), np.uint8))
    assert face.box.tolist() == [0, 0, 8, 8]


def test_the_command_accepts_a_plugin(install: Install) -> None:
    @click.command()
    @click.option("--detector", type=DetectorChoice(SEARCHING))
    def command(detector: str) -> None:
        click.echo(detector)

    install()
    run = CliRunner().invoke
    assert run(command, ["--detector", "corners"]).output == "corners\n"
    assert "[fkd|haar|yunet]" in run(command, ["--help"]).output
    refused = run(command, ["--detector", "nosuch"])
    assert refused.exit_code == 2
    assert "'nosuch' is not one of 'fkd', 'haar', 'yunet', 'corners'" in refused.stderr


def test_fkd_infer_runs_a_plugin_and_reports_a_broken_one(install: Install, tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    write_image(photo, np.zeros((20, 20, 3), np.uint8))
    options = ["--model", str(MODELS / "fixed.onnx"), "--provider", "cpu", "--json", "-"]
    install()
    run = partial(CliRunner().invoke, fkd_infer_command)
    done = run([str(photo), *options, "--detector", "corners", "--max-size", "100"])
    (record,) = map(json.loads, done.stdout.splitlines())
    assert record["faces"][0]["box"] == [0, 0, 8, 8]
    install("", "broken = corner_faces:nothing", "more-faces")
    failed = run([str(photo), *options, "--detector", "broken"])
    assert failed.exit_code == 1
    assert "'broken' in fkd.detectors of more-faces 1.0" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_an_error_lists_plugins(install: Install) -> None:
    install()
    with pytest.raises(DetectorError, match=r"there are: fkd, haar, yunet, none, corners$"):
        find_detector("magic")


def test_a_plugin_does_not_replace_a_built_in_detector(install: Install) -> None:
    install(entry="haar = corner_faces:corners")
    assert find_detector("haar") is DETECTORS["haar"]
    assert plugin_detectors() == []


@pytest.mark.parametrize(
    ("code", "entry", "problem"),
    [
        ("raise RuntimeError('no\\nlicence')", "corners = corner_faces:corners", "no licence"),
        ("", "corners = corner_faces:corners", "AttributeError"),
        ("", "corners = corner_faces_missing:corners", "ModuleNotFoundError"),
        ("corners = 3", "corners = corner_faces:corners", "is of type int, not DetectorSpec"),
        ("raise SystemExit(3)", "corners = corner_faces:corners", "SystemExit: 3"),
        (
            "import fkd_infer; other = fkd_infer.DetectorSpec('other', '', None)",
            "corners = corner_faces:other",
            "is named 'other'",
        ),
    ],
)
def test_a_broken_plugin_is_named_in_one_line(
    code: str, entry: str, problem: str, install: Install
) -> None:
    install(code, entry)
    with pytest.raises(DetectorError) as caught:
        find_detector("corners")
    text = str(caught.value)
    value = entry.partition(" = ")[2]
    assert f"entry point 'corners' in fkd.detectors of corner-faces 1.0 ({value})" in text
    assert problem in text
    assert text.endswith("update or uninstall the package")
    assert "\n" not in text


def test_the_doctor_lists_plugins_and_names_a_broken_one(install: Install) -> None:
    assert detectors() == Finding("detectors", "fkd, haar, yunet, none")
    install()
    assert detectors().fact == "fkd, haar, yunet, none; of other packages: corners"
    assert detectors().problem is None
    install("", "broken = corner_faces:nothing", "more-faces")
    found = detectors()
    assert "'broken' in fkd.detectors of more-faces 1.0" in (found.problem or "")
    assert found.repair == "pip uninstall more-faces"


def test_plugins_that_share_a_name_are_both_named(install: Install) -> None:
    install()
    install(distribution="more-faces")
    with pytest.raises(DetectorError, match=r"corner-faces 1\.0 and more-faces 1\.0 both"):
        find_detector("corners")


def test_a_plugin_that_builds_no_detector_is_refused(install: Install) -> None:
    code = """
        import fkd_infer
        corners = fkd_infer.DetectorSpec("corners", "", lambda request: 3)
    """
    install(code)
    with pytest.raises(DetectorError, match=r"'int'.* no rule and no traits"):
        build_detector("corners", card())


def test_a_plugin_that_cannot_be_built_is_named(install: Install) -> None:
    code = """
        import fkd_infer
        def build(request):
            raise OSError("no weights\\nhere")
        corners = fkd_infer.DetectorSpec("corners", "", build)
    """
    install(code)
    with pytest.raises(DetectorError) as caught:
        build_detector("corners", card())
    problem = "detector 'corners' cannot be used: it cannot be built: OSError: no weights here"
    assert str(caught.value) == f"{problem}; update or uninstall the package"


def test_a_detector_that_returns_no_detections_is_named(install: Install) -> None:
    install(CORNERS.replace("return fkd_infer.Detections(", "return [0] or ("))
    pipeline = load(MODELS / "fixed.onnx", detector="corners")
    with pytest.raises(DetectorError, match=r"'Corners'.* it returned list"):
        pipeline(np.zeros((32, 32, 3), np.uint8))


def test_a_plugin_that_does_not_search_takes_no_search(install: Install) -> None:
    code = """
        import fkd_infer
        corners = fkd_infer.DetectorSpec("corners", "", None, searches=False)
    """
    install(code)
    with pytest.raises(SettingsError, match="max_size is for the detectors fkd, haar, yunet"):
        load(MODELS / "fixed.onnx", detector="corners", max_size=320)


def test_networks_with_their_own_points_need_a_rule_for_a_plugin(install: Install) -> None:
    install()
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    with pytest.raises(DetectorError, match="points of its own"):
        box_rule("corners", replace(card(), scheme=two))
    assert box_rule("points", replace(card(), scheme=two)) == POINTS_BOX


def test_help_looks_for_no_plugins() -> None:
    """Nor does it import numpy."""
    code = """
        import sys
        from click.testing import CliRunner
        from fkd_infer.cli.main import main
        assert "--detector" in CliRunner().invoke(main, ["--help"]).output
        loaded = {"numpy", "cv2", "importlib.metadata"} & {*sys.modules}
        assert not loaded
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True)

"""The snippets of docs/how-to/elsewhere.md find the pipeline's faces."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from exported_files import end_to_end_file
from repo_paths import DOCS, NODE_MODULES, SHIPPED_MODELS

from fkd_infer.choices import DETECTOR_MODEL
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.loading import load
from fkd_train.export.end_to_end_pictures import drawn_pictures, fitted
from fkd_train.graphs.fixed_end_to_end import FixedSize

NOSE = 30


def snippet(heading: str, language: str) -> str:
    """The code in a language under a heading."""
    page = (DOCS / "how-to" / "elsewhere.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (code,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def picture() -> Pixels:
    return fitted(drawn_pictures()[0], 480, 640)


@pytest.fixture(scope="module")
def noses(picture: Pixels) -> list[str]:
    """The lines that each snippet prints: the tips of the noses, best face first."""
    pipeline = load(SHIPPED_MODELS / "fkdnet.onnx", detector_model=DETECTOR_MODEL, tuned=False)
    faces = pipeline(picture)
    assert len(faces) > 1
    return [str(np.round(face.points[NOSE], 1)) for face in faces]


@pytest.fixture
def folder(picture: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Path) -> Path:
    cv2.imwrite(str(tmp_path / "photo.png"), picture)
    (tmp_path / "photo.png").rename(tmp_path / "photo.jpg")
    for file in (
        *files.iterdir(),
        *(SHIPPED_MODELS / f"{n}.onnx" for n in ("fkdnet", DETECTOR_MODEL)),
    ):
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    end_to_end_file(folder, "fkdnet").rename(folder / "faces.onnx")
    fixed = end_to_end_file(folder, "fkdnet", FixedSize(480, 640, 4))
    fixed.rename(folder / "faces-480x640.onnx")
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("heading", ["The tensors", "OpenVINO", "OpenCV"])
def test_a_snippet_in_python_prints_the_pipelines_points(
    heading: str, noses: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if heading == "OpenVINO":
        pytest.importorskip("openvino", reason="needs the extra bench")
    exec(compile(snippet(heading, "python"), "elsewhere.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    points = [np.fromstring(line.split("[")[1].strip("]"), sep=" ") for line in lines]
    expected = [np.fromstring(nose.strip("[]"), sep=" ") for nose in noses]
    np.testing.assert_allclose(points, expected, atol=0.5 if heading == "The tensors" else 0.15)


@pytest.mark.slow
def test_the_snippet_in_javascript_finds_the_pipelines_points(
    folder: Path, picture: Pixels, noses: list[str]
) -> None:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "onnxruntime-web").is_dir():
        pytest.skip("needs node, and onnxruntime-web from `npm ci --prefix tests/node`")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "snippet.mjs").write_text(snippet("JavaScript", "js"))
    (folder / "photo.rgba").write_bytes(cv2.cvtColor(picture, cv2.COLOR_BGR2RGBA).tobytes())
    (folder / "main.mjs").write_text(
        """import { readFileSync } from "node:fs";
import { findFaces, open } from "./snippet.mjs";
const session = await open(new Uint8Array(readFileSync("faces.onnx")));
const image = { data: readFileSync("photo.rgba"), width: 640, height: 480 };
const faces = await findFaces(session, image);
console.log(JSON.stringify(faces.map(({ points }) => [...points.subarray(60, 62)])));
"""
    )
    process = subprocess.run([node, "main.mjs"], capture_output=True, text=True, check=True)
    expected = [np.fromstring(nose.strip("[]"), sep=" ") for nose in noses]
    np.testing.assert_allclose(json.loads(process.stdout), expected, atol=0.15)


@pytest.mark.parametrize(
    ("heading", "header", "package"),
    [
        ("ONNX Runtime in C++", "onnxruntime_cxx_api.h", "libonnxruntime"),
        ("OpenCV", "opencv2/dnn.hpp", "opencv4"),
    ],
)
def test_a_snippet_in_cpp_compiles(heading: str, header: str, package: str, tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    finder, flags = shutil.which("pkg-config"), ""
    if finder is not None:
        found = subprocess.run([finder, "--cflags", package], capture_output=True, text=True)
        flags = found.stdout
    command = [compiler, "-std=c++17", "-fsyntax-only", *flags.split(), "-x", "c++"]
    only_header = tmp_path / "header.cpp"
    only_header.write_text(f"#include <{header}>\n")
    if subprocess.run([*command, str(only_header)], capture_output=True).returncode:
        pytest.skip(f"needs the header {header}")
    source = tmp_path / "snippet.cpp"
    source.write_text(snippet(heading, "cpp"))
    process = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert not process.returncode, process.stderr

"""In which runtimes each shipped file runs, and why not in the others."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from exported_files import end_to_end_file
from repo_paths import NODE_MODULES, SHIPPED_MODELS

from fkd_infer.errors import InstallError
from fkd_infer.models.description import read_any_card
from fkd_train.choices import RuntimeName
from fkd_train.graphs.fixed_end_to_end import FixedSize
from fkd_train.runtimes.base import Runtime
from fkd_train.runtimes.check import compare_runtimes
from fkd_train.runtimes.inputs import check_inputs
from fkd_train.runtimes.registry import RUNTIMES

FIXED = FixedSize(320, 448, 2)
OPENCV_4 = int(cv2.__version__.partition(".")[0]) < 5
UNKNOWN_SHAPE = "!isDynamicShape"
MIXED_TYPES = "Mixed input data types"
PROBLEMS: dict[tuple[str, RuntimeName], str] = {
    ("fkdnet-int8", "openvino"): "differs by more than 0.01 px",
    ("fkdnet-int8", "opencv"): MIXED_TYPES if OPENCV_4 else "zpshape == scshape",
    ("fkdnet-any", "openvino"): "it answers",
    ("fkdnet-any", "opencv"): UNKNOWN_SHAPE,
}
"""The known failures; all other files run in all runtimes."""
ROUNDED_PX = {("fkdnet-int8", "onnxruntime-web"): 0.2}
"""Where integers are rounded as the CPU has instructions for, and points may differ by so much."""
if OPENCV_4:
    PROBLEMS |= {
        ("fkdnet", "opencv"): MIXED_TYPES,
        ("fkdnet-large", "opencv"): MIXED_TYPES,
        ("fkd-detector", "opencv"): UNKNOWN_SHAPE,
    }
FILES = ("fkdnet", "fkdnet-int8", "fkdnet-large", "naimishnet", "fkd-detector")
END_TO_END = ("fkdnet-any", "fkdnet-fixed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def file_of(name: str, folder: Path) -> Path:
    if name in FILES:
        return SHIPPED_MODELS / f"{name}.onnx"
    network, kind = name.split("-")
    path = folder / f"{name}.onnx"
    return path if path.exists() else end_to_end_file(folder, network, _size(kind))


def _size(kind: str) -> FixedSize | None:
    return FIXED if kind == "fixed" else None


def installed() -> list[Runtime]:
    """The runtimes that are installed, without the reference."""
    return [runtime for runtime in RUNTIMES[1:] if _is_installed(runtime)]


def _is_installed(runtime: Runtime) -> bool:
    try:
        runtime.version()
    except InstallError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FILES, *END_TO_END])
def test_a_file_runs_equally_or_fails_as_known(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FKD_NODE_MODULES", str(NODE_MODULES))
    path = file_of(name, folder)
    inputs = check_inputs(path, read_any_card(path))
    for result in compare_runtimes(path, inputs, installed()):
        known = PROBLEMS.get((name, result.runtime))
        if known is not None:
            assert known in str(result.problem), result
            continue
        if px := ROUNDED_PX.get((name, result.runtime)):
            assert result.largest_px is not None, result
            assert result.largest_px <= px, result
            continue
        assert result.problem is None, result
        assert result.parity is not None
        assert result.parity.largest_px <= 0.01 or name in END_TO_END, result


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: str(runtime.name))
def test_all_runtimes_are_installed(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FKD_NODE_MODULES", str(NODE_MODULES))
    try:
        assert runtime.version()
    except InstallError as error:
        pytest.skip(str(error))

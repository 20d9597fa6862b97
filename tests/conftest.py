"""Fixtures for all tests: the real data set, an empty cache and a tiny network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from repo_paths import DATA_FOLDER, ROOT
from tiny_models import MODELS

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of several processes that spin on the same cores slow training several times.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Background processes of a shell ignore SIGINT, and programs that tests interrupt inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_default_data() -> Iterator[None]:
    """Commands that tests run take no data set from the environment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("FKD_DATA", raising=False)
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data set; skips the test where there is none."""
    if not (DATA_FOLDER / "training_frames_keypoints.csv").is_file():
        pytest.skip(f"no data set at {DATA_FOLDER}; set FKD_DATA to its folder")
    return DATA_FOLDER


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has what `examples/samples/make.py` makes; tests that write copy it."""
    pytest.importorskip("skimage", reason="needs the photo of the extra demo")
    folder = tmp_path_factory.mktemp("samples")
    make = ROOT / "examples" / "samples" / "make.py"
    subprocess.run([sys.executable, make], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that this machine's tuned profiles have no effect."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FKD_CACHE", str(folder))
    return folder


@pytest.fixture
def fixed_model() -> Path:
    """A network that returns a circle of points, shifted by the crop's brightness."""
    return MODELS / "fixed.onnx"

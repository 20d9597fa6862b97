"""Model files that are no regular files, too large or costly, and a machine without memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from protobuf_bytes import field, with_added
from tiny_models import MODELS

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.detection.yunet import YuNetDetector
from fkd_infer.errors import DetectorError, InvalidModelError, ModelFileNotFoundError
from fkd_infer.models import check
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.tuned.profile import ModelVariant
from fkd_infer.runtime.tuned.session import open_session
from fkd_infer.tuning.variants import variants_of

FIXED = MODELS / "fixed.onnx"
OPENERS = [LandmarkSession, FkdDetector, YuNetDetector, open_session]
only_posix = pytest.mark.skipif(os.name != "posix", reason="has no pipes and devices as files")


@pytest.fixture(params=["a pipe", "a device", "a socket", "a folder"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A path that opens, but where reading may never end."""
    if request.param == "a device":
        return Path("/dev/zero")
    path = tmp_path / "m.onnx"
    if request.param == "a pipe":
        os.mkfifo(path)
    elif request.param == "a folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    return path


@only_posix
@pytest.mark.parametrize("open_", OPENERS)
def test_paths_that_are_no_regular_file_raise_at_once(
    no_file: Path, open_: Callable[[Path], object]
) -> None:
    start = time.process_time()
    with pytest.raises(
        (InvalidModelError, DetectorError), match=r"not a file|No such device"
    ) as caught:
        open_(no_file)
    assert str(no_file) in str(caught.value)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("open_", OPENERS)
@pytest.mark.parametrize("size", [0, check.MAX_FILE_BYTES + 1])
def test_empty_and_huge_files_are_not_read(
    size: int, open_: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.touch()
    os.truncate(path, size)
    start = time.process_time()
    message = "bytes, but at most 1073741824 are allowed" if size else "the file is empty"
    with pytest.raises((InvalidModelError, DetectorError), match=message):
        open_(path)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "nosuch/../../x.onnx", ""])
def test_impossible_file_names_raise(name: str) -> None:
    with pytest.raises((ModelFileNotFoundError, InvalidModelError)):
        find_model(name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(FIXED.read_bytes())
    path.chmod(0)
    with pytest.raises(InvalidModelError, match="Permission denied"):
        LandmarkSession(path, "cpu")


@pytest.mark.parametrize(
    "content",
    [
        field(15, 0) * 2_000_000,
        field(7, field(1, field(1, b"")) * 700_000),
        field(7, field(5, field(1, 1) * 15 + field(2, 1)) * 200_000),
        field(7, field(1, field(5, field(8, 1) * 10) * 10) * 60_000),
    ],
    ids=["fields", "nodes", "tensors", "attributes"],
)
def test_a_file_of_millions_of_fields_is_rejected_quickly(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    start = time.process_time()
    with pytest.raises(InvalidModelError, match=r"more than 1000000 fields|stores fewer"):
        check_model(path)
    assert time.process_time() - start < 20


def test_deeply_nested_graphs_raise(tmp_path: Path) -> None:
    graph = b""
    for _ in range(3000):
        graph = field(1, field(4, b"If") + field(5, field(6, graph)))
    path = tmp_path / "m.onnx"
    path.write_bytes(with_added(FIXED.read_bytes(), [7], graph))
    with pytest.raises(InvalidModelError, match="nested more than 8 deep"):
        check_model(path)


_LIMITED = """
import resource, sys
from pathlib import Path
from fkd_infer.models.check import check_model
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 25), resource.RLIM_INFINITY))
try:
    check_model(Path(sys.argv[1]))
except MemoryError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and limits address space")
def test_running_out_of_memory_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    content = FIXED.read_bytes()
    path.write_bytes(content)
    os.truncate(path, 1 << 29)  # zeros, which need no space on the disk
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.startswith(
        "OutOfMemoryError this machine has not enough free memory to load"
    )
    assert done.stdout.count("\n") == 1


def test_a_folder_of_invalid_files_has_no_variants(tmp_path: Path) -> None:
    """`fkd-infer tune` reads the other files beside a model."""
    model = tmp_path / "model.onnx"
    model.write_bytes(FIXED.read_bytes())
    (tmp_path / "broken.onnx").symlink_to(tmp_path / "nosuch")
    (tmp_path / "circle.onnx").symlink_to(tmp_path / "circle.onnx")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "cut.onnx").write_bytes(FIXED.read_bytes()[:500])
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.onnx")
    assert variants_of(model) == {}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.onnx", "../x.onnx", "/x.onnx"])
def test_a_variant_must_be_in_the_models_folder(name: str) -> None:
    """A profile cannot name a file elsewhere."""
    with pytest.raises(ValueError, match="not the name of a file in the model's folder"):
        ModelVariant(name, "0" * 64)


def test_reports_a_file_that_shrinks_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program truncates it after its size was read."""
    path = tmp_path / "m.onnx"
    path.write_bytes(FIXED.read_bytes())
    check_size = check._check_size

    def truncate(size: int) -> None:
        os.truncate(path, 0)
        check_size(size)

    monkeypatch.setattr(check, "_check_size", truncate)
    with pytest.raises(InvalidModelError, match=r"m\.onnx.*became shorter"):
        check_model(path)

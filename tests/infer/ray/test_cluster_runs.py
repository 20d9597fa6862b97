"""Runs on a cluster of two nodes give what a run on one machine gives, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from faults.killed_runs import read_outputs
from synthetic_videos import Clip, constant_rate, make_video, sound_packets, times_of
from tiny_models import MODELS

from fkd_infer.cli.main import main
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame

ray = pytest.importorskip("ray", reason="needs the ray extra")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the ray extra")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,
    # Ray's own: open files and deprecated calls.
    pytest.mark.filterwarnings("ignore"),
]
NETWORKS = [
    *("--model", str(MODELS / "scored.onnx")),
    *("--detector-model", str(MODELS / "detector.onnx")),
]
PHOTOS = int(os.environ.get("FKD_RAY_PHOTOS", "150"))
_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
_DEAD_SOON = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
_TIMEOUT = 240.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster with a head node, and no connection of this process."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={**_NODE, "_system_config": _DEAD_SOON})
    try:
        yield started
    finally:
        ray.shutdown()
        started.shutdown()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        path = folder / f"{number % 3}" / f"{number:04d}.jpg"
        path.parent.mkdir(exist_ok=True)
        write_image(path, scene(number))
    dark = np.zeros((240, 320, 3), np.uint8)
    write_image(folder / "dark.png", dark)
    return folder


def scene(number: int) -> Pixels:
    """A bright picture of noise, in which the tiny detector finds a face."""
    rng = np.random.default_rng(number)
    image = rng.integers(140, 256, (30, 40, 3), np.uint8)
    return np.ascontiguousarray(image.repeat(8, axis=0).repeat(8, axis=1))


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of a table, in the order of sources."""
    table = pq.read_table(folder)
    order = [(name, "ascending") for name in ("source", "frame", "face")]
    found: list[dict[str, Any]] = table.sort_by(order).to_pylist()
    return found


def run_here(*arguments: str | Path) -> Result:
    command = [*map(str, arguments), *NETWORKS]
    return CliRunner().invoke(main, command, catch_exceptions=False)


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of a run on one machine."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = run_here(photos, "--parquet", out / "faces", "--out", out / "pictures")
    assert done.exit_code == 0, done.output
    return out


def start(cluster: Any, sources: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    """Starts a run on the cluster in a process of its own."""
    command = [sys.executable, "-m", "fkd_infer.cli.main", str(sources), *NETWORKS]
    command += ["--ray", "auto", "--parquet", str(out / "faces"), "--out", str(out / "pictures")]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    return subprocess.Popen(
        [*command, "--quiet", *more],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Waits for a run; returns what it printed."""
    try:
        _, stderr = process.communicate(timeout=_TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == code, stderr
    return stderr


def wait_for_parts(out: Path, process: subprocess.Popen[str], parts: int) -> None:
    """Waits until a run has written parts."""
    until = time.monotonic() + _TIMEOUT
    while len(list((out / "faces").glob("part-*"))) < parts:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


def _pictures(out: Path) -> dict[str, object]:
    found = read_outputs(out / "pictures")
    return {name: data for name, data in found.items() if name != "errors.jsonl"}


def check(out: Path, expected: Path) -> None:
    """Nothing is lost, nothing is there twice, and no partial file is left."""
    assert rows(out / "faces") == rows(expected / "faces")
    assert _pictures(out) == _pictures(expected)
    assert list(out.rglob(".*")) == []


def test_a_node_that_is_lost_loses_nothing(
    cluster: Any, photos: Path, undisturbed: Path, tmp_path: Path
) -> None:
    node = cluster.add_node(**_NODE)
    process = start(cluster, photos, tmp_path)
    wait_for_parts(tmp_path, process, 2)
    cluster.remove_node(node, allow_graceful=False)
    assert finish(process) == ""
    check(tmp_path, undisturbed)


def test_a_killed_driver_is_continued(
    cluster: Any, photos: Path, undisturbed: Path, tmp_path: Path
) -> None:
    killed = start(cluster, photos, tmp_path)
    wait_for_parts(tmp_path, killed, 2)
    killed.kill()
    killed.communicate()
    refused = start(cluster, photos, tmp_path)
    assert "parts of an earlier run; add --resume" in finish(refused, 1)
    done_before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}
    finish(start(cluster, photos, tmp_path, "--resume"))
    check(tmp_path, undisturbed)
    for name, time_ns in done_before.items():
        if not name.startswith("."):
            assert (tmp_path / "faces" / name).stat().st_mtime_ns == time_ns


@pytest.fixture
def many_photos(photos: Path, tmp_path: Path) -> Path:
    """So many photos that a run over them lasts for seconds: workers ask once a second whether to
    stop."""
    folder = tmp_path / "many"
    for number in range(6):
        for path in photos.rglob("*.jpg"):
            link = folder / f"{number}" / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(path)
    return folder


def test_ctrl_c_leaves_whole_parts(cluster: Any, many_photos: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    run_here(many_photos, "--parquet", here / "faces", "--out", here / "pictures")
    process = start(cluster, many_photos, there)
    wait_for_parts(there, process, 1)
    process.send_signal(signal.SIGINT)
    finish(process, 130)
    found, expected = rows(there / "faces"), rows(here / "faces")
    assert 0 < len(found) < len(expected)
    by_source = {row["source"]: row for row in expected}
    assert all(row == by_source[row["source"]] for row in found)
    finish(start(cluster, many_photos, there, "--resume"))
    check(there, here)


@pytest.fixture
def connected(cluster: Any) -> Iterator[None]:
    """A connection of this process to the cluster."""
    ray.init(address=cluster.address, log_to_driver=False, logging_level="CRITICAL")
    try:
        yield
    finally:
        ray.shutdown()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two photos, a video, a file that is no picture, and one that is no source."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in (1, 2):
        write_image(folder / f"{number}.png", scene(number))
    (folder / "bad.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no source")
    with VideoSink(folder / "a.mp4", None) as video:
        for number in range(12):
            video.write(Frame(scene(number // 4), "a", number, Fraction(number, 25)))
    return folder


@pytest.mark.usefixtures("connected")
def test_videos_bad_files_models_and_versions(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outputs(name: str) -> Sequence[Path | str]:
        own = tmp_path / name
        return "--parquet", own / "faces", "--out", own / "pictures", "--extras", "pose"

    here = run_here(mixed, *outputs("here"))
    there = run_here(mixed, "--ray", "auto", *outputs("there"))
    assert here.exit_code == there.exit_code == 3
    assert "networks run on cpu" in there.stderr
    assert "left out of folders: 1 .txt" in there.stderr
    assert "bad.jpg: cannot be read as an image" in there.stderr
    assert "1 failed, listed in" in there.stderr
    check(tmp_path / "there", tmp_path / "here")
    errors = (tmp_path / "there" / "pictures" / "errors.jsonl").read_text()
    assert errors.count("\n") == 1

    write_image(mixed / "bad.jpg", scene(3))
    more = run_here(mixed, "--ray", "auto", *outputs("there"), "--resume")
    assert more.exit_code == 0, more.output
    assert "3 sources were complete from an earlier run" in more.stderr
    assert not (tmp_path / "there" / "pictures" / "errors.jsonl").exists()
    assert len(rows(tmp_path / "there" / "faces")) == len(rows(tmp_path / "here" / "faces")) + 1

    other = run_here(mixed, "--ray", "auto", *outputs("there"), "--resume", "--refine")
    assert other.exit_code == 1
    assert "the earlier run here had other settings (--refine)" in other.stderr

    from fkd_infer.ray.cluster import installed_versions

    own = {**installed_versions(), "numpy": "0.1"}
    monkeypatch.setattr("fkd_infer.ray.run.installed_versions", lambda: own)
    refused = run_here(mixed, "--ray", "auto", *outputs("again"))
    assert refused.exit_code == 1
    assert (
        f"it has numpy {np.__version__}, and this machine 0.1; install the same" in refused.stderr
    )


@pytest.fixture
def long_video(tmp_path: Path) -> Path:
    """A video of 12 s, with a key frame each second, and another picture after 7 s."""
    rate = Fraction(10)

    def picture(index: int) -> Pixels:
        return scene(7 if index < 70 else 8)

    clip = Clip(constant_rate(120, rate), picture, Fraction(1, 10_240), rate, key_frames=10)
    (tmp_path / "videos").mkdir()
    return make_video(tmp_path / "videos" / "long.mp4", clip)


@pytest.mark.usefixtures("connected")
def test_a_long_video_in_segments_is_that_of_one_run(
    cluster: Any, long_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outputs(name: str) -> Sequence[Path | str]:
        return "--parquet", tmp_path / name / "faces", "--out", tmp_path / name / "pictures"

    here = run_here(long_video, *outputs("here"))
    monkeypatch.setattr("fkd_infer.ray.segments.SEGMENT_S", 3.0)
    node = cluster.add_node(**_NODE)
    try:
        there = run_here(long_video, "--ray", "auto", *outputs("there"))
    finally:
        cluster.remove_node(node)
    assert here.exit_code == there.exit_code == 0, there.output
    assert " segments" not in there.stderr  # as in notes of what was not cut, or not joined
    found = rows(tmp_path / "there" / "faces")
    assert {row["face"] for row in found} != {None}
    assert found == rows(tmp_path / "here" / "faces")
    one, joined = (tmp_path / name / "pictures" / "long.mp4" for name in ("here", "there"))
    assert times_of(joined) == times_of(one)
    assert sound_packets(joined) == sound_packets(one)
    assert (key_frames(one), key_frames(joined)) == (1, 4)
    assert list((tmp_path / "there").rglob(".*")) == []


def key_frames(path: Path) -> int:
    """The number of key frames of a video."""
    import av

    with av.open(str(path)) as container:
        return sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)


@pytest.mark.usefixtures("connected")
def test_adds_faces_to_a_dataset(tmp_path: Path) -> None:
    import ray.data

    import fkd_infer
    import fkd_infer.ray

    (tmp_path / "bad.png").write_bytes(b"no picture")
    write_image(tmp_path / "good.png", scene(1))
    dataset = ray.data.from_items(
        [{"path": str(tmp_path / f"{name}.png")} for name in ("bad", "good")]
    )
    networks = {"model": MODELS / "scored.onnx", "detector_model": MODELS / "detector.onnx"}
    bad, good = sorted(
        fkd_infer.ray.faces(dataset, "path", networks).take_all(), key=lambda row: str(row["path"])
    )
    assert bad["faces"] is None
    assert "bad.png: cannot be read as an image" in bad["error"]
    (expected,) = fkd_infer.load(MODELS / "scored.onnx", detector_model=networks["detector_model"])(
        scene(1)
    )
    (found,) = good["faces"]
    np.testing.assert_array_equal(np.reshape(found["points"], (-1, 2)), expected.points)
    assert good["error"] is None

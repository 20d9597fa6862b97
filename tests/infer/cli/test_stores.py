"""fkd-infer from store to store: the same as locally, whatever fails on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tiny_models import MODELS

pytest.importorskip("s3fs")
pytest.importorskip("moto")
from s3_server import Environ, S3Server, s3_server, use

from fkd_infer.cli.main import main
from fkd_infer.media import sources
from fkd_infer.media.frames import frames_from
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.sources import iter_sources, local_copy
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.stores import faults
from fkd_infer.types import Frame

MODEL = ("--model", str(MODELS / "fixed.onnx"), "--detector", "none", "--provider", "cpu")


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(
    running: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[S3Server]:
    monkeypatch.setattr(faults, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    yield running
    running.fault = lambda _: None
    running.wait = lambda: None


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(server, monkeypatch)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Nine photos of noise in three folders, of formats that suffixes tell and do not tell."""
    rng = np.random.default_rng(0)
    for number, suffix in enumerate(["jpg", "png", "webp"] * 3):
        image = rng.integers(0, 256, (40, 60 + number, 3), np.uint8)
        write_image(tmp_path / "in" / "abc"[number // 3] / f"{number}.{suffix}", image)
    return tmp_path / "in"


def fkd_infer(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), *MODEL, "--workers", "2"])


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def objects_below(bucket: Any, prefix: str) -> dict[str, bytes]:
    found = bucket.find(f"bucket/{prefix}")
    return {name.removeprefix(f"bucket/{prefix}/"): bucket.cat_file(name) for name in found}


def put(bucket: Any, folder: Path, prefix: str) -> None:
    for name, data in files_below(folder).items():
        bucket.pipe_file(f"bucket/{prefix}/{name}", data)


RECORDS = ("faces.jsonl", "faces.csv", "faces.coco", "faces.npz", "sheet.jpg")


def outputs(place: str) -> list[str]:
    options = zip(("--json", "--csv", "--coco", "--npz", "--sheet"), RECORDS, strict=True)
    pairs = [text for option, name in options for text in (option, f"{place}/{name}")]
    return ["--out", f"{place}/out", *pairs]


def test_a_run_from_bucket_to_bucket_equals_a_local_one(
    bucket: Any, photos: Path, tmp_path: Path
) -> None:
    with VideoSink(photos / "d.mp4", None) as video:
        for index in range(3):
            video.write(
                Frame(np.full((48, 64, 3), 80 * index, np.uint8), "", index, Fraction(index, 25))
            )
    first, *others = (Image.new("L", (64, 48), 80 * index) for index in range(3))
    first.save(photos / "e.gif", save_all=True, append_images=others, duration=100)
    put(bucket, photos, "in")
    assert fkd_infer("in", *outputs("local")).exit_code == 0
    remote = fkd_infer("s3://bucket/in", *outputs("s3://bucket"))
    assert remote.exit_code == 0, remote.output
    assert "s3://bucket/out/a/0.jpg" in remote.output
    assert objects_below(bucket, "out") == files_below(tmp_path / "local" / "out")
    rows = (tmp_path / "local" / "faces.jsonl").read_text()
    expected = rows.replace('"in/', '"s3://bucket/in/')
    assert bucket.cat_file("bucket/faces.jsonl").decode() == expected
    assert all(bucket.exists(f"bucket/{name}") for name in RECORDS)
    assert not list(tmp_path.rglob("s3:*"))


def test_throttling_and_cut_connections_change_nothing(
    server: S3Server, bucket: Any, photos: Path, tmp_path: Path
) -> None:
    put(bucket, photos, "in")
    count = [0]

    def choose(environ: Environ) -> str | None:
        count[0] += 1
        reads = environ["REQUEST_METHOD"] == "GET" and "/in/" in environ["PATH_INFO"]
        return "SlowDown" if count[0] % 4 == 0 else "cut" if reads and count[0] % 5 == 0 else None

    server.fault = choose
    assert fkd_infer("in", "--out", "local").exit_code == 0
    remote = fkd_infer("s3://bucket/in", "--out", "s3://bucket/out")
    server.fault = lambda _: None
    assert remote.exit_code == 0, remote.output
    assert objects_below(bucket, "out") == files_below(tmp_path / "local")
    assert count[0] > 40


def test_an_object_that_is_gone_is_one_failure(
    server: S3Server, bucket: Any, photos: Path, tmp_path: Path
) -> None:
    put(bucket, photos, "in")

    def remove(environ: Environ) -> str | None:
        if environ["PATH_INFO"].endswith("in/a/0.jpg") and environ["REQUEST_METHOD"] == "GET":
            server.fault = lambda _: None
            bucket.rm_file("bucket/in/a/0.jpg")
        return None

    server.fault = remove
    done = fkd_infer("s3://bucket/in", "--json", "s3://bucket/rows/faces.jsonl")
    assert done.exit_code == 3
    line = "s3://bucket/in/a/0.jpg: cannot be read: there is no such object"
    assert f"main: {line}\n" in done.output
    assert "1 failed, listed in s3://bucket/rows/errors.jsonl; run the same command" in done.output
    failure = json.loads(bucket.cat_file("bucket/rows/errors.jsonl"))
    assert (failure["source"], failure["message"]) == ("s3://bucket/in/a/0.jpg", line)
    assert bucket.cat_file("bucket/rows/faces.jsonl").count(b"\n") == 8


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["s3://missing/in"], "s3://missing/in: cannot be listed: there is no s3://missing"),
        (["s3://bucket/none"], "s3://bucket/none: no image or video in it"),
        (["s3://bucket/in/*.tif"], "s3://bucket/in/*.tif: no image or video in it"),
        (
            ["s3://bucket/in", "--out", "s3://missing"],
            "s3://missing: cannot be written: there is no s3://missing",
        ),
        (["s3://bucket/in", "--out", "s3://bucket/in"], "it is one of the sources"),
        (
            ["s3://bucket/in/a", "s3://bucket/in/a/0.jpg", "--out", "out"],
            "both s3://bucket/in/a/0.jpg and s3://bucket/in/a/0.jpg would go there",
        ),
        (["s3://bucket/in", "--json", "s3://bucket/a", "--csv", "s3://bucket/a"], "two outputs"),
    ],
)
def test_mistakes_are_one_line_before_any_work(
    arguments: list[str], why: str, server: S3Server, bucket: Any, photos: Path
) -> None:
    put(bucket, photos, "in")
    server.requests.clear()
    more = [] if {"--out", "--json"} & set(arguments) else ["--out", "s3://bucket/out"]
    done = fkd_infer(*arguments, *more)
    assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert why in done.output
    assert not [request for request in server.requests if request[0] == "PUT"]


def test_credentials_that_expire_end_the_run(server: S3Server, bucket: Any, photos: Path) -> None:
    put(bucket, photos, "in")

    def expire(environ: Environ) -> str | None:
        late = "in/c" in environ["PATH_INFO"] and "HTTP_RANGE" not in environ
        return "InvalidAccessKeyId" if late else None

    server.fault = expire
    done = fkd_infer("s3://bucket/in", "--out", "out", "--json", "faces.jsonl")
    assert done.exit_code == 1
    assert "the store refuses these credentials" in done.output.splitlines()[-1]
    assert "--resume continues it" in done.output
    assert len(Path("faces.jsonl").read_text().splitlines()) < 9


def test_a_killed_run_leaves_whole_objects_and_is_resumed(
    server: S3Server, bucket: Any, photos: Path, tmp_path: Path
) -> None:
    put(bucket, photos, "in")
    assert fkd_infer("in", "--out", "local", "--json", "local.jsonl").exit_code == 0
    server.fault = lambda environ: "wait" if environ["REQUEST_METHOD"] == "PUT" else None
    server.wait = lambda: time.sleep(0.3)
    run = ["s3://bucket/in", "--out", "s3://bucket/out", "--json", "s3://bucket/faces.jsonl"]
    command = [sys.executable, "-m", "fkd_infer.cli.main", *run, *MODEL, "--workers", "1"]
    environ = {**os.environ, **server.environ(), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while len(bucket.find("bucket/out")) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    server.fault = lambda _: None
    expected = files_below(tmp_path / "local")
    left = objects_below(bucket, "out")
    assert 3 <= len(left) < 9
    assert left == {name: expected[name] for name in left}
    assert not bucket.exists("bucket/faces.jsonl")
    server.requests.clear()
    resumed = fkd_infer(*run, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "complete from an earlier run" in resumed.output
    assert objects_below(bucket, "out") == expected
    rows = Path("local.jsonl").read_text().replace('"in/', '"s3://bucket/in/')
    assert bucket.cat_file("bucket/faces.jsonl").decode() == rows
    bucket.rm_file("bucket/out/a/0.jpg")
    again = fkd_infer(*run, "--resume")
    assert "1 frame, " in again.output
    assert "8 sources were complete from an earlier run" in again.output
    assert objects_below(bucket, "out") == expected


def test_globs_single_objects_and_names_that_lead_nowhere(bucket: Any, photos: Path) -> None:
    put(bucket, photos, "in")
    bucket.pipe_file("bucket/in/../../up.jpg", b"x")
    bucket.pipe_file("bucket/in/.hidden/b.jpg", b"x")
    bucket.pipe_file("bucket/in/notes.txt", b"x")

    def found(text: str) -> list[str]:
        return [str(source.output) for source in iter_sources(text)]

    assert found("s3://bucket/in/a/0.jpg") == ["0.jpg"]
    assert found("s3://bucket/in/*/*.jpg") == ["a/0.jpg", "b/3.jpg", "c/6.jpg"]
    assert found("s3://bucket/in/b/[45]*") == ["4.png", "5.webp"]
    assert found("s3://bucket/in/**/8.webp") == ["c/8.webp"]
    assert len(found("s3://bucket/in")) == 9
    (source,) = iter_sources("s3://bucket/in/a/0.jpg")
    with local_copy(source) as copied:
        assert copied.path is not None
        assert copied.path.read_bytes() == (photos / "a" / "0.jpg").read_bytes()
    assert not copied.path.exists()
    (frame,) = frames_from(source)
    assert (frame.source, frame.width) == ("s3://bucket/in/a/0.jpg", 60)


@pytest.mark.parametrize("place", ["local", "memory://many"])
def test_more_sources_than_are_looked_at_first(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as if all had been known before, but for names that collide late: they fail."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_image(Path("in/0.jpg"), np.full((40, 60, 3), 99, np.uint8))
    for number in range(1, 30):
        os.link("in/0.jpg", f"in/{number}.jpg")
    write_image(Path("in/9.png"), np.full((40, 60, 3), 99, np.uint8))
    Path("in/9.png").rename("in/9.heic")  # which becomes 9.png
    write_image(Path("other/8.jpg"), np.full((40, 60, 3), 9, np.uint8))
    whole = fkd_infer("in", "--out", f"{place}/whole", "--json", "whole.jsonl")
    monkeypatch.setattr(sources, "_FIRST", 10)
    parts = fkd_infer("in", "--out", f"{place}/parts", "--json", "parts.jsonl")
    assert (whole.exit_code, parts.exit_code) == (0, 0), parts.output
    assert Path("whole.jsonl").read_text() == Path("parts.jsonl").read_text()
    assert "31 frames, " in parts.output
    assert "written in another format: 1 .heic as .png" in parts.output
    late = fkd_infer("in", "other", "--out", f"{place}/late")
    assert late.exit_code == 3
    (line,) = [line for line in late.output.splitlines() if line.startswith("main: ")]
    assert line.startswith(f"main: {place}/late/8.jpg: cannot be written: other/8.jpg and another")

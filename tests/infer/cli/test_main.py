"""fkd-infer on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_models import MODELS, SIZE, fixed_points

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.image_canvas import as_canvas
from fkd_infer.cli.main import main
from fkd_infer.filters.filter import Filter
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.file import read_image
from fkd_infer.media.video.reader import read_video
from fkd_infer.types import Face

FIXED = str(MODELS / "fixed.onnx")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def write_image(path: Path, size: int = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix, np.zeros((size, size, 3), np.uint8))
    path.write_bytes(data.tobytes())
    return path


def write_video(path: Path, frames: int = 30) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(frames):
            gray = np.full((64, 64, 3), index % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_writes_a_picture_and_a_record_for_an_image(tmp_path: Path) -> None:
    photo, out, record = write_image(tmp_path / "a.png"), tmp_path / "out", tmp_path / "a.jsonl"
    done = run(photo, "--model", FIXED, "--detector", "none", "--out", out, "--json", record)
    assert done.exit_code == 0
    assert "1 frame, 1 face in" in done.output
    assert str(out / "a.png") in done.output
    assert (read_image(out / "a.png") != 0).any()
    (line,) = lines(record)
    assert (line["schema"], line["width"], line["height"]) == ("fkd/1", SIZE, SIZE)
    (face,) = line["faces"]
    np.testing.assert_allclose(np.array(face["points"]), fixed_points(), atol=0.006)


def test_an_end_to_end_file_is_refused_with_the_call_that_opens_it(tmp_path: Path) -> None:
    photo = write_image(tmp_path / "a.png")
    failed = run(photo, "--model", MODELS / "end_to_end.onnx", "--json", tmp_path / "a.jsonl")
    assert failed.exit_code == 1
    (line,) = failed.output.splitlines()
    assert "open it with fkd_infer.load(FILE, end_to_end=True)" in line
    assert not (tmp_path / "a.jsonl").exists()


def test_keeps_names_formats_and_sizes_of_a_folder(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.webp", "sub/c.bmp"):
        write_image(tmp_path / "in" / name, 40)
    done = run(tmp_path / "in", "--model", FIXED, "--detector", "none", "--out", tmp_path / "out")
    assert done.exit_code == 0
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert written == {"a.jpg", "sub/b.webp", "sub/c.bmp"}
    assert read_image(tmp_path / "out" / "sub" / "b.webp").shape == (40, 40, 3)


def test_keeps_the_length_of_a_video(tmp_path: Path) -> None:
    video, record = write_video(tmp_path / "v.mp4"), tmp_path / "v.jsonl"
    out = tmp_path / "out"
    done = run(video, "--model", FIXED, "--detector", "none", "--out", out, "--json", record)
    assert done.exit_code == 0
    assert [line["frame"] for line in lines(record)] == list(range(30))
    assert [line["time"] for line in lines(record)] == pytest.approx([i / 30 for i in range(30)])
    from fkd_infer.media.frames import frames_from
    from fkd_infer.media.sources import expand_sources

    (source,) = expand_sources([str(out / "v.mp4")])
    assert sum(1 for _ in frames_from(source)) == 30


def test_boxes_from_a_file_replace_the_detector(tmp_path: Path) -> None:
    photo, boxes = write_image(tmp_path / "a.png", 100), tmp_path / "boxes.csv"
    boxes.write_text("source,frame,x0,y0,x1,y1\na.png,0,10,10,50,50\na.png,0,40,40,90,90\n")
    record = tmp_path / "a.jsonl"
    done = run(photo, "--model", FIXED, "--boxes", boxes, "--json", record)
    assert done.exit_code == 0
    centres = [np.mean(f["points"], axis=0) for f in lines(record)[0]["faces"]]
    np.testing.assert_allclose(centres, [[30, 30], [65, 65]], atol=0.1)


def test_prints_records_and_nothing_else_to_stdout(tmp_path: Path) -> None:
    photo = write_image(tmp_path / "a.png")
    done = run(photo, "--model", FIXED, "--detector", "none", "--json", "-", "--quiet")
    assert json.loads(done.stdout)["source"] == str(photo)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nosuch.jpg", "--out", "o"], 1, "nosuch.jpg: no such file"),
        (["a.png"], 2, "no output; use at least one of --out DIR, --json FILE"),
        ([], 2, "Missing argument 'SOURCE...'"),
        (["a.png", "--out", "o", "--model", "nosuch"], 1, "nosuch: no such model file"),
        (["a.png", "--out", "o", "--detector", "magic"], 2, "'magic' is not one of"),
        (["a.png", "--out", "o", "--provider", "cuda"], 1, "provider 'cuda' cannot be used"),
        (["a.png", "--out", "o", "--boxes", "nosuch.csv"], 1, "nosuch.csv"),
        (["text.png", "--out", "o"], 3, "text.png: cannot be read as an image"),
        (["a.png", "sub/a.png", "--out", "o"], 1, "a.png"),
        (["a.png", "--out", "."], 1, "it is one of the sources"),
    ],
)
def test_reports_a_mistake_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "sub" / "a.png")
    (tmp_path / "text.png").write_text("hello")
    if "cuda" in arguments:
        import onnxruntime

        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this machine may have CUDA")
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output
    if code in (1, 3):
        assert len(done.stderr.strip().splitlines()) == 1


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run("nosuch.jpg", "--out", tmp_path, "--debug")


@pytest.mark.serial
def test_help_lists_every_option_and_loads_no_heavy_package() -> None:
    started = time.perf_counter()
    command = [sys.executable, "-X", "importtime", "-m", "fkd_infer.cli.main", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 5
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not {"numpy", "cv2", "av", "onnxruntime"} & loaded
    help_text = CliRunner().invoke(main, ["--help"]).output
    for parameter in main.params:
        for name in parameter.opts if parameter.param_type_name == "option" else []:
            assert name in help_text


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_leaves_a_playable_video_of_the_processed_frames(tmp_path: Path) -> None:
    video, out, record = (
        write_video(tmp_path / "v.mp4", 4000),
        tmp_path / "out",
        tmp_path / "r.jsonl",
    )
    command = [sys.executable, "-m", "fkd_infer.cli.main", str(video), "--model", FIXED]
    command += ["--detector", "none", "--out", str(out), "--json", str(record)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        partial = out / ".v.mp4.part"
        while not (partial.exists() and partial.stat().st_size > 10_000):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped early" in stderr
    assert "Traceback" not in stderr
    done = len(lines(record))
    assert 0 < done < 4000
    from fkd_infer.media.frames import frames_from
    from fkd_infer.media.sources import expand_sources

    (source,) = expand_sources([str(out / "v.mp4")])
    assert sum(1 for _ in frames_from(source)) == done
    assert {path.name for path in out.iterdir()} == {"v.mp4"}


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_complete_pictures_of_the_processed_photos(
    tmp_path: Path, number: int
) -> None:
    for index in range(400):
        write_image(tmp_path / "in" / f"{index:03d}.png", 300)
    out, record = tmp_path / "out", tmp_path / "r.jsonl"
    command = [sys.executable, "-m", "fkd_infer.cli.main", str(tmp_path / "in"), "--model", FIXED]
    command += ["--out", str(out), "--json", str(record), "--workers", "3"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (out.exists() and list(out.glob("*.png"))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped early" in stderr
    assert "Traceback" not in stderr
    done = [Path(line["source"]).name for line in lines(record)]
    assert 0 < len(done) < 400
    assert done == sorted(done)
    assert {path.name for path in out.glob("[!.]*")} == set(done)
    assert [path.suffix for path in out.glob(".*")] == [".journal"]
    assert all(read_image(out / name).shape == (300, 300, 3) for name in done)


def test_keeps_the_order_of_photos_and_videos(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "d.png", "e.png"):
        write_image(tmp_path / "in" / name)
    write_video(tmp_path / "in" / "c.mp4", 3)
    record = tmp_path / "r.jsonl"
    given = (tmp_path / "in", "--model", FIXED, "--detector", "none", "--workers", "2")
    done = run(*given, "--json", record)
    assert done.exit_code == 0
    assert "7 frames, 7 faces in" in done.stderr
    assert "ms per frame" in done.stderr
    names = [Path(line["source"]).name for line in lines(record)]
    assert names == ["a.png", "b.png", "c.mp4", "c.mp4", "c.mp4", "d.png", "e.png"]


def test_profile_contains_stages_and_operators(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "in" / name)
    write_video(tmp_path / "in" / "c.mp4", 3)
    path = tmp_path / "trace.json"
    given = (tmp_path / "in", "--model", FIXED, "--detector", "none", "--out", tmp_path / "out")
    assert run(*given, "--profile", path).exit_code == 0
    events = json.loads(path.read_text())["traceEvents"]
    stages = [e for e in events if e.get("cat") == "stage"]
    assert {e["name"] for e in stages} == {
        "read", "detect", "crop", "landmarks", "draw", "write"
    }  # fmt: skip
    frames = {
        (Path(e["args"]["source"]).name, e["args"]["frame"]) for e in stages if e["name"] == "write"
    }
    assert frames == {("a.png", 0), ("b.png", 0), ("c.mp4", 0), ("c.mp4", 1), ("c.mp4", 2)}
    assert any(e.get("cat") == "Node" for e in events)


def test_refuses_a_profile_in_the_place_of_another_file(tmp_path: Path) -> None:
    photo = write_image(tmp_path / "a.png")
    given = (photo, "--model", FIXED, "--detector", "none", "--json", tmp_path / "r")
    for place in (tmp_path / "r", photo):
        done = run(*given, "--profile", place)
        assert done.exit_code == 1
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_file_fails_alone(tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        write_image(tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_text("hello")
    (tmp_path / "in" / "d.mp4").write_text("hello")
    out, record = tmp_path / "out", tmp_path / "r.jsonl"
    given = (tmp_path / "in", "--model", FIXED, "--detector", "none")
    done = run(*given, "--out", out, "--json", record)
    assert done.exit_code == 3
    assert "b.png: cannot be read as an image" in done.stderr
    assert "d.mp4: cannot be read as a video" in done.stderr
    assert {path.name for path in out.glob("[!.]*")} == {"a.png", "c.png", "errors.jsonl"}
    assert len(lines(record)) == 2
    errors = [(Path(line["source"]).name, line["error"]) for line in lines(out / "errors.jsonl")]
    assert errors == [("b.png", "UnreadableImageError"), ("d.mp4", "UnreadableVideoError")]
    assert "2 failed, listed in" in done.stderr


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["--json", "a.png"], "it is one of the sources"),
        (["--json", "r", "--csv", "r"], "two outputs would go there"),
        (["--json", "-", "--csv", "-"], "two outputs would go there"),
        (["--json", "folder"], "a folder of that name is in the way"),
    ],
)
def test_refuses_records_in_the_place_of_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = write_image(tmp_path / "a.png")
    (tmp_path / "folder").mkdir()
    before = photo.read_bytes()
    done = run("a.png", "--model", FIXED, "--detector", "none", *records)
    assert done.exit_code == 1
    assert message in done.stderr
    assert photo.read_bytes() == before


def test_does_not_process_its_own_output_when_run_twice(tmp_path: Path) -> None:
    write_image(tmp_path / "trip" / "a.png")
    trip = tmp_path / "trip"
    given = (trip, "--model", FIXED, "--detector", "none", "--out", trip / "o")
    for _ in range(2):
        done = run(*given)
        assert done.exit_code == 0
        assert "1 frame, " in done.stderr


def test_reports_a_missing_extra_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from fkd_infer.cli.command import FkdCommand

    @click.command(cls=FkdCommand)
    def train() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    done = CliRunner().invoke(train, [])
    assert done.exit_code == 1
    assert "torch is not installed; fix it with: pip install accelerate " in done.stderr
    assert done.stderr.strip().endswith(" torch")


def test_demo_finds_the_astronaut(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    from fkd_infer.cli.demo import main as demo

    done = CliRunner().invoke(demo, ["--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"1 face; the picture: {tmp_path / 'astronaut.png'}" in done.output
    assert read_image(tmp_path / "astronaut.png").shape == (512, 512, 3)


def test_tracks_and_smooths_faces_of_a_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", 12)
    record = tmp_path / "r.jsonl"
    given = (video, "--model", FIXED, "--json", record, "--start", "0.1", "--stride", "2")
    done = run(*given, "--max-frames", "3", "--smooth", "offline", "--detect-every", "2")
    assert done.exit_code == 0
    assert "3 frames, 0 faces in" in done.stderr
    assert "detector ran on 2 of 3 frames" in done.stderr
    assert [line["frame"] for line in lines(record)] == [0, 2, 4]


def test_draws_filters_on_videos_and_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paint(self: Filter, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        canvas = as_canvas(image)
        with canvas.ink((0, 0, canvas.width, 8)) as ink:
            ink.pixels[:] = ink.palette.mark((50 * len(faces),) * 3)

    monkeypatch.setattr(Filter, "draw", paint)
    photo, video = write_image(tmp_path / "a.png"), write_video(tmp_path / "b.mp4", 3)
    boxes = tmp_path / "boxes.csv"
    rows = [f"{photo},0,20,20,180,180", *(f"{video},{i},20,20,120,120" for i in range(3))]
    boxes.write_text("\n".join(["source,frame,x0,y0,x1,y1", *rows]) + "\n")
    given = (photo, video, "--model", FIXED, "--boxes", boxes, "--codec", "h265")
    done = run(*given, "--out", tmp_path / "out", "--filter", "hat", "--quality", "90")
    assert done.exit_code == 0
    image = read_image(tmp_path / "out" / "a.png")
    assert (image[:8] == 50).all()
    assert not image[8:].any(), "with a filter, nothing else is drawn unless asked for"
    frames = list(read_video(tmp_path / "out" / "b.mp4", ""))
    assert [round(float(frame.image[2:6].mean()), -1) for frame in frames] == [50] * 3


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--filter", "nosuch"], 1, "filter 'nosuch'"),
        (["--start", "2", "--end", "1"], 2, "--end 1 is not after --start 2"),
        (
            ["--boxes", "b.csv", "--detect-every", "3"],
            2,
            "--detect-every cannot be used with --boxes",
        ),
        (["--show"], 1, "this OpenCV is built without windows"),
    ],
)
def test_reports_mistakes_about_videos(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png")
    if "--show" in options and cv2.currentUIFramework():
        pytest.skip("this OpenCV has windows")
    done = run("a.png", "--model", FIXED, "--detector", "none", "--json", "-", *options)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_writes_every_record_format_and_a_sheet_in_one_run(tmp_path: Path) -> None:
    photo, video = write_image(tmp_path / "a.png"), write_video(tmp_path / "b.mp4", 5)
    boxes = tmp_path / "boxes.csv"
    rows = [f"{photo},0,20,20,180,180", *(f"{video},{i},20,20,120,120" for i in range(5))]
    boxes.write_text("\n".join(["source,frame,x0,y0,x1,y1", *rows]) + "\n")
    files = {name: tmp_path / f"faces.{name}" for name in ("json", "csv", "coco", "npz")}
    written = [part for name, path in files.items() for part in (f"--{name}", path)]
    sheet = tmp_path / "sheet.png"
    given = (photo, video, "--model", FIXED, "--boxes", boxes, "--sheet", sheet)
    done = run(*given, *written, "--extras", "pose", "--extras", "ratios")
    assert done.exit_code == 0
    assert [len(line["faces"]) for line in lines(files["json"])] == [1] * 6
    assert all({"pose", "ratios"} <= set(line["faces"][0]) for line in lines(files["json"]))
    assert len(json.loads(files["coco"].read_text())["annotations"]) == 6
    with np.load(files["npz"], allow_pickle=False) as arrays:
        assert arrays["points"].shape == (6, 68, 2)
    assert read_image(sheet).any(), "frames are drawn on it"


def test_out_may_be_the_file_of_a_single_picture_or_video(tmp_path: Path) -> None:
    photo, video = write_image(tmp_path / "a.png"), write_video(tmp_path / "b.mp4", 3)
    common = ("--model", FIXED, "--detector", "none")
    assert run(photo, "-o", tmp_path / "new" / "result.jpg", *common).exit_code == 0
    assert read_image(tmp_path / "new" / "result.jpg").shape == (SIZE, SIZE, 3)
    assert run(video, "--out", tmp_path / "result.mkv", *common).exit_code == 0
    assert len(list(read_video(tmp_path / "result.mkv", ""))) == 3
    for sources, out, why in (
        ([photo, video], "c.jpg", "it is the name of one file, but there are 2 sources"),
        ([video], "c.jpg", "becomes a video"),
        ([photo], "c.mp4", "becomes a picture"),
        ([photo], "c.heic", ".heic is not written; end it in .png"),
    ):
        done = run(*sources, "--out", tmp_path / out, *common)
        assert done.exit_code == 1
        assert why in done.stderr
        assert "give a folder, such as --out c" in done.stderr
        assert not (tmp_path / out).exists()


def test_extras_with_a_comma(tmp_path: Path) -> None:
    photo, record = write_image(tmp_path / "a.png"), tmp_path / "a.jsonl"
    common = (photo, "--json", record, "--detector", "none")
    assert run(*common, "--extras", "pose,ratios").exit_code == 0
    (first,) = lines(record)
    assert run(*common, "--extras", "pose", "--extras", "ratios").exit_code == 0
    assert lines(record) == [first]
    assert {"pose", "ratios"} <= first["faces"][0].keys()
    assert "'x' is not one of" in run(*common, "--extras", "pose,x").stderr


@pytest.mark.parametrize("arguments", [["--help"], ["models", "list"], ["a.png", "--json", "-"]])
def test_a_full_device_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    write_image(tmp_path / "a.png")
    command = [sys.executable, "-m", "fkd_infer.cli.main", *arguments, "--quiet"]
    command = command if arguments[-1] == "-" else command[:-1]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1

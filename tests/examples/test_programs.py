"""The examples for photos, videos and cameras find what is in the samples."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from camera_file import write_camera_file
from example_runs import RunExample

import fkd_infer
from fkd_train.data.synthetic import draw_face

RATE = 30


@pytest.fixture(scope="module")
def portrait(samples: Path) -> list[fkd_infer.Face]:
    return fkd_infer.load(tuned=False)(fkd_infer.read_image(samples / "photo.jpg"))


def test_image_prints_and_draws_the_face(
    samples: Path, tmp_path: Path, run_example: RunExample, portrait: list[fkd_infer.Face]
) -> None:
    photo = samples / "photo.jpg"
    done = run_example("image/points.py", photo, "points.png")
    (face,) = portrait
    x, y = face.points[30]
    assert f"the tip of its nose at {x:.0f}, {y:.0f}" in done.stdout
    changed = (fkd_infer.read_image(photo) != fkd_infer.read_image(tmp_path / "points.png")).any(2)
    rows, columns = np.nonzero(changed)
    low, high = face.points.min(0), face.points.max(0)
    np.testing.assert_allclose([columns.min(), rows.min()], low, atol=3)
    np.testing.assert_allclose([columns.max(), rows.max()], high, atol=3)


def test_image_says_in_a_line_what_is_wrong(run_example: RunExample) -> None:
    done = run_example("image/points.py", "missing.jpg", "points.png", code=1)
    assert "missing.jpg" in done.stderr
    assert "Traceback" not in done.stderr


def test_video_writes_every_frame_at_its_time(
    samples: Path, tmp_path: Path, run_example: RunExample
) -> None:
    run_example("video/follow.py", samples / "party.mp4", "out.mp4")
    times = []
    for path in (samples / "party.mp4", tmp_path / "out.mp4"):
        with av.open(path) as container:
            times.append([frame.time for frame in container.decode(video=0)])
            size = container.streams.video[0].width, container.streams.video[0].height
            assert size == (640, 360)
    np.testing.assert_allclose(times[1], times[0], atol=1e-4)


def test_video_and_blinks_say_in_a_line_what_is_wrong(
    samples: Path, tmp_path: Path, run_example: RunExample
) -> None:
    video = tmp_path / "party.mp4"
    video.write_bytes((samples / "party.mp4").read_bytes())
    follow, blinks = "video/follow.py", "blink_counter/blinks.py"
    wrong = [(follow, "missing.mp4", "out.mp4"), (follow, video, "missing/out.mp4")]
    for program, *arguments in [*wrong, (follow, video, video), (blinks, "missing.mp4")]:
        done = run_example(program, *arguments, code=1)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert video.read_bytes() == (samples / "party.mp4").read_bytes()


def test_webcam_takes_the_photo(samples: Path, tmp_path: Path, run_example: RunExample) -> None:
    video = tmp_path / "camera.y4m"
    write_camera_file(video, fkd_infer.read_image(samples / "photo.jpg"), frames=15)
    done = run_example("webcam/group_photo.py", video, "group.jpg")
    assert "1 of 1 look into the camera" in done.stdout
    assert len(fkd_infer.load(tuned=False)(fkd_infer.read_image(tmp_path / "group.jpg"))) == 1


def test_webcam_waits_for_faces_and_open_eyes(tmp_path: Path, run_example: RunExample) -> None:
    write_blinks(tmp_path / "closed.mp4", [0.0] * 20)
    done = run_example("webcam/group_photo.py", "closed.mp4", "group.jpg", code=1)
    assert "before everybody looked" in done.stderr
    assert not (tmp_path / "group.jpg").exists()


def test_batch_writes_a_row_for_each_face(
    samples: Path, tmp_path: Path, run_example: RunExample
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    (tmp_path / "photos").mkdir()
    for name in ("twice.jpg", "nobody.jpg", "tilted.jpg"):
        (tmp_path / "photos" / name).write_bytes((samples / "holiday" / name).read_bytes())
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    done = run_example("batch_to_parquet/batch.py", "photos", "faces.parquet")
    assert "broken.jpg" in done.stderr
    rows = parquet.read_table(tmp_path / "faces.parquet").to_pylist()
    assert [Path(row["photo"]).name for row in rows] == ["tilted.jpg", "twice.jpg", "twice.jpg"]
    pipeline = fkd_infer.load(tuned=False)
    (face,) = pipeline(fkd_infer.read_image(samples / "holiday" / "tilted.jpg"))
    np.testing.assert_allclose(rows[0]["points"], face.points.ravel(), atol=0.01)


def test_head_pose_follows_the_tilt(samples: Path, run_example: RunExample) -> None:
    tilted = samples / "holiday" / "tilted.jpg"  # by 25 degrees, counterclockwise
    done = run_example("head_pose/pose.py", "looks", samples / "photo.jpg", tilted)
    rolls = [int(line.rpartition("roll ")[2].strip("°")) for line in done.stdout.splitlines()]
    assert abs(rolls[0] - rolls[1] - 25) <= 3


def test_head_pose_says_in_a_line_what_is_wrong(
    samples: Path, tmp_path: Path, run_example: RunExample
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes((samples / "photo.jpg").read_bytes())
    for out, source in (("looks", "missing.jpg"), ("photo.jpg", photo), (tmp_path, photo)):
        done = run_example("head_pose/pose.py", out, source, code=1)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert photo.read_bytes() == (samples / "photo.jpg").read_bytes()


def write_blinks(path: Path, opened: list[float]) -> None:
    """Writes a video of a drawn face whose eyes are open as far as the list says."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", RATE, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number, height in enumerate(opened):
            # The same seed draws the same face in the same place.
            face, _ = draw_face(300, np.random.default_rng(3), height)
            image = np.full((480, 640), 90, np.uint8)
            image[90:390, 170:470] = face
            frame = av.VideoFrame.from_ndarray(np.dstack([image] * 3), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_blinks_are_counted(tmp_path: Path, run_example: RunExample) -> None:
    blink = [0.5, 0.1, 0.0, 0.1, 0.5]
    write_blinks(tmp_path / "blinks.mp4", [1.0] * 15 + 3 * (blink + [1.0] * 8))
    done = run_example("blink_counter/blinks.py", "blinks.mp4")
    assert done.stdout.splitlines()[-1] == "face 1: 3 blinks"


def test_nobody_blinks_in_the_sample(samples: Path, run_example: RunExample) -> None:
    done = run_example("blink_counter/blinks.py", samples / "party.mp4")
    assert "face 1: 0 blinks" in done.stdout
    assert " s: " not in done.stdout

"""SOURCE arguments, the frames that they stand for, and their outputs."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from fractions import Fraction
from io import BytesIO, TextIOWrapper
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.cli.folder_notes import LeftOut, written_otherwise
from fkd_infer.errors import (
    CameraError,
    OutputError,
    SettingsError,
    SourceFolderError,
    SourceNotFoundError,
    StoppedError,
    UnreadableImageError,
    UnreadableVideoError,
)
from fkd_infer.media.frames import frame_count, frames_from
from fkd_infer.media.images.file import read_image
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.output_check import check_outputs
from fkd_infer.media.sinks import ImageSink, NullSink, open_sink
from fkd_infer.media.sources import Source, expand_sources
from fkd_infer.media.video.reader import read_video
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame


def gray(level: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), level, np.uint8)


def make_image(path: Path) -> Path:
    write_image(path, gray(99))
    return path


def make_video(path: Path, count: int = 5) -> Path:
    with VideoSink(path, None) as sink:
        for index in range(count):
            sink.write(Frame(gray(40 * index), "", index, Fraction(index, 25)))
    return path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestExpand:
    def test_a_folder_is_searched_with_all_subfolders_in_order(self, here: Path) -> None:
        touch(here / "trip", "b.PNG", "a.jpg", "day 2/c.Mp4", "day 2/d.avi", "notes.txt", "none")
        touch(here / "trip", ".a.jpg.part", ".hidden.jpg", ".cache/e.jpg")
        found = expand_sources(["trip"])
        assert [(source.name, source.kind, str(source.output)) for source in found] == [
            ("trip/a.jpg", "image", "a.jpg"),
            ("trip/b.PNG", "image", "b.PNG"),
            ("trip/day 2/c.Mp4", "video", "day 2/c.Mp4"),
            ("trip/day 2/d.avi", "video", "day 2/d.mp4"),
        ]
        assert [source.path for source in found] == [Path(source.name) for source in found]

    def test_what_a_folder_leaves_out_is_told(self, here: Path) -> None:
        touch(here / "trip", "a.jpg", "b.vob", "c.mxf", "notes.TXT", "none", ".d.jpg", ".x/e.jpg")
        make_image(here / "trip" / "f.png").rename(here / "trip" / "f.photo")
        make_video(here / "trip" / "g.mp4").rename(here / "trip" / "g.film")
        left_out = LeftOut()
        found = expand_sources(["trip"], left_out=left_out)
        assert [(source.name, source.kind, str(source.output)) for source in found] == [
            ("trip/a.jpg", "image", "a.jpg"),
            ("trip/b.vob", "video", "b.mp4"),
            ("trip/c.mxf", "video", "c.mp4"),
            ("trip/f.photo", "image", "f.png"),
            ("trip/g.film", "video", "g.mp4"),
        ]
        told = str(left_out)
        assert told.startswith("left out of folders: 2 hidden, ")
        assert "1 .txt" in told
        assert "1 without suffix" in told
        assert written_otherwise(Counter(source.suffixes for source in found)) == (
            "written in another format: 1 .vob as .mp4, 1 .mxf as .mp4, 1 .photo as .png, "
            "1 .film as .mp4"
        )

    def test_outputs_that_change_their_names_never_collide(self, here: Path) -> None:
        touch(here / "trip", "photo.jpg", "a.heic", "a.heif", "a.heic.jpg")
        make_image(here / "trip" / "b.png").rename(here / "trip" / "photo.png")
        make_image(here / "trip" / "b.jpg").rename(here / "trip" / "photo")
        make_image(here / "trip" / "b.jpg").rename(here / "trip" / "Dr. Smith portrait")
        make_image(here / "trip" / "b.jpg").rename(here / "trip" / "IMG.2024")
        outputs = {Path(s.name).name: str(s.output) for s in expand_sources("trip")}
        assert outputs == {
            "Dr. Smith portrait": "Dr. Smith portrait.jpg",
            "IMG.2024": "IMG.2024.jpg",
            "a.heic": "a.heic-2.jpg",
            "a.heic.jpg": "a.heic.jpg",
            "a.heif": "a.heif.jpg",
            "photo": "photo-2.jpg",
            "photo.jpg": "photo.jpg",
            "photo.png": "photo.png",
        }

    def test_raw_files_of_cameras_and_links_to_folders_are_left_out(self, here: Path) -> None:
        touch(here / "trip", "a.jpg", "b.CR2", "c.dng")
        touch(here / "elsewhere", "d.jpg")
        (here / "trip" / "link").symlink_to(here / "elsewhere")
        left_out = LeftOut()
        assert [s.name for s in expand_sources(["trip"], left_out=left_out)] == ["trip/a.jpg"]
        assert set(left_out.counts) == {".cr2", ".dng", "links to folders"}

    def test_standard_input_is_a_file(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for make, name, kind, output in (
            (make_image, "a.png", "image", "stdin.png"),
            (make_video, "a.mp4", "video", "stdin.mp4"),
        ):
            with make(here / name).open("rb") as file:
                monkeypatch.setattr("sys.stdin", TextIOWrapper(file))
                [source] = expand_sources(["-"])
            assert (source.name, source.kind, str(source.output)) == ("stdin", kind, output)
            assert np.abs(next(iter(frames_from(source))).image.astype(int) - 99).max() <= 99
            assert next(iter(frames_from(source))).source == "stdin"

    def test_standard_input_that_is_no_file(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"not a picture")))
        [source] = expand_sources(["-"])
        with pytest.raises(UnreadableVideoError, match=r"^stdin: cannot be read"):
            next(iter(frames_from(source)))
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO()))
        with pytest.raises(SettingsError, match="standard input, which is empty"):
            expand_sources(["-"])

    def test_keeps_the_order_of_arguments(self, here: Path) -> None:
        touch(here, "b.jpg", "a.jpg", "c/d.jpg")
        assert [source.name for source in expand_sources(["b.jpg", "c", "a.jpg"])] == [
            "b.jpg",
            "c/d.jpg",
            "a.jpg",
        ]

    @pytest.mark.parametrize(
        ("name", "output"),
        [
            ("deep/er/a.jpeg", "a.jpeg"),
            ("a.mov", "a.mov"),
            ("a.mkv", "a.mkv"),
            ("a.m4v", "a.m4v"),
            ("a.b.webm", "a.b.webm"),
            ("a.ts", "a.mp4"),
        ],
    )
    def test_a_file(self, name: str, output: str, here: Path) -> None:
        touch(here, name)
        [source] = expand_sources([name])
        assert (source.name, source.path, source.output) == (name, Path(name), Path(output))

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("trip/*.jpg", {"trip/a.jpg": "a.jpg", "trip/b.jpg": "b.jpg"}),
            ("trip/?.jpg", {"trip/a.jpg": "a.jpg", "trip/b.jpg": "b.jpg"}),
            ("trip/[b]*", {"trip/b.jpg": "b.jpg"}),
            ("trip/*/*", {"trip/x/a.jpg": "x/a.jpg"}),
            ("**/a.jpg", {"trip/a.jpg": "trip/a.jpg", "trip/x/a.jpg": "trip/x/a.jpg"}),
        ],
    )
    def test_a_glob(self, pattern: str, found: dict[str, str], here: Path) -> None:
        touch(here, "trip/a.jpg", "trip/b.jpg", "trip/.c.jpg", "trip/x/a.jpg", "trip/boxes.csv")
        sources = expand_sources([pattern])
        assert {source.name: str(source.output) for source in sources} == found
        sources = expand_sources([str(here / pattern)])
        assert {source.name: str(source.output) for source in sources} == {
            str(here / name): output for name, output in found.items()
        }

    def test_a_file_with_wildcards_in_its_name_is_that_file(self, here: Path) -> None:
        touch(here, "a[1].jpg", "a1.jpg")
        assert [source.name for source in expand_sources(["a[1].jpg"])] == ["a[1].jpg"]

    def test_a_camera_number(self, here: Path) -> None:
        [source] = expand_sources(["0"])
        assert source == Source("0", "camera", Path("camera0.mp4"), None, 0)
        make_image(here / "0.png").rename("0")
        assert expand_sources(["0"])[0].kind == "image"

    @pytest.mark.parametrize(("suffix", "output"), [(".png", "a.png"), (".jpg", "a.jpg")])
    def test_the_content_decides_for_an_unknown_suffix(
        self, suffix: str, output: str, here: Path
    ) -> None:
        make_image(here / f"x{suffix}").rename("a.dat")
        make_video(here / "x.mp4").rename("b")
        image, video = expand_sources(["a.dat", "b"])
        assert (image.kind, image.output) == ("image", Path(output))
        assert (video.kind, video.output) == ("video", Path("b.mp4"))
        assert len(list(frames_from(video))) == 5

    @pytest.mark.parametrize("text", ["a.jpg", "none*.jpg", "-1", "", "x" * 5000, "a\0b"])
    def test_reports_a_missing_source(self, text: str, here: Path) -> None:
        with pytest.raises(SourceNotFoundError, match="no such file, folder, glob match or camera"):
            expand_sources([text])

    def test_reports_a_folder_without_images_and_videos(self, here: Path) -> None:
        touch(here, "empty/notes.txt", "empty/.hidden.jpg")
        with pytest.raises(SourceFolderError, match=r"^empty: no image or video.*\.jpg.*\.mp4"):
            expand_sources(["empty"])
        with pytest.raises(SourceNotFoundError, match=r"^empty/\*"):
            expand_sources(["empty/*"])

    def test_reports_a_folder_that_cannot_be_searched(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(here, "trip/shut/a.jpg")

        def denied(path: str) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", denied)
        with pytest.raises(SourceFolderError, match="trip: Permission denied"):
            expand_sources(["trip"])


class TestCheckOutputs:
    def test_makes_folders(self, here: Path) -> None:
        touch(here, "trip/x/a.jpg")
        check_outputs(expand_sources(["trip"]), here / "new" / "out")
        assert (here / "new" / "out" / "x").is_dir()

    def test_checks_no_pictures_without_a_folder(self, here: Path) -> None:
        touch(here, "a/x.jpg", "b/x.jpg")
        check_outputs(expand_sources(["a", "b"]), None)

    @pytest.mark.parametrize("arguments", [["a", "b"], ["a/x.jpg", "b/x.jpg"], ["a", "a/x.jpg"]])
    def test_refuses_two_outputs_of_one_name(self, arguments: list[str], here: Path) -> None:
        touch(here, "a/x.jpg", "b/x.jpg")
        with pytest.raises(OutputError, match=r"out/x\.jpg.*both a/x.jpg and .*/x\.jpg.*folder"):
            check_outputs(expand_sources(arguments), Path("out"))
        assert not (here / "out").exists()

    def test_outputs_that_would_have_one_name_keep_their_suffixes(self, here: Path) -> None:
        touch(here, "a/x.avi", "a/x.webm", "a/x.mp4", "a/y.avi")
        sources = expand_sources(["a"])
        check_outputs(sources, Path("out"))
        outputs = [str(source.output) for source in sources]
        assert outputs == ["x.avi.mp4", "x.mp4", "x.webm", "y.mp4"]

    @pytest.mark.parametrize("out", [".", "trip/.."])
    def test_refuses_to_overwrite_a_source(self, out: str, here: Path) -> None:
        touch(here, "trip/a.jpg", "a.jpg")
        with pytest.raises(OutputError, match="one of the sources"):
            check_outputs(expand_sources(["a.jpg"]), Path(out))
        with pytest.raises(OutputError, match="one of the sources"):
            check_outputs(expand_sources(["trip"]), Path("trip"))

    def test_refuses_to_overwrite_another_source_through_a_link(self, here: Path) -> None:
        touch(here, "a.jpg", "out/b.jpg")
        (here / "out" / "a.jpg").symlink_to(here / "out" / "b.jpg")
        with pytest.raises(OutputError, match=r"out/a\.jpg.*one of the sources"):
            check_outputs(expand_sources(["a.jpg", "out/b.jpg"]), Path("out"))

    def test_overwrites_an_earlier_result(self, here: Path) -> None:
        touch(here, "a.jpg", "out/a.jpg")
        check_outputs(expand_sources(["a.jpg"]), Path("out"))

    def test_reports_files_and_folders_in_the_way(self, here: Path) -> None:
        touch(here, "a.jpg", "file", "out/a.jpg/b.jpg")
        with pytest.raises(OutputError, match=r"file/a\.jpg: cannot be written: "):
            check_outputs(expand_sources(["a.jpg"]), Path("file"))
        with pytest.raises(OutputError, match="a folder of that name"):
            check_outputs(expand_sources(["a.jpg"]), Path("out"))

    def test_reports_missing_permission(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        touch(here, "a.jpg")
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(OutputError, match="no permission to write in out"):
            check_outputs(expand_sources(["a.jpg"]), Path("out"))


class TestFrames:
    def test_an_image_is_one_frame(self, here: Path) -> None:
        make_image(here / "a.png")
        [source] = expand_sources(["a.png"])
        [frame] = frames_from(source)
        assert (frame.source, frame.index, frame.time) == ("a.png", 0, Fraction(0))
        np.testing.assert_array_equal(frame.image, gray(99))
        assert frame_count(source) == 1

    def test_a_video(self, here: Path) -> None:
        make_video(here / "a.mp4")
        [source] = expand_sources(["a.mp4"])
        frames = list(frames_from(source))
        assert [frame.time for frame in frames] == [Fraction(i, 25) for i in range(5)]
        assert {frame.source for frame in frames} == {"a.mp4"}
        assert [round(float(frame.image.mean()) / 40) for frame in frames] == list(range(5))
        assert frame_count(source) == 5

    def test_reports_files_that_are_not_what_their_suffix_says(self, here: Path) -> None:
        touch(here, "a.jpg", "a.mp4")
        image, video = expand_sources(["a.jpg", "a.mp4"])
        with pytest.raises(UnreadableImageError):
            next(frames_from(image))
        with pytest.raises(UnreadableVideoError):
            next(frames_from(video))


class FakeCamera:
    """A camera of three frames, which does not open if `opens` is False."""

    released = 0
    opens = True

    def __init__(self, index: int) -> None:
        self.frames = iter([gray(10), gray(20), gray(30)])

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        image = next(self.frames, None)
        return image is not None, image

    def release(self) -> None:
        FakeCamera.released += 1


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(FakeCamera, "released", 0)
    return Source("2", "camera", Path("camera2.mp4"), camera=2)


class TestCamera:
    def test_times_are_those_of_the_clock(
        self, camera: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = iter([7_000_000_000, 7_040_000_000, 7_100_000_001])
        monkeypatch.setattr("time.monotonic_ns", lambda: next(clock))
        frames = list(itertools.islice(frames_from(camera), 3))
        assert [frame.time for frame in frames] == [
            0,
            Fraction(1, 25),
            Fraction(100_000_001, 10**9),
        ]
        assert [(frame.source, frame.index) for frame in frames] == [("2", 0), ("2", 1), ("2", 2)]
        assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 30]
        assert frame_count(camera) is None

    def test_is_released_with_the_iterator(self, camera: Source) -> None:
        frames = frames_from(camera)
        next(frames)
        assert FakeCamera.released == 0
        del frames
        assert FakeCamera.released == 1

    def test_reports_a_camera_that_does_not_open(
        self, camera: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(FakeCamera, "opens", False)
        with pytest.raises(CameraError, match="camera 2: does not open"):
            next(frames_from(camera))
        assert FakeCamera.released == 1

    def test_reports_a_camera_that_sends_no_more(self, camera: Source) -> None:
        with pytest.raises(StoppedError, match="camera 2: sends no more frames"):
            list(frames_from(camera))
        assert FakeCamera.released == 1

    def test_frames_before_the_end_are_written(self, camera: Source, tmp_path: Path) -> None:
        def record() -> None:
            with open_sink(camera, tmp_path) as sink:
                for frame in frames_from(camera):
                    sink.write(frame)

        with pytest.raises(StoppedError, match="sends no more frames"):
            record()
        assert len(list(read_video(tmp_path / "camera2.mp4", ""))) == 3

    def test_is_written_as_a_video(self, camera: Source, tmp_path: Path) -> None:
        with open_sink(camera, tmp_path) as sink:
            for frame in itertools.islice(frames_from(camera), 3):
                sink.write(frame)
        levels = [float(frame.image.mean()) for frame in read_video(tmp_path / "camera2.mp4", "")]
        assert levels == pytest.approx([10, 20, 30], abs=1.5)


class TestSinks:
    @pytest.mark.parametrize("name", ["a.png", "x/a.bmp", "a.mp4", "x/a.mkv"])
    def test_each_output_has_the_name_of_its_source(self, name: str, here: Path) -> None:
        make_image(here / "in" / name) if name[-3:] in ("png", "bmp") else make_video(
            here / "in" / name
        )
        [source] = expand_sources(["in"])
        before = list(frames_from(source))
        with open_sink(source, here / "out") as sink:
            for frame in before:
                sink.write(frame)
        [again] = expand_sources(["out"])
        after = list(frames_from(again))
        assert again.output == source.output == Path(name)
        assert [frame.time for frame in after] == [frame.time for frame in before]
        for old, new in zip(before, after, strict=True):
            assert np.abs(old.image.astype(int) - new.image).max() <= 3

    def test_without_a_folder_there_is_no_file(self, here: Path) -> None:
        make_image(here / "a.png")
        [source] = expand_sources(["a.png"])
        with open_sink(source, None) as sink:
            assert isinstance(sink, NullSink)
            sink.write(Frame(gray(0), "a.png"))
        assert [path.name for path in here.iterdir()] == ["a.png"]

    def test_image_sink_writes_the_frame(self, tmp_path: Path) -> None:
        with ImageSink(tmp_path / "new" / "a.png") as sink:
            sink.write(Frame(gray(7), ""))
        np.testing.assert_array_equal(read_image(tmp_path / "new" / "a.png"), gray(7))

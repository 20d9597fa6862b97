"""Synthetic videos are read, and compared with their content."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from synthetic_videos import (
    COLOURS,
    MATRICES,
    NTSC,
    Clip,
    add_sound,
    add_video,
    constant_rate,
    encode_tone,
    encode_video,
    make_video,
    noise_image,
    number_in,
    numbered_image,
    numbers_in,
    times_of,
    variable_rate,
)

from fkd_infer.errors import DamagedVideoError, UnreadableVideoError
from fkd_infer.geometry.arrays import gray_plane
from fkd_infer.media.video.reader import count_frames, read_video
from fkd_infer.types import Frame, FrameRange, ReadSettings


def frames_before(
    error: type[UnreadableVideoError], path: Path, message: str, strict: bool = False
) -> list[Frame]:
    """The frames of a video that ends with an error."""
    frames: list[Frame] = []
    with pytest.raises(error, match=message) as raised:
        frames.extend(read_video(path, "", settings=ReadSettings(strict=strict)))
    assert type(raised.value) is error
    return frames


class TestReading:
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi"])
    def test_yields_all_frames_in_order_with_their_times(self, suffix: str, tmp_path: Path) -> None:
        clip = Clip()
        if suffix == ".avi":
            clip = replace(clip, codec="mjpeg", pixels="yuvj420p", time_base=1 / NTSC, sound=())
        frames = list(read_video(make_video(tmp_path / f"a{suffix}", clip), "given/a"))
        assert [number_in(frame.image) for frame in frames] == list(range(20))
        assert [frame.time for frame in frames] == clip.times
        assert [frame.index for frame in frames] == list(range(20))
        assert {(frame.source, frame.width, frame.height) for frame in frames} == {
            ("given/a", 64, 48)
        }

    def test_variable_rate(self, tmp_path: Path) -> None:
        clip = Clip(variable_rate(20), time_base=Fraction(1, 12_800), rate=Fraction(12))
        assert times_of(make_video(tmp_path / "a.mp4", clip)) == clip.times

    def test_matroska_has_milliseconds(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(20, Fraction(24)), rate=Fraction(24))
        found = times_of(make_video(tmp_path / "a.mkv", clip))
        assert found[:4] == [Fraction(n, 1000) for n in (0, 42, 83, 125)]
        assert max(abs(a - b) for a, b in zip(found, clip.times, strict=True)) <= Fraction(1, 1500)

    def test_formats_without_a_zero_start_at_their_first_frame(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(20, start=Fraction(3600)), sound=())
        path = make_video(tmp_path / "a.ts", clip)
        assert times_of(path) == constant_rate(20)

    def test_keeps_a_late_start(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(20, start=Fraction(1, 2)))
        assert times_of(make_video(tmp_path / "a.mp4", clip)) == clip.times

    @pytest.mark.parametrize("rotation", [90, 180, -90])
    def test_applies_the_display_rotation(self, rotation: int, tmp_path: Path) -> None:
        upright = numbered_image(0b00110101)
        stored = np.ascontiguousarray(np.rot90(upright, -rotation // 90))
        clip = Clip(constant_rate(2), lambda _: stored, rotation=rotation)
        for frame in read_video(make_video(tmp_path / "a.mp4", clip), ""):
            assert frame.image.shape == (48, 64, 3)
            assert frame.image.flags.c_contiguous
            assert np.abs(frame.image.astype(int) - upright).mean() < 6

    @pytest.mark.parametrize("full_range", [False, True])
    @pytest.mark.parametrize(("matrix", "height"), [(1, 48), (1, 720), (6, 48), (6, 720), (2, 48)])
    @pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
    def test_true_colours(
        self, matrix: int, height: int, full_range: bool, pixels: str, tmp_path: Path
    ) -> None:
        def solid(index: int) -> NDArray[np.uint8]:
            return np.full((height, 64, 3), COLOURS[index], np.uint8)

        clip = Clip(
            constant_rate(len(COLOURS)),
            solid,
            matrix=matrix,
            full_range=full_range,
            pixels=pixels,
            sound=(),
        )
        frames = list(read_video(make_video(tmp_path / "a.mp4", clip), ""))
        for frame, colour in zip(frames, COLOURS, strict=True):
            assert np.abs(frame.image.astype(int) - colour).max() <= 4

    def test_untagged_hd_is_bt709(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(MATRICES, 2, Colorspace.ITU709)
        green = np.full((720, 64, 3), (0, 255, 0), np.uint8)
        clip = Clip(constant_rate(2), lambda _: green, matrix=2, sound=())
        for frame in read_video(make_video(tmp_path / "a.mp4", clip), ""):
            assert np.abs(frame.image.astype(int) - green).max() <= 4

    def test_odd_size(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(5), lambda i: numbered_image(i, 63, 47), pixels="yuv444p")
        path = make_video(tmp_path / "a.mp4", clip)
        assert [frame.image.shape for frame in read_video(path, "")] == [(47, 63, 3)] * 5
        assert numbers_in(path) == list(range(5))

    def test_reads_a_name_that_looks_like_a_protocol(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        make_video(tmp_path / "a.mp4", Clip(constant_rate(3))).rename("http: 写真 %02d.mp4")
        assert numbers_in(Path("http: 写真 %02d.mp4")) == [0, 1, 2]

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
    def test_counts_frames(self, suffix: str, tmp_path: Path) -> None:
        path = make_video(tmp_path / f"a{suffix}", Clip(sound=()))
        assert count_frames(path) == 20


class TestDamage:
    @pytest.mark.parametrize(
        "content", [None, b"", b"x,y\n1,2\n", b"\0\0\0\x18ftypmp42" + bytes(99)]
    )
    def test_refuses_other_files(self, content: bytes | None, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UnreadableVideoError, match=r"a\.mp4: cannot be read as a video: ."):
            next(read_video(path, ""))

    def test_refuses_a_file_of_sound(self, tmp_path: Path) -> None:
        path = tmp_path / "a.m4a"
        with av.open(str(path), "w") as container:
            container.mux(list(encode_tone(add_sound(container, "aac"), Clip())))
        with pytest.raises(UnreadableVideoError, match="holds no video stream"):
            next(read_video(path, ""))

    def test_a_cover_picture_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp3"
        clip = Clip(constant_rate(1), codec="mjpeg", pixels="yuvj420p", sound=["libmp3lame"])
        with av.open(str(path), "w", format="mp3") as container:
            sound = add_sound(container, "libmp3lame")
            cover = add_video(container, clip)
            cover.disposition = av.stream.Disposition.attached_pic
            tone = list(encode_tone(sound, clip))
            container.mux([*encode_video(cover, clip), *tone])
        with pytest.raises(UnreadableVideoError, match="holds no video stream"):
            next(read_video(path, ""))

    @pytest.mark.parametrize("share", [0.5, 0.8])
    @pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
    def test_reads_a_truncated_file_and_reports_it(
        self, suffix: str, share: float, tmp_path: Path
    ) -> None:
        clip = Clip(
            constant_rate(90),
            noise_image,
            options={"movflags": "faststart"} if suffix == ".mp4" else {},
        )
        if suffix == ".avi":
            clip = replace(clip, sound=["libmp3lame"], codec="mjpeg", pixels="yuvj420p")
        path = make_video(tmp_path / f"a{suffix}", clip)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        read = frames_before(DamagedVideoError, path, "cut short after|1 frame is damaged")
        assert [frame.index for frame in read] == list(range(len(read)))
        assert 90 * share * 0.6 < len(read) < 90
        strictly = frames_before(UnreadableVideoError, path, r"frame \d+|\d+ frames", strict=True)
        assert len(read) - 2 <= len(strictly) <= len(read)

    def test_reports_a_file_truncated_between_frames(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", Clip(sound=(), options={"movflags": "faststart"}))
        with av.open(str(path)) as container:
            last = max(packet.pos or 0 for packet in container.demux() if packet.size)
        path.write_bytes(path.read_bytes()[:last])
        assert len(frames_before(DamagedVideoError, path, "cut short after 19 frames")) == 19

    def test_goes_on_after_a_hole_in_the_middle(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", Clip(constant_rate(30), noise_image))
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 6000] = bytes(6000)
        path.write_bytes(data)
        message = (
            r"a\.mp4: \d+ frames? (is|are) damaged or missing from 0:00\.\d on; all else of it"
        )
        read = frames_before(DamagedVideoError, path, message)
        assert read[-1].time == 29 / NTSC
        repair = r"frame \d+.*ffmpeg -i a\.mp4"
        assert len(frames_before(UnreadableVideoError, path, repair, strict=True)) < len(read)

    def test_damage_before_the_range_does_not_count(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(90), noise_image, options={"movflags": "faststart"})
        path = make_video(tmp_path / "a.mp4", clip)
        with av.open(str(path)) as container:
            position = next(p.pos for p in container.demux(video=0) if p.pts and p.pts > 15_000)
        assert position is not None
        data = bytearray(path.read_bytes())
        data[position : position + 6000] = bytes(6000)
        path.write_bytes(data)
        frames_before(DamagedVideoError, path, r"damaged or missing from 0:00\.\d on")
        late = FrameRange(start=Fraction(29, 10))
        assert len(list(read_video(path, "", late))) == 3

    def test_a_file_without_any_picture_is_an_error(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.ts", Clip(constant_rate(30), noise_image, sound=()))
        data = path.read_bytes()
        path.write_bytes(data[188 * 40 : 188 * 60])  # beyond the only headers of the codec
        with pytest.raises(UnreadableVideoError, match=r"video"):
            list(read_video(path, ""))


class TestClocks:
    @pytest.mark.parametrize("starts", [(18_000, 3600), (3600, 18_000), (7, 7)])
    def test_times_go_on_where_recordings_were_joined(
        self, starts: tuple[int, int], tmp_path: Path
    ) -> None:
        parts = []
        for start in map(Fraction, starts):
            clip = Clip(constant_rate(20, start=start), sound_start=start)
            parts.append(make_video(tmp_path / f"{start}.ts", clip))
        path = tmp_path / "joined.ts"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        with suppress(DamagedVideoError):  # the packet counters of the container do not go on
            frames = []
            for frame in read_video(path, ""):
                frames.append(frame)
        assert [number_in(frame.image) for frame in frames] == [*range(20), *range(20)]
        steps = np.diff([float(frame.time) for frame in frames])
        assert steps == pytest.approx(np.full(39, 1 / float(NTSC)), abs=0.02)

    def test_seeks_to_the_exact_frame_without_an_index(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.ts", Clip(constant_rate(90)))
        start = Fraction(5, 2)
        expected = [frame.time for frame in read_video(path, "") if frame.time >= start]
        found = [frame.time for frame in read_video(path, "", FrameRange(start=start))]
        assert found == expected

    def test_seeks_in_a_bare_stream(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(50, Fraction(25)), rate=Fraction(25), sound=())
        path = make_video(tmp_path / "a.h264", clip)
        frames = list(read_video(path, "", FrameRange(start=Fraction(1))))
        assert [number_in(frame.image) for frame in frames] == list(range(25, 50))
        assert frames[0].time == 1

    def test_b_frames_in_avi_are_in_order(self, tmp_path: Path) -> None:
        clip = Clip(time_base=1 / NTSC, sound=())
        frames = list(read_video(make_video(tmp_path / "a.avi", clip), ""))
        assert [number_in(frame.image) for frame in frames] == list(range(20))
        steps = np.diff([float(frame.time) for frame in frames])
        assert steps == pytest.approx(np.full(19, 1 / float(NTSC)))

    def test_a_size_that_changes_is_scaled_to_the_first(self, tmp_path: Path) -> None:
        parts = [
            make_video(
                tmp_path / f"{width}.ts",
                Clip(constant_rate(5), partial(numbered_image, width=width, height=48), sound=()),
            )
            for width in (64, 128)
        ]
        path = tmp_path / "both.ts"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        frames = []
        with suppress(DamagedVideoError):
            for frame in read_video(path, ""):
                frames.append(frame)
        assert [(f.width, f.height) for f in frames] == [(64, 48)] * 10
        assert [number_in(frame.image) for frame in frames] == [*range(5), *range(5)]


class TestFrameRange:
    @pytest.mark.parametrize(
        ("frame_range", "numbers"),
        [
            (FrameRange(), list(range(90))),
            (FrameRange(start=Fraction(1)), list(range(30, 90))),
            (FrameRange(start=Fraction(1), end=Fraction(2)), list(range(30, 60))),
            (FrameRange(end=Fraction(1, 2), stride=4), [0, 4, 8, 12]),
            (FrameRange(start=Fraction(2), max_frames=3, stride=7), [60, 67, 74]),
            (FrameRange(start=Fraction(9)), []),
        ],
    )
    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_yields_the_frames_of_a_range(
        self, frame_range: FrameRange, numbers: list[int], suffix: str, tmp_path: Path
    ) -> None:
        path = make_video(
            tmp_path / f"a.{suffix}", Clip(constant_rate(90, Fraction(30)), rate=Fraction(30))
        )
        frames = list(read_video(path, "", frame_range))
        assert [number_in(frame.image) for frame in frames] == numbers
        assert [round(frame.time * 30) for frame in frames] == numbers
        assert [f.index for f in frames] == [frame_range.stride * i for i in range(len(numbers))]
        assert count_frames(path, frame_range) == pytest.approx(len(numbers), abs=1)


class TestGray:
    @pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
    def test_is_the_luma_of_the_frame(self, pixels: str, tmp_path: Path) -> None:
        codec = "mjpeg" if pixels == "yuvj420p" else "libx264"
        path = make_video(tmp_path / "a.mkv", Clip(constant_rate(3), codec=codec, pixels=pixels))
        for colour, gray in zip(
            read_video(path, ""),
            read_video(path, "", settings=ReadSettings(gray=True)),
            strict=True,
        ):
            assert gray.image.shape == colour.image.shape[:2]
            luma = gray_plane(colour.image).astype(int)
            assert np.abs(luma - gray.image).max() <= 4

    def test_is_upright(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", Clip(constant_rate(2), rotation=-90))
        [first, _] = read_video(path, "", settings=ReadSettings(gray=True))
        [colour, _] = read_video(path, "")
        assert first.image.shape == colour.image.shape[:2]
        assert np.abs(gray_plane(colour.image).astype(int) - first.image).max() <= 4


@pytest.mark.parametrize("share", [0.05, 0.6])
def test_a_movie_without_its_index_says_so(share: float, tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.mp4", Clip(constant_rate(30))).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(share * data.index(b"moov"))])
    with pytest.raises(UnreadableVideoError, match=r"cut short: the list of its frames \(moov\)"):
        next(read_video(cut, ""))

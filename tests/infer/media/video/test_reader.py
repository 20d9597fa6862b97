"""Videos made here, whose pixels spell each frame's number, are read, written and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from fkd_infer.errors import OutputError, UnreadableVideoError
from fkd_infer.geometry.arrays import gray_plane
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.reader import count_frames, read_video
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame, FrameRange

NTSC = Fraction(30000, 1001)
SAMPLES = 48_000
MATRICES = {1: Colorspace.ITU709, 6: Colorspace.ITU601, 2: Colorspace.ITU601}
KINDS = {"flt": np.float32, "s16": np.int16, "s32": np.int32}
COLOURS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 0, 0), (40, 130, 200)]


def steady(count: int, rate: Fraction = NTSC, start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + i / rate for i in range(count)]


def unsteady(count: int) -> list[Fraction]:
    ticks = np.cumsum([0, *([400, 1300, 512, 2000] * count)])[:count]
    return [Fraction(int(tick), 12_800) for tick in ticks]


def numbered(index: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Eight stripes, black or white: the bits of a number."""
    bits = (index >> np.arange(8)) & 1
    row = np.repeat(bits * 255, -(-width // 8))[:width]
    return np.tile(row[None, :, None], (height, 1, 3)).astype(np.uint8)


def number(image: NDArray[np.uint8]) -> int:
    stripes = np.array_split(image.mean(axis=(0, 2)), 8)
    return int(sum((stripe.mean() > 127) << i for i, stripe in enumerate(stripes)))


@dataclass(frozen=True)
class Clip:
    """What to make a video of."""

    times: Sequence[Fraction] = field(default_factory=lambda: steady(20))
    pictures: Callable[[int], NDArray[np.uint8]] = numbered
    time_base: Fraction = Fraction(1, 30_000)
    rate: Fraction = NTSC
    codec: str = "libx264"
    pixels: str = "yuv420p"
    matrix: int = 1
    full_range: bool = False
    rotation: int = 0
    aspect: Fraction = Fraction(1)
    sound: Sequence[str] = ("aac",)
    sound_start: Fraction = Fraction(0)
    options: dict[str, str] = field(default_factory=dict)

    @property
    def end(self) -> Fraction:
        return self.times[-1] + 1 / self.rate


def make(path: Path, clip: Clip) -> Path:
    """Writes a clip with B-frames, where its codec has them, and a tone."""
    with av.open(str(path), "w", options=clip.options) as container:
        video = add_video(container, clip)
        sounds = [add_sound(container, name) for name in clip.sound]
        packets: list[Packet[Stream]] = list(encoded_video(video, clip))
        for sound in sounds:
            packets += encoded_tone(sound, clip)
        container.mux(sorted(packets, key=lambda p: (p.dts or 0) * p.time_base))
    return path


def add_video(container: OutputContainer, clip: Clip) -> VideoStream:
    stream = container.add_stream(clip.codec, rate=clip.rate)
    assert isinstance(stream, VideoStream)
    image = clip.pictures(0)
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = clip.pixels
    stream.time_base = stream.codec_context.time_base = clip.time_base
    stream.codec_context.colorspace = clip.matrix
    stream.codec_context.color_range = 2 if clip.full_range else 1
    stream.codec_context.sample_aspect_ratio = clip.aspect
    if clip.codec == "libx264":
        stream.codec_context.options = {"preset": "veryfast", "crf": "8", "bf": "2"}
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def add_sound(container: OutputContainer, name: str) -> AudioStream:
    stream = container.add_stream(name, rate=SAMPLES)
    assert isinstance(stream, AudioStream)
    stream.bit_rate = 128_000
    return stream


def encoded_video(stream: VideoStream, clip: Clip) -> Iterator[Packet[Stream]]:
    for index, time in enumerate(clip.times):
        picture = VideoFrame.from_ndarray(clip.pictures(index), format="bgr24").reformat(
            format=clip.pixels,
            dst_colorspace=MATRICES[clip.matrix],
            dst_color_range=ColorRange.JPEG if clip.full_range else ColorRange.MPEG,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )
        picture.pts, picture.time_base = round(time / clip.time_base), clip.time_base
        yield from stream.encode(picture)
    yield from stream.encode(None)


def encoded_tone(stream: AudioStream, clip: Clip) -> Iterator[Packet[Stream]]:
    layout = stream.format.name
    first = round(clip.sound_start * SAMPLES)
    for start in range(0, round((clip.end - clip.sound_start) * SAMPLES), 1024):
        wave = 0.3 * np.sin(np.arange(start, start + 1024) * (2 * np.pi * 440 / SAMPLES))
        wave = wave if layout.startswith("flt") else wave * 2**15
        both = np.stack([wave, wave]) if layout.endswith("p") else np.repeat(wave, 2)[None]
        kind = KINDS[layout.removesuffix("p")]
        frame = AudioFrame.from_ndarray(both.astype(kind), format=layout, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLES, first + start, Fraction(1, SAMPLES)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def times_of(path: Path) -> list[Fraction]:
    return [frame.time for frame in read_video(path, "")]


def numbers_of(path: Path) -> list[int]:
    return [number(frame.image) for frame in read_video(path, "")]


def sound_of(path: Path) -> list[list[tuple[Fraction, bytes]]]:
    """Time and content of every packet of every stream of sound."""
    found: dict[int, list[tuple[Fraction, bytes]]]
    with av.open(str(path)) as container:
        found = {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux():
            if packet.size and packet.pts is not None and packet.stream_index in found:
                time = packet.pts * packet.time_base
                found[packet.stream_index].append((time, bytes(packet)))
    return list(found.values())


def durations_of(path: Path) -> tuple[Fraction, Fraction]:
    """Of the picture and of the whole, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration
        assert stream.time_base
        assert container.duration
        return stream.duration * stream.time_base, Fraction(container.duration, av.time_base)


def average_rate(path: Path) -> Fraction | None:
    with av.open(str(path)) as container:
        return container.streams.video[0].average_rate


def decoded_seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0)) / SAMPLES


def copy_video(source: Path, target: Path, stop_after: int | None = None) -> None:
    with VideoSink(target, source) as sink:
        for frame in read_video(source, source.name):
            sink.write(frame)
            if frame.index + 1 == stop_after:
                break


def trimmed(source: Path, target: Path, seconds: Fraction) -> Path:
    """The same packets, earlier: what starts before zero goes behind an edit list."""
    with av.open(str(source)) as given, av.open(str(target), "w") as container:
        copies = [container.add_stream_from_template(s, opaque=True) for s in given.streams]
        for packet in given.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    return target


class TestReading:
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi"])
    def test_every_frame_in_order_with_its_time(self, suffix: str, tmp_path: Path) -> None:
        clip = Clip()
        if suffix == ".avi":
            clip = replace(clip, codec="mjpeg", pixels="yuvj420p", time_base=1 / NTSC, sound=())
        frames = list(read_video(make(tmp_path / f"a{suffix}", clip), "given/a"))
        assert [number(frame.image) for frame in frames] == list(range(20))
        assert [frame.time for frame in frames] == clip.times
        assert [frame.index for frame in frames] == list(range(20))
        assert {(frame.source, frame.width, frame.height) for frame in frames} == {
            ("given/a", 64, 48)
        }

    def test_varying_rate(self, tmp_path: Path) -> None:
        clip = Clip(unsteady(20), time_base=Fraction(1, 12_800), rate=Fraction(12))
        assert times_of(make(tmp_path / "a.mp4", clip)) == clip.times

    def test_matroska_keeps_milliseconds(self, tmp_path: Path) -> None:
        clip = Clip(steady(20, Fraction(24)), rate=Fraction(24))
        found = times_of(make(tmp_path / "a.mkv", clip))
        assert found[:4] == [Fraction(n, 1000) for n in (0, 42, 83, 125)]
        assert max(abs(a - b) for a, b in zip(found, clip.times, strict=True)) <= Fraction(1, 1500)

    def test_formats_without_a_zero_start_at_zero(self, tmp_path: Path) -> None:
        clip = Clip(steady(20, start=Fraction(3600)), sound=())
        path = make(tmp_path / "a.ts", clip)
        assert times_of(path) == steady(20)

    def test_late_start_is_kept(self, tmp_path: Path) -> None:
        clip = Clip(steady(20, start=Fraction(1, 2)))
        assert times_of(make(tmp_path / "a.mp4", clip)) == clip.times

    @pytest.mark.parametrize("rotation", [90, 180, -90])
    def test_display_rotation_is_applied(self, rotation: int, tmp_path: Path) -> None:
        upright = numbered(0b00110101)
        stored = np.ascontiguousarray(np.rot90(upright, -rotation // 90))
        clip = Clip(steady(2), lambda _: stored, rotation=rotation)
        for frame in read_video(make(tmp_path / "a.mp4", clip), ""):
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
            steady(len(COLOURS)),
            solid,
            matrix=matrix,
            full_range=full_range,
            pixels=pixels,
            sound=(),
        )
        frames = list(read_video(make(tmp_path / "a.mp4", clip), ""))
        for frame, colour in zip(frames, COLOURS, strict=True):
            assert np.abs(frame.image.astype(int) - colour).max() <= 4

    def test_untagged_hd_is_bt709(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(MATRICES, 2, Colorspace.ITU709)
        green = np.full((720, 64, 3), (0, 255, 0), np.uint8)
        clip = Clip(steady(2), lambda _: green, matrix=2, sound=())
        for frame in read_video(make(tmp_path / "a.mp4", clip), ""):
            assert np.abs(frame.image.astype(int) - green).max() <= 4

    def test_odd_size(self, tmp_path: Path) -> None:
        clip = Clip(steady(5), lambda i: numbered(i, 63, 47), pixels="yuv444p")
        path = make(tmp_path / "a.mp4", clip)
        assert [frame.image.shape for frame in read_video(path, "")] == [(47, 63, 3)] * 5
        assert numbers_of(path) == list(range(5))

    def test_name_that_looks_like_a_protocol(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        make(tmp_path / "a.mp4", Clip(steady(3))).rename("http: 写真 %02d.mp4")
        assert numbers_of(Path("http: 写真 %02d.mp4")) == [0, 1, 2]

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
    def test_count(self, suffix: str, tmp_path: Path) -> None:
        path = make(tmp_path / f"a{suffix}", Clip(sound=()))
        assert count_frames(path) == 20


class TestDamage:
    @pytest.mark.parametrize(
        "content", [None, b"", b"x,y\n1,2\n", b"\0\0\0\x18ftypmp42" + bytes(99)]
    )
    def test_no_video(self, content: bytes | None, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UnreadableVideoError, match=r"a\.mp4: cannot be read as a video: ."):
            next(read_video(path, ""))

    def test_sound_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "a.m4a"
        with av.open(str(path), "w") as container:
            container.mux(list(encoded_tone(add_sound(container, "aac"), Clip())))
        with pytest.raises(UnreadableVideoError, match="holds no video stream"):
            next(read_video(path, ""))

    def test_a_cover_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp3"
        clip = Clip(steady(1), codec="mjpeg", pixels="yuvj420p", sound=["libmp3lame"])
        with av.open(str(path), "w", format="mp3") as container:
            sound = add_sound(container, "libmp3lame")
            cover = add_video(container, clip)
            cover.disposition = av.stream.Disposition.attached_pic
            tone = list(encoded_tone(sound, clip))
            container.mux([*encoded_video(cover, clip), *tone])
        with pytest.raises(UnreadableVideoError, match="holds no video stream"):
            next(read_video(path, ""))

    @pytest.mark.parametrize("kept", [0.5, 0.8])
    @pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
    def test_cut_short(self, suffix: str, kept: float, tmp_path: Path) -> None:
        clip = Clip(
            steady(90), noisy, options={"movflags": "faststart"} if suffix == ".mp4" else {}
        )
        if suffix == ".avi":
            clip = replace(clip, sound=["libmp3lame"], codec="mjpeg", pixels="yuvj420p")
        path = make(tmp_path / f"a{suffix}", clip)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        good: list[int] = []
        with pytest.raises(UnreadableVideoError, match=r"frame \d+|\d+ frames"):
            good.extend(frame.index for frame in read_video(path, ""))
        assert good == list(range(len(good)))
        assert 90 * kept * 0.6 < len(good) < 90

    def test_cut_between_frames(self, tmp_path: Path) -> None:
        path = make(tmp_path / "a.mp4", Clip(sound=(), options={"movflags": "faststart"}))
        with av.open(str(path)) as container:
            last = max(packet.pos or 0 for packet in container.demux() if packet.size)
        path.write_bytes(path.read_bytes()[:last])
        with pytest.raises(UnreadableVideoError, match=r"19 frames|frame 19"):
            list(read_video(path, ""))

    def test_hole_in_the_middle(self, tmp_path: Path) -> None:
        path = make(tmp_path / "a.mp4", Clip(steady(30), noisy))
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 6000] = bytes(6000)
        path.write_bytes(data)
        with pytest.raises(UnreadableVideoError, match=r"frame \d+.*ffmpeg -i a\.mp4"):
            list(read_video(path, ""))


def noisy(index: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(index).integers(0, 256, (48, 64, 3))
    return noise.astype(np.uint8)


class TestWriting:
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv"])
    def test_comes_back_as_it_went_in(self, suffix: str, tmp_path: Path) -> None:
        source = make(tmp_path / f"a{suffix.replace('m4v', 'mp4')}", Clip(steady(40)))
        target = tmp_path / "new" / f"b{suffix}"
        copy_video(source, target)
        assert numbers_of(target) == list(range(40))
        assert times_of(target) == times_of(source)
        assert average_rate(target) == average_rate(source) == NTSC
        assert sound_of(target) == sound_of(source)
        assert [file.name for file in target.parent.iterdir()] == [target.name]

    def test_length_is_the_same(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip(steady(40)))
        copy_video(source, tmp_path / "b.mp4")
        assert durations_of(tmp_path / "b.mp4")[0] == durations_of(source)[0] == 40 / NTSC
        assert abs(durations_of(tmp_path / "b.mp4")[1] - durations_of(source)[1]) <= Fraction(
            1, 1000
        )
        assert abs(decoded_seconds(tmp_path / "b.mp4") - decoded_seconds(source)) < 0.001

    @pytest.mark.parametrize("sound", [["aac"], []])
    def test_varying_rate(self, sound: list[str], tmp_path: Path) -> None:
        clip = Clip(unsteady(23), time_base=Fraction(1, 12_800), rate=Fraction(12), sound=sound)
        source = make(tmp_path / "a.mp4", clip)
        copy_video(source, tmp_path / "b.mp4")
        assert times_of(tmp_path / "b.mp4") == clip.times
        assert numbers_of(tmp_path / "b.mp4") == list(range(23))
        assert durations_of(tmp_path / "b.mp4")[0] == durations_of(source)[0]
        assert average_rate(tmp_path / "b.mp4") == average_rate(source)
        assert sound_of(tmp_path / "b.mp4") == sound_of(source)

    @pytest.mark.parametrize(
        ("picture_start", "sound_start"),
        [
            (Fraction(1, 2), Fraction(0)),
            (Fraction(0), Fraction(1, 2)),
            (Fraction(1, 2), Fraction(1)),
        ],
    )
    def test_starts_stay_apart(
        self, picture_start: Fraction, sound_start: Fraction, tmp_path: Path
    ) -> None:
        clip = Clip(steady(40, start=picture_start), sound_start=sound_start)
        source = make(tmp_path / "a.mp4", clip)
        copy_video(source, tmp_path / "b.mp4")
        assert times_of(tmp_path / "b.mp4") == times_of(source)
        assert sound_of(tmp_path / "b.mp4") == sound_of(source)

    def test_trimmed_start(self, tmp_path: Path) -> None:
        """An edit list hides the first ten frames, as phones do that trim without encoding."""
        whole = make(tmp_path / "whole.mp4", Clip(steady(40)))
        source = trimmed(whole, tmp_path / "a.mp4", 10 / NTSC)
        copy_video(source, tmp_path / "b.mp4")
        assert times_of(source) == times_of(tmp_path / "b.mp4") == steady(30)
        assert numbers_of(tmp_path / "b.mp4") == list(range(10, 40))
        assert sound_of(tmp_path / "b.mp4") == sound_of(source)

    def test_transport_stream(self, tmp_path: Path) -> None:
        start = Fraction(3600)
        clip = Clip(steady(40, start=start), sound_start=start, sound=["ac3"])
        source = make(tmp_path / "a.ts", clip)
        copy_video(source, tmp_path / "b.mp4")
        found = times_of(tmp_path / "b.mp4")
        assert found == times_of(source)
        assert 0 <= found[0] < Fraction(1, 10)
        [before], [after] = sound_of(source), sound_of(tmp_path / "b.mp4")
        assert [content for _, content in after] == [content for _, content in before]
        lag = before[0][0] - (found[0] + start)
        shifts = [float(was - now) for (was, _), (now, _) in zip(before, after, strict=True)]
        assert lag < 1
        assert shifts == pytest.approx([shifts[0]] * len(shifts), abs=2e-5)

    def test_webm_becomes_mp4(self, tmp_path: Path) -> None:
        clip = Clip(codec="libvpx", sound=["libopus"], time_base=Fraction(1, 1000))
        source = make(tmp_path / "a.webm", clip)
        copy_video(source, tmp_path / "b.mp4")
        assert numbers_of(tmp_path / "b.mp4") == list(range(20))
        assert times_of(tmp_path / "b.mp4") == times_of(source)
        [before], [after] = sound_of(source), sound_of(tmp_path / "b.mp4")
        assert [content for _, content in after] == [content for _, content in before]

    def test_all_streams_of_sound(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip(steady(40), sound=["aac", "libmp3lame"]))
        copy_video(source, tmp_path / "b.mp4")
        assert sound_of(tmp_path / "b.mp4") == sound_of(source)

    def test_sound_stands_beside_its_picture(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip(steady(90)))
        copy_video(source, tmp_path / "b.mp4")
        with av.open(str(tmp_path / "b.mp4")) as container:
            packets = [packet for packet in container.demux() if packet.size]
        packets.sort(key=lambda packet: packet.pos or 0)
        due = [float((packet.dts or 0) * packet.time_base) for packet in packets]
        assert max(earlier - later for earlier, later in pairwise(due)) < 1

    def test_colours_survive_and_are_tagged(self, tmp_path: Path) -> None:
        path = tmp_path / "b.mp4"
        with VideoSink(path, None) as sink:
            for index, colour in enumerate(COLOURS):
                image = np.full((48, 64, 3), colour, np.uint8)
                sink.write(Frame(image, "", index, index / NTSC))
        for frame, colour in zip(read_video(path, ""), COLOURS, strict=True):
            assert np.abs(frame.image.astype(int) - colour).max() <= 4
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            # The matrix of BT.601 with the primaries and the transfer of BT.709.
            tags = stream.colorspace, stream.color_primaries, stream.color_trc
            assert tags == (6, 1, 1)
            assert stream.color_range == 1
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")

    @pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
    def test_odd_size_is_kept(self, size: tuple[int, int], tmp_path: Path) -> None:
        source = make(
            tmp_path / "a.mp4", Clip(steady(5), lambda i: numbered(i, *size), pixels="yuv444p")
        )
        copy_video(source, tmp_path / "b.mp4")
        shapes = {frame.image.shape for frame in read_video(tmp_path / "b.mp4", "")}
        assert shapes == {(size[1], size[0], 3)}
        assert numbers_of(tmp_path / "b.mp4") == list(range(5))

    def test_pixels_that_are_not_square_stay_so(self, tmp_path: Path) -> None:
        clip = Clip(steady(3), aspect=Fraction(4, 3))
        copy_video(make(tmp_path / "a.mp4", clip), tmp_path / "b.mp4")
        with av.open(str(tmp_path / "b.mp4")) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)

    def test_rotated_source_comes_out_upright(self, tmp_path: Path) -> None:
        def stored(index: int) -> NDArray[np.uint8]:
            return np.ascontiguousarray(np.rot90(numbered(index)))

        source = make(tmp_path / "a.mp4", Clip(steady(5), stored, rotation=-90))
        copy_video(source, tmp_path / "b.mp4")
        assert numbers_of(tmp_path / "b.mp4") == list(range(5))
        with av.open(str(tmp_path / "b.mp4")) as container:
            first = next(container.decode(video=0))
            assert (first.width, first.height, first.rotation) == (64, 48, 0)

    def test_without_an_original_times_give_the_rate(self, tmp_path: Path) -> None:
        times = steady(30, Fraction(24000, 1001))
        with VideoSink(tmp_path / "camera0.mp4", None) as sink:
            for index, time in enumerate(times):
                sink.write(Frame(numbered(index), "0", index, time))
        assert times_of(tmp_path / "camera0.mp4") == times
        assert average_rate(tmp_path / "camera0.mp4") == Fraction(24000, 1001)
        assert sound_of(tmp_path / "camera0.mp4") == []


class TestStopping:
    @pytest.mark.parametrize("sound", [["aac"], ["aac", "aac"], []])
    @pytest.mark.parametrize("done", [1, 17, 60])
    def test_early_finish_is_a_whole_file(
        self, done: int, sound: list[str], tmp_path: Path
    ) -> None:
        source = make(tmp_path / "a.mp4", Clip(steady(90), sound=sound))
        copy_video(source, tmp_path / "b.mp4", stop_after=done)
        assert numbers_of(tmp_path / "b.mp4") == list(range(done))
        assert durations_of(tmp_path / "b.mp4")[0] == done / NTSC
        for before, after in zip(sound_of(source), sound_of(tmp_path / "b.mp4"), strict=True):
            assert after == [packet for packet in before if packet[0] < done / NTSC]
        if sound:
            assert decoded_seconds(tmp_path / "b.mp4") == pytest.approx(
                float(done / NTSC), abs=0.03
            )

    def test_early_finish_at_a_varying_rate(self, tmp_path: Path) -> None:
        clip = Clip(unsteady(23), time_base=Fraction(1, 12_800), rate=Fraction(12))
        source = make(tmp_path / "a.mp4", clip)
        copy_video(source, tmp_path / "b.mp4", stop_after=12)
        assert times_of(tmp_path / "b.mp4") == clip.times[:12]
        assert durations_of(tmp_path / "b.mp4")[0] == clip.times[12]

    def test_an_exception_leaves_what_was_there(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip())
        target = tmp_path / "b.mp4"
        target.write_bytes(b"before")

        def fail() -> None:
            with VideoSink(target, source) as sink:
                for frame in read_video(source, ""):
                    sink.write(frame)
                assert len(list(tmp_path.iterdir())) == 3
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert target.read_bytes() == b"before"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]

    def test_a_damaged_source_leaves_nothing(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mkv", Clip(steady(90), noisy))
        source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        with pytest.raises(UnreadableVideoError):
            copy_video(source, tmp_path / "b.mkv")
        assert [file.name for file in tmp_path.iterdir()] == ["a.mkv"]

    def test_no_frame_no_file(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip())
        with VideoSink(tmp_path / "b.mp4", source):
            pass
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


class TestRefusals:
    def test_sound_that_mp4_does_not_hold(self, tmp_path: Path) -> None:
        clip = Clip(codec="mjpeg", pixels="yuvj420p", time_base=1 / NTSC, sound=["wmav2"])
        source = make(tmp_path / "a.avi", clip)
        with pytest.raises(OutputError, match=r"b\.mp4.*wmav2 sound.*ffmpeg -i a\.avi .* a\.mkv"):
            VideoSink(tmp_path / "b.mp4", source).__enter__()
        assert [file.name for file in tmp_path.iterdir()] == ["a.avi"]

    def test_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"b\.avi.*\.mp4, \.m4v, \.mov, \.mkv"):
            VideoSink(tmp_path / "b.avi", None).__enter__()

    @pytest.mark.parametrize(
        ("second", "why"),
        [
            (Frame(numbered(1, 32), "", 1, Fraction(1)), "frame 1 is 32x48 .* are 64x48"),
            (Frame(numbered(1), "", 1, Fraction(0)), "frame 1 at 0.000 s is not later"),
        ],
    )
    def test_frames_that_do_not_fit(self, second: Frame, why: str, tmp_path: Path) -> None:
        def both() -> None:
            with VideoSink(tmp_path / "b.mp4", None) as sink:
                sink.write(Frame(numbered(0), ""))
                sink.write(second)

        with pytest.raises(OutputError, match=why):
            both()
        assert list(tmp_path.iterdir()) == []


def frames_of(path: Path, frame_range: FrameRange) -> list[Frame]:
    return list(read_video(path, "", frame_range))


class TestCuts:
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
    def test_takes_those_frames(
        self, frame_range: FrameRange, numbers: list[int], suffix: str, tmp_path: Path
    ) -> None:
        path = make(tmp_path / f"a.{suffix}", Clip(steady(90, Fraction(30)), rate=Fraction(30)))
        frames = frames_of(path, frame_range)
        assert [number(frame.image) for frame in frames] == numbers
        assert [round(frame.time * 30) for frame in frames] == numbers
        assert [f.index for f in frames] == [frame_range.stride * i for i in range(len(numbers))]
        assert count_frames(path, frame_range) == pytest.approx(len(numbers), abs=1)

    def test_sound_begins_and_ends_with_the_frames(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip(steady(90, Fraction(30)), rate=Fraction(30)))
        frame_range = FrameRange(start=Fraction(1), end=Fraction(2))
        with VideoSink(tmp_path / "b.mp4", source, frame_range=frame_range) as sink:
            for frame in read_video(source, "", frame_range):
                sink.write(frame)
        assert times_of(tmp_path / "b.mp4") == steady(30, Fraction(30))
        [before], [after] = sound_of(source), sound_of(tmp_path / "b.mp4")
        kept = [(time - 1, content) for time, content in before if 1 <= time < 2]
        assert [content for _, content in after] == [content for _, content in kept]
        for (time, _), (expected, _) in zip(after, kept, strict=True):
            assert abs(time - expected) <= Fraction(1, 48_000)

    def test_every_other_frame_keeps_its_time_and_all_sound(self, tmp_path: Path) -> None:
        source = make(tmp_path / "a.mp4", Clip(steady(60, Fraction(30)), rate=Fraction(30)))
        frame_range = FrameRange(stride=2)
        with VideoSink(tmp_path / "b.mp4", source, frame_range=frame_range) as sink:
            for frame in read_video(source, "", frame_range):
                sink.write(frame)
        assert times_of(tmp_path / "b.mp4") == steady(60, Fraction(30))[::2]
        assert durations_of(tmp_path / "b.mp4")[0] == 2
        assert sound_of(tmp_path / "b.mp4") == sound_of(source)


class TestGray:
    @pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
    def test_is_the_luma_of_the_frame(self, pixels: str, tmp_path: Path) -> None:
        codec = "mjpeg" if pixels == "yuvj420p" else "libx264"
        path = make(tmp_path / "a.mkv", Clip(steady(3), codec=codec, pixels=pixels))
        for colour, gray in zip(read_video(path, ""), read_video(path, "", gray=True), strict=True):
            assert gray.image.shape == colour.image.shape[:2]
            luma = gray_plane(colour.image).astype(int)
            assert np.abs(luma - gray.image).max() <= 4

    def test_is_upright(self, tmp_path: Path) -> None:
        path = make(tmp_path / "a.mp4", Clip(steady(2), rotation=-90))
        [first, _] = read_video(path, "", gray=True)
        [colour, _] = read_video(path, "")
        assert first.image.shape == colour.image.shape[:2]
        assert np.abs(gray_plane(colour.image).astype(int) - first.image).max() <= 4


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "name"),
        [
            (Encoding("h264", 100), "h264"),
            (Encoding("h265"), "hevc"),
            (Encoding("vp9"), "vp9"),
            (Encoding("av1"), "av1"),
        ],
    )
    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_each_codec_keeps_frames_times_and_sound(
        self, encoding: Encoding, name: str, suffix: str, tmp_path: Path
    ) -> None:
        clip = Clip(steady(30), lambda i: numbered(i, 64, 64))
        source = make(tmp_path / f"a.{suffix}", clip)
        target = tmp_path / f"b.{suffix}"
        with VideoSink(target, source, encoding) as sink:
            for frame in read_video(source, ""):
                sink.write(frame)
        assert numbers_of(target) == list(range(30))
        assert times_of(target) == times_of(source)
        assert sound_of(target) == sound_of(source)
        with av.open(str(target)) as container:
            stream = container.streams.video[0]
            names = {stream.codec_context.codec.canonical_name, stream.codec_context.name}
            assert name in names or any(name in one for one in names)

    def test_more_quality_is_more_bytes(self, tmp_path: Path) -> None:
        sizes = []
        for quality in (20, 75, 100):
            path = tmp_path / f"{quality}.mp4"
            with VideoSink(path, None, Encoding(quality=quality)) as sink:
                for index in range(5):
                    sink.write(Frame(noisy(index), "", index, Fraction(index, 30)))
            sizes.append(path.stat().st_size)
        assert sizes == sorted(sizes)
        assert Encoding(quality=75) == Encoding(quality=75)
        assert Encoding().options == Encoding(quality=75).options

    def test_what_does_not_fit_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"b\.mov.*does not hold vp9; choose --codec h264"):
            VideoSink(tmp_path / "b.mov", None, Encoding("vp9")).__enter__()

        def odd() -> None:
            with VideoSink(tmp_path / "b.mp4", None, Encoding("av1")) as sink:
                sink.write(Frame(numbered(0, 63, 63), ""))

        with pytest.raises(OutputError, match="av1 takes no frames of 63x63"):
            odd()
        assert list(tmp_path.iterdir()) == []

"""Synthetic videos are written again, and compared with the originals."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import InputContainer
from numpy.typing import NDArray
from synthetic_videos import (
    COLOURS,
    NTSC,
    Clip,
    average_rate,
    constant_rate,
    decoded_seconds,
    durations_of,
    make_video,
    noise_image,
    numbered_image,
    numbers_in,
    rewrite_video,
    sound_packets,
    times_of,
    trim,
    variable_rate,
)

from fkd_infer.canvas.colour_space import ColourSpace
from fkd_infer.errors import DamagedVideoError, OutputError
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.reader import read_video
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame, FrameRange


def decoded_tone(container: InputContainer) -> NDArray[np.float32]:
    """The first channel of the sound, from time 0 on, as players play it: without a break."""
    rate = container.streams.audio[0].codec_context.sample_rate
    tone = np.zeros(0, np.float32)
    for frame in container.decode(audio=0):
        planes = frame.to_ndarray()
        channel = planes[0] if frame.format.is_planar else planes[0, :: frame.layout.nb_channels]
        if not len(tone) and frame.pts is not None and frame.time_base is not None:
            tone = np.zeros(max(0, round(frame.pts * frame.time_base * rate)), np.float32)
        tone = np.concatenate([tone, channel.astype(np.float32)])
    return tone


class TestWriting:
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv"])
    def test_keeps_frames_times_rate_and_sound(self, suffix: str, tmp_path: Path) -> None:
        source = make_video(tmp_path / f"a{suffix.replace('m4v', 'mp4')}", Clip(constant_rate(40)))
        target = tmp_path / "new" / f"b{suffix}"
        rewrite_video(source, target)
        assert numbers_in(target) == list(range(40))
        assert times_of(target) == times_of(source)
        assert average_rate(target) == average_rate(source) == NTSC
        assert sound_packets(target) == sound_packets(source)
        assert [file.name for file in target.parent.iterdir()] == [target.name]

    def test_keeps_the_duration(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "a.mp4", Clip(constant_rate(40)))
        rewrite_video(source, tmp_path / "b.mp4")
        assert durations_of(tmp_path / "b.mp4")[0] == durations_of(source)[0] == 40 / NTSC
        assert abs(durations_of(tmp_path / "b.mp4")[1] - durations_of(source)[1]) <= Fraction(
            1, 1000
        )
        assert abs(decoded_seconds(tmp_path / "b.mp4") - decoded_seconds(source)) < 0.001

    @pytest.mark.parametrize("sound", [["aac"], []])
    def test_keeps_a_variable_rate(self, sound: list[str], tmp_path: Path) -> None:
        clip = Clip(
            variable_rate(23), time_base=Fraction(1, 12_800), rate=Fraction(12), sound=sound
        )
        source = make_video(tmp_path / "a.mp4", clip)
        rewrite_video(source, tmp_path / "b.mp4")
        assert times_of(tmp_path / "b.mp4") == clip.times
        assert numbers_in(tmp_path / "b.mp4") == list(range(23))
        assert durations_of(tmp_path / "b.mp4")[0] == durations_of(source)[0]
        assert average_rate(tmp_path / "b.mp4") == average_rate(source)
        assert sound_packets(tmp_path / "b.mp4") == sound_packets(source)

    @pytest.mark.parametrize(
        ("picture_start", "sound_start"),
        [
            (Fraction(1, 2), Fraction(0)),
            (Fraction(0), Fraction(1, 2)),
            (Fraction(1, 2), Fraction(1)),
        ],
    )
    def test_keeps_the_starts_of_picture_and_sound(
        self, picture_start: Fraction, sound_start: Fraction, tmp_path: Path
    ) -> None:
        clip = Clip(constant_rate(40, start=picture_start), sound_start=sound_start)
        source = make_video(tmp_path / "a.mp4", clip)
        rewrite_video(source, tmp_path / "b.mp4")
        assert times_of(tmp_path / "b.mp4") == times_of(source)
        assert sound_packets(tmp_path / "b.mp4") == sound_packets(source)

    def test_a_start_hidden_by_an_edit_list_stays_hidden(self, tmp_path: Path) -> None:
        """It hides the first ten frames: phones trim videos so, without encoding."""
        untrimmed = make_video(tmp_path / "untrimmed.mp4", Clip(constant_rate(40)))
        source = trim(untrimmed, tmp_path / "a.mp4", 10 / NTSC)
        rewrite_video(source, tmp_path / "b.mp4")
        assert times_of(source) == times_of(tmp_path / "b.mp4") == constant_rate(30)
        assert numbers_in(tmp_path / "b.mp4") == list(range(10, 40))
        assert sound_packets(tmp_path / "b.mp4") == sound_packets(source)

    def test_rewrites_a_transport_stream_from_zero(self, tmp_path: Path) -> None:
        start = Fraction(3600)
        clip = Clip(constant_rate(40, start=start), sound_start=start, sound=["ac3"])
        source = make_video(tmp_path / "a.ts", clip)
        rewrite_video(source, tmp_path / "b.mp4")
        found = times_of(tmp_path / "b.mp4")
        assert found == times_of(source)
        assert 0 <= found[0] < Fraction(1, 10)
        [before], [after] = sound_packets(source), sound_packets(tmp_path / "b.mp4")
        assert [content for _, content in after] == [content for _, content in before]
        lag = before[0][0] - (found[0] + start)
        shifts = [float(was - now) for (was, _), (now, _) in zip(before, after, strict=True)]
        assert lag < 1
        assert shifts == pytest.approx([shifts[0]] * len(shifts), abs=2e-5)

    @pytest.mark.parametrize(("suffix", "codec"), [(".webm", "vp9"), (".mp4", "h264")])
    def test_webm_stays_webm_or_becomes_mp4(self, suffix: str, codec: str, tmp_path: Path) -> None:
        clip = Clip(codec="libvpx", sound=["libopus"], time_base=Fraction(1, 1000))
        source, target = make_video(tmp_path / "a.webm", clip), tmp_path / f"b{suffix}"
        rewrite_video(source, target)
        assert numbers_in(target) == list(range(20))
        assert times_of(target) == times_of(source)
        [before], [after] = sound_packets(source), sound_packets(target)
        assert [content for _, content in after] == [content for _, content in before]
        with av.open(str(target)) as container:
            assert container.streams.video[0].codec_context.name == codec

    def test_a_clock_is_no_frame_rate(self, tmp_path: Path) -> None:
        """DV states the 60,000 ticks of its clock as its average rate."""
        rate = Fraction(25)
        clip = Clip(
            constant_rate(10, rate),
            lambda index: numbered_image(index, 720, 576),
            rate=rate,
            time_base=1 / rate,
            codec="dvvideo",
            sound=["pcm_s16le"],
        )
        source = make_video(tmp_path / "a.dv", clip)
        rewrite_video(source, tmp_path / "b.mp4")
        assert times_of(tmp_path / "b.mp4") == clip.times
        assert average_rate(tmp_path / "b.mp4") == rate

    def test_copies_all_sound_streams(self, tmp_path: Path) -> None:
        source = make_video(
            tmp_path / "a.mp4", Clip(constant_rate(40), sound=["aac", "libmp3lame"])
        )
        rewrite_video(source, tmp_path / "b.mp4")
        assert sound_packets(tmp_path / "b.mp4") == sound_packets(source)

    def test_interleaves_sound_and_pictures(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "a.mp4", Clip(constant_rate(90)))
        rewrite_video(source, tmp_path / "b.mp4")
        with av.open(str(tmp_path / "b.mp4")) as container:
            packets = [packet for packet in container.demux() if packet.size]
        packets.sort(key=lambda packet: packet.pos or 0)
        due = [float((packet.dts or 0) * packet.time_base) for packet in packets]
        assert max(earlier - later for earlier, later in pairwise(due)) < 1

    def test_keeps_and_tags_colours(self, tmp_path: Path) -> None:
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
    def test_keeps_an_odd_size(self, size: tuple[int, int], tmp_path: Path) -> None:
        source = make_video(
            tmp_path / "a.mp4",
            Clip(constant_rate(5), lambda i: numbered_image(i, *size), pixels="yuv444p"),
        )
        rewrite_video(source, tmp_path / "b.mp4")
        shapes = {frame.image.shape for frame in read_video(tmp_path / "b.mp4", "")}
        assert shapes == {(size[1], size[0], 3)}
        assert numbers_in(tmp_path / "b.mp4") == list(range(5))

    def test_keeps_the_aspect_ratio_of_pixels(self, tmp_path: Path) -> None:
        clip = Clip(constant_rate(3), aspect=Fraction(4, 3))
        rewrite_video(make_video(tmp_path / "a.mp4", clip), tmp_path / "b.mp4")
        with av.open(str(tmp_path / "b.mp4")) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)

    def test_writes_a_rotated_source_upright(self, tmp_path: Path) -> None:
        def stored(index: int) -> NDArray[np.uint8]:
            return np.ascontiguousarray(np.rot90(numbered_image(index)))

        source = make_video(tmp_path / "a.mp4", Clip(constant_rate(5), stored, rotation=-90))
        rewrite_video(source, tmp_path / "b.mp4")
        assert numbers_in(tmp_path / "b.mp4") == list(range(5))
        with av.open(str(tmp_path / "b.mp4")) as container:
            first = next(container.decode(video=0))
            assert (first.width, first.height, first.rotation) == (64, 48, 0)

    def test_without_a_source_the_times_set_the_rate(self, tmp_path: Path) -> None:
        times = constant_rate(30, Fraction(24000, 1001))
        with VideoSink(tmp_path / "camera0.mp4", None) as sink:
            for index, time in enumerate(times):
                sink.write(Frame(numbered_image(index), "0", index, time))
        assert times_of(tmp_path / "camera0.mp4") == times
        assert average_rate(tmp_path / "camera0.mp4") == Fraction(24000, 1001)
        assert sound_packets(tmp_path / "camera0.mp4") == []


class TestStopping:
    @pytest.mark.parametrize("sound", [["aac"], ["aac", "aac"], []])
    @pytest.mark.parametrize("done", [1, 17, 60])
    def test_an_early_end_leaves_a_complete_file(
        self, done: int, sound: list[str], tmp_path: Path
    ) -> None:
        source = make_video(tmp_path / "a.mp4", Clip(constant_rate(90), sound=sound))
        rewrite_video(source, tmp_path / "b.mp4", stop_after=done)
        assert numbers_in(tmp_path / "b.mp4") == list(range(done))
        assert durations_of(tmp_path / "b.mp4")[0] == done / NTSC
        for before, after in zip(
            sound_packets(source), sound_packets(tmp_path / "b.mp4"), strict=True
        ):
            assert after == [packet for packet in before if packet[0] < done / NTSC]
        if sound:
            assert decoded_seconds(tmp_path / "b.mp4") == pytest.approx(
                float(done / NTSC), abs=0.03
            )

    def test_an_early_end_at_a_variable_rate(self, tmp_path: Path) -> None:
        clip = Clip(variable_rate(23), time_base=Fraction(1, 12_800), rate=Fraction(12))
        source = make_video(tmp_path / "a.mp4", clip)
        rewrite_video(source, tmp_path / "b.mp4", stop_after=12)
        assert times_of(tmp_path / "b.mp4") == clip.times[:12]
        assert durations_of(tmp_path / "b.mp4")[0] == clip.times[12]

    def test_an_exception_leaves_the_old_file(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "a.mp4", Clip())
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

    def test_a_damaged_source_leaves_what_can_be_decoded(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "a.mkv", Clip(constant_rate(90), noise_image))
        source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        with pytest.raises(DamagedVideoError, match="cut short"):
            rewrite_video(source, tmp_path / "b.mkv")
        times = times_of(tmp_path / "b.mkv")
        assert 30 < len(times) < 60
        assert np.diff([float(time) for time in times]) == pytest.approx(
            1 / float(NTSC), abs=0.0011
        )
        [before], [after] = sound_packets(source), sound_packets(tmp_path / "b.mkv")
        assert 0 < len(after) <= len(before)
        assert after == before[: len(after)]

    def test_without_frames_there_is_no_file(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "a.mp4", Clip())
        with VideoSink(tmp_path / "b.mp4", source):
            pass
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


class TestSoundThatTheContainerDoesNotHold:
    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
    @pytest.mark.parametrize("sound", ["wmav2", "pcm_mulaw"])
    def test_is_encoded_in_step_with_the_picture(
        self, sound: str, suffix: str, tmp_path: Path
    ) -> None:
        clip = Clip(
            constant_rate(60), codec="mjpeg", pixels="yuvj420p", time_base=1 / NTSC, sound=[sound]
        )
        source = make_video(tmp_path / "a.avi", clip)
        target = tmp_path / f"b{suffix}"
        with VideoSink(target, source) as sink:
            for frame in read_video(source, ""):
                sink.write(frame)
        if (sound, suffix) == ("pcm_mulaw", ".mov"):
            assert sink.notes == []
            return
        name = "Opus" if suffix == ".webm" else "AAC"
        assert sink.notes == [f"its sound is encoded as {name}: {suffix} does not hold {sound}"]
        with av.open(str(source)) as before, av.open(str(target)) as after:
            assert after.streams.audio[0].codec_context.name == name.lower()
            tones = [decoded_tone(container) for container in (before, after)]
        before_, after_ = tones
        assert abs(len(before_) - len(after_)) < 4096
        # A tone of 440 Hz, whose period is 109 samples; Matroska counts in milliseconds.
        length, late = min(map(len, tones)) - 4096, 30 if suffix in (".mkv", ".webm") else 6
        agreements = [
            np.corrcoef(before_[4096:length], after_[4096 + lag : length + lag])[0, 1]
            for lag in range(-late, late + 1)
        ]
        assert max(agreements) > 0.95

    def test_of_a_joined_recording_is_kept_once(self, tmp_path: Path) -> None:
        parts = [make_video(tmp_path / f"{n}.ts", Clip(constant_rate(40))) for n in range(2)]
        source = tmp_path / "joined.ts"
        source.write_bytes(b"".join(part.read_bytes() for part in parts))
        with suppress(DamagedVideoError):  # the packet counters of the container do not go on
            rewrite_video(source, tmp_path / "b.mp4")
        assert len(times_of(tmp_path / "b.mp4")) == 80
        [sound] = sound_packets(tmp_path / "b.mp4")
        assert all(a < b for (a, _), (b, _) in pairwise(sound))
        assert decoded_seconds(tmp_path / "b.mp4") == pytest.approx(80 / float(NTSC), abs=0.1)


class TestRefusals:
    def test_refuses_a_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"b\.avi.*\.mp4, \.m4v, \.mov, \.mkv"):
            VideoSink(tmp_path / "b.avi", None).__enter__()

    def test_refuses_frames_of_another_size(self, tmp_path: Path) -> None:
        def both() -> None:
            with VideoSink(tmp_path / "b.mp4", None) as sink:
                sink.write(Frame(numbered_image(0), ""))
                sink.write(Frame(numbered_image(1, 32), "", 1, Fraction(1)))

        with pytest.raises(OutputError, match=r"frame 1 is 32x48 .* are 64x48"):
            both()
        assert list(tmp_path.iterdir()) == []


def test_frames_at_one_time_follow_each_other(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "b.mp4", None) as sink:
        for index, time in enumerate((0, 1, 1, 1, 2)):
            sink.write(Frame(numbered_image(index), "", index, Fraction(time)))
    assert numbers_in(tmp_path / "b.mp4") == list(range(5))
    assert [round(float(time), 3) for time in times_of(tmp_path / "b.mp4")] == [0, 1, 1, 1, 2]


class TestFrameRanges:
    def test_cuts_the_sound_like_the_frames(self, tmp_path: Path) -> None:
        source = make_video(
            tmp_path / "a.mp4", Clip(constant_rate(90, Fraction(30)), rate=Fraction(30))
        )
        frame_range = FrameRange(start=Fraction(1), end=Fraction(2))
        with VideoSink(tmp_path / "b.mp4", source, frame_range=frame_range) as sink:
            for frame in read_video(source, "", frame_range):
                sink.write(frame)
        assert times_of(tmp_path / "b.mp4") == constant_rate(30, Fraction(30))
        [before], [after] = sound_packets(source), sound_packets(tmp_path / "b.mp4")
        expected_packets = [(time - 1, content) for time, content in before if 1 <= time < 2]
        assert [content for _, content in after] == [content for _, content in expected_packets]
        for (time, _), (expected, _) in zip(after, expected_packets, strict=True):
            assert abs(time - expected) <= Fraction(1, 48_000)

    def test_a_stride_keeps_times_and_all_sound(self, tmp_path: Path) -> None:
        source = make_video(
            tmp_path / "a.mp4", Clip(constant_rate(60, Fraction(30)), rate=Fraction(30))
        )
        frame_range = FrameRange(stride=2)
        with VideoSink(tmp_path / "b.mp4", source, frame_range=frame_range) as sink:
            for frame in read_video(source, "", frame_range):
                sink.write(frame)
        assert times_of(tmp_path / "b.mp4") == constant_rate(60, Fraction(30))[::2]
        assert durations_of(tmp_path / "b.mp4")[0] == 2
        assert sound_packets(tmp_path / "b.mp4") == sound_packets(source)


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
        clip = Clip(constant_rate(30), lambda i: numbered_image(i, 64, 64))
        source = make_video(tmp_path / f"a.{suffix}", clip)
        target = tmp_path / f"b.{suffix}"
        with VideoSink(target, source, encoding) as sink:
            for frame in read_video(source, ""):
                sink.write(frame)
        assert numbers_in(target) == list(range(30))
        assert times_of(target) == times_of(source)
        assert sound_packets(target) == sound_packets(source)
        with av.open(str(target)) as container:
            stream = container.streams.video[0]
            names = {stream.codec_context.codec.canonical_name, stream.codec_context.name}
            assert name in names or any(name in one for one in names)

    def test_higher_quality_takes_more_bytes(self, tmp_path: Path) -> None:
        sizes = []
        for quality in (20, 75, 100):
            path = tmp_path / f"{quality}.mp4"
            with VideoSink(path, None, Encoding(quality=quality)) as sink:
                for index in range(5):
                    sink.write(Frame(noise_image(index), "", index, Fraction(index, 30)))
            sizes.append(path.stat().st_size)
        assert sizes == sorted(sizes)
        assert Encoding(quality=75) == Encoding(quality=75)
        encoder = Encoding().encoder(path)
        space = ColourSpace()
        same = Encoding(quality=75).options(encoder, space)
        assert Encoding().options(encoder, space) == same

    def test_refuses_codecs_that_the_file_or_size_does_not_allow(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"b\.mov.*does not hold vp9; choose --codec h264"):
            VideoSink(tmp_path / "b.mov", None, Encoding("vp9")).__enter__()

        def odd() -> None:
            with VideoSink(tmp_path / "b.mp4", None, Encoding("av1")) as sink:
                sink.write(Frame(numbered_image(0, 63, 63), ""))

        with pytest.raises(OutputError, match="av1 cannot encode frames of 63x63"):
            odd()
        assert list(tmp_path.iterdir()) == []

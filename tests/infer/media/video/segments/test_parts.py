"""Parts of a video, encoded apart and joined."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest
from synthetic_videos import Clip, constant_rate, make_video, times_of, variable_rate

from fkd_infer.choices import Codec
from fkd_infer.errors import OutputError
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.reader import read_video
from fkd_infer.media.video.segments.parts import Part, PartSink, join_parts
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame, FrameRange, ReadSettings

STORED = ReadSettings(stored=True)
CUTS = (20, 41)


def packets(path: Path) -> dict[int, list[object]]:
    """Times and durations of all packets by track, with the bytes of all but the picture's."""
    found: dict[int, list[object]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                data = b"" if packet.stream.type == "video" else bytes(packet)
                times = packet.pts, packet.dts, packet.duration
                found.setdefault(packet.stream_index, []).append((times, data))
    return found


def encode(
    frames: Sequence[Frame], source: Path, output: Path, folder: Path, encoding: Encoding
) -> list[Part]:
    parts = []
    for number, (first, end) in enumerate(zip((0, *CUTS), (*CUTS, None), strict=True)):
        path = folder / f"{number}.nut"
        with PartSink(path, output, source, encoding) as sink:
            for frame in frames[first:end]:
                sink.write(frame)
        parts.append(Part(path, [frame.time for frame in frames[first:end]]))
    return parts


@pytest.mark.parametrize(
    ("name", "clip", "codec"),
    [
        ("a.mp4", Clip(constant_rate(60), rotation=90), None),
        ("a.mp4", Clip(constant_rate(60), aspect=Fraction(4, 3)), "h265"),
        ("a.mov", Clip(variable_rate(60), time_base=Fraction(1, 12_800)), None),
        ("a.mkv", Clip(variable_rate(60), sound=("aac", "flac")), None),
        ("a.mp4", Clip(constant_rate(60)), "av1"),
        ("a.webm", Clip(constant_rate(60), codec="libvpx-vp9", sound=("libopus",)), "vp9"),
    ],
)
def test_joined_parts_are_the_file_of_one_run(
    name: str, clip: Clip, codec: Codec | None, tmp_path: Path
) -> None:
    source = make_video(tmp_path / name, clip)
    encoding = Encoding(codec)
    frames = list(read_video(source, "", settings=STORED))
    one, joined = tmp_path / f"one-{name}", tmp_path / f"joined-{name}"
    with VideoSink(one, source, encoding) as sink:
        for frame in frames:
            sink.write(frame)
    parts = encode(frames, source, joined, tmp_path, encoding)
    assert join_parts(joined, source, parts, frames[0], encoding) == sink.notes
    assert packets(joined) == packets(one)
    assert times_of(joined) == times_of(one)
    for frame, expected in zip(read_video(joined, ""), read_video(one, ""), strict=True):
        assert cv2.absdiff(frame.image, expected.image).mean() < 3
    with av.open(str(joined)) as container, av.open(str(one)) as other:
        stream, same = container.streams.video[0], other.streams.video[0]
        assert container.duration == other.duration
        assert stream.sample_aspect_ratio == same.sample_aspect_ratio
        assert stream.codec_context.colorspace == same.codec_context.colorspace
        keys = [n for n, p in enumerate(container.demux(stream)) if p.size and p.is_keyframe]
    assert {0, *CUTS} <= set(keys)


def test_a_part_of_the_source_begins_at_its_start(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", Clip(constant_rate(90)))
    frame_range = FrameRange(Fraction(1))
    frames = list(read_video(source, "", frame_range, STORED))
    one, joined = tmp_path / "one.mp4", tmp_path / "joined.mp4"
    with VideoSink(one, source, frame_range=frame_range) as sink:
        for frame in frames:
            sink.write(frame)
    parts = encode(frames, source, joined, tmp_path, Encoding())
    join_parts(joined, source, parts, frames[0], frame_range=frame_range)
    assert packets(joined) == packets(one)


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", Clip(constant_rate(60)))
    frames = list(read_video(source, "", settings=STORED))
    joined = tmp_path / "joined.mp4"
    parts = encode(frames, source, joined, tmp_path, Encoding())
    short = [parts[0], Part(parts[1].path, parts[1].times[1:]), parts[2]]
    with pytest.raises(OutputError, match="a part has 21 frames in place of 20"):
        join_parts(joined, source, short, frames[0])
    with pytest.raises(OutputError, match="its parts were encoded differently"):
        join_parts(joined, source, parts, frames[0], Encoding("h265"))
    assert not joined.exists()

"""What a video file has beside its picture and sound is kept, or said to be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream
from synthetic_videos import (
    Clip,
    add_sound,
    add_video,
    constant_rate,
    encode_tone,
    encode_video,
    numbered_image,
    numbers_in,
    times_of,
)

from fkd_infer.errors import DamagedVideoError
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.reader import read_video
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import FrameRange, ReadSettings

TAGS = {
    "title": "My film",
    "artist": "Me",
    "comment": "cut short",
    "creation_time": "2021-05-04T10:00:00.000000Z",
    "location": "+48.1000+011.5000/",
}
CHAPTERS = [(0, 1, "one"), (1, 2, "two")]
TEXT = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt"}
CLIP = Clip(constant_rate(60))
ALL, DEFAULTS = FrameRange(), Encoding()


def make_film(path: Path, clip: Clip = CLIP, seconds: float = 0.5, **tags: str) -> Path:
    """A video with sound, subtitles of so many seconds, chapters and tags."""
    codec = TEXT[path.suffix[1:]]
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update({**TAGS, **tags})
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": start,
                    "end": end,
                    "time_base": Fraction(1),
                    "metadata": {"title": title},
                }
                for number, (start, end, title) in enumerate(CHAPTERS)
            ]
        )
        film, sound = add_video(container, clip), add_sound(container, "aac")
        text = container.add_mux_stream(codec)
        text.metadata["language"] = "eng"
        packets: list[Packet[Any]] = [*encode_video(film, clip), *encode_tone(sound, clip)]
        container.start_encoding()
        for second in (0, 1):
            words = f"Hello {second}".encode()
            subtitle = Packet(len(words).to_bytes(2, "big") + words if codec != "srt" else words)
            subtitle.stream = text
            subtitle.time_base = Fraction(1, 1000)
            subtitle.pts = subtitle.dts = 1000 * second + 200
            subtitle.duration = round(1000 * seconds)
            packets.append(subtitle)
        container.mux(sorted(packets, key=lambda p: (p.dts or 0) * p.time_base))
    return path


def rewrite(
    source: Path, target: Path, encoding: Encoding = DEFAULTS, frame_range: FrameRange = ALL
) -> Sequence[str]:
    with VideoSink(target, source, encoding, frame_range) as sink:
        for frame in read_video(source, "", frame_range):
            sink.write(frame)
    return sink.notes


def subtitles(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        [stream] = container.streams.subtitles
        assert stream.language == "eng"
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = [round(float((p.pts or 0) * p.time_base), 2) for p in packets]
        texts = [bytes(packet) for packet in packets]
    return [(time, text) for time, text in zip(times, texts, strict=True) if b"Hello" in text]


def chapters(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        return [
            (float(c["start"] * base), float(c["end"] * base), c["metadata"]["title"])
            for c in container.chapters()
            if (base := c["time_base"]) is not None
        ]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_subtitles_chapters_and_tags_are_kept_but_the_place(suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / f"a.{suffix}")
    notes = rewrite(source, tmp_path / f"b.{suffix}")
    assert notes == ["without the place of the recording; --keep-location keeps it"]
    assert subtitles(tmp_path / f"b.{suffix}") == subtitles(source)
    assert len(subtitles(source)) == 2
    assert chapters(tmp_path / f"b.{suffix}") == [(0, 1, "one"), (1, 2, "two")]
    with av.open(str(tmp_path / f"b.{suffix}")) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert {key: found.get(key) for key in TAGS} == {**TAGS, "location": None}
    assert numbers_in(tmp_path / f"b.{suffix}") == list(range(60))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_the_place_is_kept_if_asked_for(suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / f"a.{suffix}", make="Camera maker")
    assert rewrite(source, tmp_path / f"b.{suffix}", Encoding(keep_location=True)) == []
    with av.open(str(tmp_path / f"b.{suffix}")) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert found["location"] == TAGS["location"]
    assert found["make"] == "Camera maker"


def test_tags_are_left_out_if_asked_for(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mp4")
    assert rewrite(source, tmp_path / "b.mp4", Encoding(strip_metadata=True)) == []
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not TAGS.keys() & container.metadata.keys()


def test_a_range_moves_subtitles_and_chapters(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv")
    rewrite(source, tmp_path / "b.mkv", frame_range=FrameRange(start=Fraction(1)))
    assert [time for time, _ in subtitles(tmp_path / "b.mkv")] == [0.2]
    [(start, end, title)] = chapters(tmp_path / "b.mkv")
    assert (start, title) == (0, "two")
    assert end == pytest.approx(0.999), "the first frame is at 1.001 s"


def test_long_subtitles_do_not_hide_that_a_film_is_cut_short(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", seconds=1.2)
    assert len(times_of(source)) == 60
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(DamagedVideoError, match="cut short"):
        times_of(source)


def test_subtitles_that_the_container_does_not_hold_are_said_to_be_left_out(
    tmp_path: Path,
) -> None:
    source = make_film(tmp_path / "a.mkv")
    notes = rewrite(source, tmp_path / "b.mp4", Encoding(keep_location=True))
    assert notes == ["without subtitles in srt, which .mp4 does not hold"]


def test_a_cover_and_a_second_picture(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    clip = replace(CLIP, sound=())
    small = replace(clip, pictures=lambda index: numbered_image(255 - index, 32, 32))
    still = replace(small, times=constant_rate(1), codec="mjpeg", pixels="yuvj420p")
    with av.open(str(source), "w") as container:
        cover = add_video(container, still)
        cover.disposition = Disposition.attached_pic
        other = add_video(container, small)
        other.disposition = Disposition(0)
        film = add_video(container, clip)
        film.disposition = Disposition.default
        packets = [*encode_video(other, small), *encode_video(film, clip)]
        container.mux([*encode_video(cover, still), *packets])
    assert numbers_in(source) == list(range(60)), "the track that is marked as the default"
    assert rewrite(source, tmp_path / "b.mp4") == ["without its second picture track"]
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [s.codec_context.name for s in container.streams.video] == ["h264", "mjpeg"]
        assert container.streams.video[1].disposition & Disposition.attached_pic
    assert times_of(tmp_path / "b.mp4") == times_of(source)


def test_a_timecode_is_kept(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        film = add_video(container, replace(CLIP, sound=()))
        film.metadata["timecode"] = "01:00:00:00"
        container.mux(list(encode_video(film, CLIP)))
    assert rewrite(tmp_path / "a.mov", tmp_path / "b.mov") == []
    with av.open(str(tmp_path / "b.mov")) as container:
        assert container.streams.video[0].metadata["timecode"] == "01:00:00:00"


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    ],
    ids=["mirrored", "flipped", "transposed", "turned"],
)
def test_the_display_matrix_is_applied(
    matrix: tuple[int, ...], expected: Any, tmp_path: Path
) -> None:
    def corner(_: int) -> Any:
        image = np.full((48, 64, 3), 40, np.uint8)
        image[:16, :24] = 230
        return image

    clip = replace(CLIP, times=constant_rate(2), pictures=corner, sound=(), aspect=Fraction(4, 3))
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        film: VideoStream = add_video(container, clip)
        a, b, c, d = (value << 16 for value in matrix)
        film.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        container.mux(list(encode_video(film, clip)))
    [first, _] = read_video(tmp_path / "a.mp4", "")
    [gray, _] = read_video(tmp_path / "a.mp4", "", settings=ReadSettings(gray=True))
    shown = expected(corner(0))
    assert first.image.shape == shown.shape
    assert np.abs(first.image.astype(int) - shown).max() < 12
    assert gray.image.shape == shown.shape[:2]
    rewrite(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as written:
        turned = shown.shape[:2] != (48, 64)
        aspect = written.streams.video[0].sample_aspect_ratio
        assert aspect == (Fraction(3, 4) if turned else Fraction(4, 3))

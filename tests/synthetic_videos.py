"""Makes videos whose pixels encode each frame's number, and reads their content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from fkd_infer.media.video.reader import read_video
from fkd_infer.media.video.writer import VideoSink

NTSC = Fraction(30000, 1001)
SAMPLE_RATE = 48_000
MATRICES = {1: Colorspace.ITU709, 6: Colorspace.ITU601, 2: Colorspace.ITU601}
KINDS = {"flt": np.float32, "s16": np.int16, "s32": np.int32}
COLOURS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 0, 0), (40, 130, 200)]


def constant_rate(
    count: int, rate: Fraction = NTSC, start: Fraction = Fraction(0)
) -> list[Fraction]:
    return [start + i / rate for i in range(count)]


def variable_rate(count: int) -> list[Fraction]:
    ticks = np.cumsum([0, *([400, 1300, 512, 2000] * count)])[:count]
    return [Fraction(int(tick), 12_800) for tick in ticks]


def numbered_image(index: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Draws the bits of a number as eight stripes, black or white."""
    bits = (index >> np.arange(8)) & 1
    row = np.repeat(bits * 255, -(-width // 8))[:width]
    return np.tile(row[None, :, None], (height, 1, 3)).astype(np.uint8)


def number_in(image: NDArray[np.uint8]) -> int:
    stripes = np.array_split(image.mean(axis=(0, 2)), 8)
    return int(sum((stripe.mean() > 127) << i for i, stripe in enumerate(stripes)))


@dataclass(frozen=True)
class Clip:
    """The content and format of a video."""

    times: Sequence[Fraction] = field(default_factory=lambda: constant_rate(20))
    pictures: Callable[[int], NDArray[np.uint8]] = numbered_image
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
    key_frames: int = 0
    """Frames from one key frame to the next; 0 leaves it to the codec."""

    @property
    def end(self) -> Fraction:
        return self.times[-1] + 1 / self.rate


def make_video(path: Path, clip: Clip) -> Path:
    """Writes a clip with a tone, and with B-frames if its codec has them."""
    with av.open(str(path), "w", options=clip.options) as container:
        video = add_video(container, clip)
        sounds = [add_sound(container, name) for name in clip.sound]
        packets: list[Packet[Stream]] = list(encode_video(video, clip))
        for sound in sounds:
            packets += encode_tone(sound, clip)
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
        options = {"preset": "veryfast", "crf": "8", "bf": "2"}
        if clip.key_frames:
            options |= {"g": str(clip.key_frames), "sc_threshold": "0"}
        stream.codec_context.options = options
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def add_sound(container: OutputContainer, name: str) -> AudioStream:
    stream = container.add_stream(name, rate=SAMPLE_RATE)
    assert isinstance(stream, AudioStream)
    stream.bit_rate = 128_000
    return stream


def encode_video(stream: VideoStream, clip: Clip) -> Iterator[Packet[Stream]]:
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


def encode_tone(stream: AudioStream, clip: Clip) -> Iterator[Packet[Stream]]:
    layout = stream.format.name
    first = round(clip.sound_start * SAMPLE_RATE)
    for start in range(0, round((clip.end - clip.sound_start) * SAMPLE_RATE), 1024):
        wave = 0.3 * np.sin(np.arange(start, start + 1024) * (2 * np.pi * 440 / SAMPLE_RATE))
        wave = wave if layout.startswith("flt") else wave * 2**15
        both = np.stack([wave, wave]) if layout.endswith("p") else np.repeat(wave, 2)[None]
        kind = KINDS[layout.removesuffix("p")]
        frame = AudioFrame.from_ndarray(both.astype(kind), format=layout, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = (
            SAMPLE_RATE,
            first + start,
            Fraction(1, SAMPLE_RATE),
        )
        yield from stream.encode(frame)
    yield from stream.encode(None)


def times_of(path: Path) -> list[Fraction]:
    return [frame.time for frame in read_video(path, "")]


def numbers_in(path: Path) -> list[int]:
    return [number_in(frame.image) for frame in read_video(path, "")]


def sound_packets(path: Path) -> list[list[tuple[Fraction, bytes]]]:
    """Returns time and content of all packets, by sound stream."""
    found: dict[int, list[tuple[Fraction, bytes]]]
    with av.open(str(path)) as container:
        found = {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux():
            if packet.size and packet.pts is not None and packet.stream_index in found:
                time = packet.pts * packet.time_base
                found[packet.stream_index].append((time, bytes(packet)))
    return list(found.values())


def durations_of(path: Path) -> tuple[Fraction, Fraction]:
    """Returns the durations of the video stream and of the file, in seconds."""
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
        return sum(frame.samples for frame in container.decode(audio=0)) / SAMPLE_RATE


def rewrite_video(source: Path, target: Path, stop_after: int | None = None) -> None:
    with VideoSink(target, source) as sink:
        for frame in read_video(source, source.name):
            sink.write(frame)
            if frame.index + 1 == stop_after:
                break


def trim(source: Path, target: Path, seconds: Fraction) -> Path:
    """Shifts all packets to earlier times; an edit list hides those before zero."""
    with av.open(str(source)) as given, av.open(str(target), "w") as container:
        copies = [container.add_stream_from_template(s, opaque=True) for s in given.streams]
        for packet in given.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    return target


def noise_image(index: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(index).integers(0, 256, (48, 64, 3))
    return noise.astype(np.uint8)

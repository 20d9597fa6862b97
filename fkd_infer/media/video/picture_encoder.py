"""Encodes the pictures of a video, in the format, colours and depth that the first one has."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.media.video.colour import range_tag
from fkd_infer.media.video.container import OpenVideo
from fkd_infer.media.video.encoding import Encoder, Encoding
from fkd_infer.media.video.filtering import FieldMarker
from fkd_infer.media.video.picture import VideoPicture, new_frame
from fkd_infer.types import Frame

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_QUICKTIME = frozenset({".mp4", ".m4v", ".mov"})
"""Files in which Apple's players look for HEVC by another tag than libav's."""


_TIME_BASE = Fraction(1, 120_000)
"""For frames from no file: exact for 24, 25, 30 and 60 Hz and for NTSC."""
_RATE = Fraction(30)


_START = re.compile(rb"\x00\x00\x00?\x01")
"""The code that precedes each unit of H.264 and H.265."""


def _is_h264_note(unit: bytes) -> bool:
    return unit[0] & 0x1F == 6


def _is_h265_note(unit: bytes) -> bool:
    return unit[0] >> 1 & 0x3F in (39, 40)


_IS_NOTE = {"h264": _is_h264_note, "hevc": _is_h265_note}
"""Whether a unit is a note, such as about the encoder's threads, which frames do without."""


def parameter_sets(stream: VideoStream) -> bytes:
    """What decoders must know of all frames of a stream that was encoded here; streams in which it
    is equal can be joined."""
    context = stream.codec_context
    data = context.extradata or b""
    is_note = _IS_NOTE.get(context.codec.canonical_name)
    if is_note is None:
        return data
    units = [unit for unit in _START.split(data) if unit]
    return b"\x00\x00\x01".join(unit for unit in units if not is_note(unit))


def stored_picture(frame: Frame) -> VideoPicture:
    """A frame's picture as videos store it."""
    stored = frame.stored
    return stored if isinstance(stored, VideoPicture) else VideoPicture.of_image(frame.image)


def clock_of(source: OpenVideo | None) -> tuple[Fraction, Fraction]:
    """Returns the time base and the rate of a source, so that times are exact."""
    if source is None:
        return _TIME_BASE, _RATE
    return source.stream.time_base or _TIME_BASE, source.rate or _RATE


def open_encoder(
    container: OutputContainer,
    path: Path,
    first: Frame,
    source: OpenVideo | None,
    encoding: Encoding,
) -> PictureEncoder:
    """The encoder for frames like the first in the file `path`, with the clock of their source.

    Raises OutputError if the codec cannot encode such frames.
    """
    time_base, rate = clock_of(source)
    encoder = PictureEncoder(container, path, stored_picture(first), encoding, rate, time_base)
    if source is not None and (aspect := _aspect(source.stream, first)):
        encoder.stream.codec_context.sample_aspect_ratio = aspect
    return encoder


def _aspect(source: VideoStream, first: Frame) -> Fraction | None:
    """The width of a pixel over its height, upright; None if the frames have another size."""
    aspect, size = source.sample_aspect_ratio, (first.width, first.height)
    if not aspect or (source.width, source.height) == size:
        return aspect
    return 1 / aspect if (source.height, source.width) == size else None


class PictureEncoder:
    """The video stream of an output; `notes` tell what of the pictures is not kept.

    It makes no B-frames, so it returns a packet for each picture, in order. `step` is the usual
    duration of a picture, in the `time_base`. Pictures are copied into memory that is used again
    for each: encoders copy what they keep.
    """

    def __init__(
        self,
        container: OutputContainer,
        path: Path,
        first: VideoPicture,
        encoding: Encoding,
        rate: Fraction,
        time_base: Fraction,
    ) -> None:
        """Raises OutputError if the codec cannot encode pictures like the first."""
        from av.codec.context import ThreadType
        from av.video.reformatter import VideoReformatter
        from av.video.stream import VideoStream

        # SVT-AV1 writes what it does to the terminal, unless it is told to write errors alone.
        os.environ.setdefault("SVT_LOG", "1")
        height, width = first.luma.shape
        space = first.space
        encoder = encoding.encoder(path, space.bits)
        options = encoding.options(encoder, space, first.fields)
        has_alpha = first.alpha is not None and encoder.encodes_alpha and space.bits == 8
        format = "yuva420p" if has_alpha else encoding.pixel_format(path, width, height, space)
        stream = container.add_stream(encoder.name, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, format
        if has_alpha:
            stream.metadata["alpha_mode"] = "1"
        context = stream.codec_context
        stream.time_base = context.time_base = time_base
        context.max_b_frames = 0
        # PyAV's default, threads by slices, costs x264 both speed and quality.
        context.thread_type = ThreadType.AUTO
        context.colorspace, context.color_primaries = space.matrix, space.primaries
        context.color_trc, context.color_range = space.transfer, range_tag(space)
        if encoder.name == "libx265" and path.suffix.lower() in _QUICKTIME:
            context.codec_tag = "hvc1"
        self.stream = stream
        self.notes = _losses(first, encoder)
        self.time_base = time_base
        self.step = round(1 / (rate * time_base))
        self._frame = new_frame(width, height, space, has_alpha)
        self._format = format
        self._reformatter = VideoReformatter()
        is_marked = first.fields is not None and encoder.encodes_fields
        self._mark = FieldMarker(first.fields == "top") if is_marked else None

    def encode(self, picture: VideoPicture, tick: int) -> Sequence[Packet[VideoStream]]:
        """Encodes a picture of the first one's size; returns the packets that are ready."""
        picture.copy_to(self._frame)
        frame = self._frame
        if frame.format.name != self._format:
            frame = self._converted(frame)
        if self._mark is not None:
            frame = self._mark(frame)
        frame.pts, frame.time_base = tick, self.time_base
        return self.stream.encode(frame)

    def finish(self) -> Sequence[Packet[VideoStream]]:
        """Returns the packets that are left."""
        return self.stream.encode(None)

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        """A picture at the encoder's depth, or with chroma for each pixel."""
        from av.video.reformatter import Interpolation

        exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
        return self._reformatter.reformat(
            frame, format=self._format, interpolation=Interpolation.BILINEAR | exact, threads=1
        )


def _losses(first: VideoPicture, encoder: Encoder) -> list[str]:
    """What an encoder does not keep of pictures."""
    notes = [
        f"without its {name}: the picture below it is kept" for name in sorted(first.space.dynamic)
    ]
    if first.space.bits > encoder.bits:
        notes.append(f"its {first.space.bits} bits become {encoder.bits}")
    if first.alpha is not None and not encoder.encodes_alpha:
        notes.append("without its transparency")
    if first.fields is not None and not encoder.encodes_fields:
        what = "motion in this interlaced video may look combed, since its codec does not mark it"
        notes.append(f"{what}: --deinterlace avoids that")
    return notes

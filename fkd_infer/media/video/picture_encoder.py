"""Encodes the pictures of a video, in the format, colours and depth that the first one has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.media.video.colour import range_tag
from fkd_infer.media.video.encoding import Encoder, Encoding
from fkd_infer.media.video.filtering import FieldMarker
from fkd_infer.media.video.picture import VideoPicture, new_frame

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_QUICKTIME = frozenset({".mp4", ".m4v", ".mov"})
"""Files in which Apple's players look for HEVC by another tag than libav's."""


class PictureEncoder:
    """The video stream of an output; `notes` tell what of the pictures is not kept.

    It makes no B-frames. Pictures are copied into memory that is used again for each: encoders copy
    what they keep.
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
        self._time_base = time_base
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
        frame.pts, frame.time_base = tick, self._time_base
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

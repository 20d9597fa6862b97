"""Streams from the network: frames as they come, until they stop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from fkd_infer.errors import StoppedError, StreamError
from fkd_infer.limits import Limits
from fkd_infer.media.video.colour import to_bgr, to_gray
from fkd_infer.types import Frame

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

PROTOCOLS = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp")
OPENING = 15.0
"""Seconds within which a stream has to open."""
SILENCE = 10.0
"""Seconds without anything from it after which a stream counts as stopped."""
_BELOW = ("tcp", "tls", "rtp", "httpproxy", "crypto")
_ALLOWED = {"protocol_whitelist": ",".join((*PROTOCOLS, *_BELOW))}
"""Playlists name further addresses, which must not be files of this machine. libav has such a list
of its own for HTTP, and not for every other protocol."""
_OPTIONS = {"rtsp": {"rtsp_transport": "tcp"}, "rtsps": {"rtsp_transport": "tcp"}}
"""TCP, since UDP loses packets, and does not pass most routers."""
_USUAL_STEP = Fraction(1, 25)


def is_stream(text: str) -> bool:
    """Whether a source is the URL of a stream."""
    protocol, found, rest = text.partition("://")
    return bool(found and rest) and protocol.lower() in PROTOCOLS


def public_name(url: str) -> str:
    """A URL as far as nothing in it is secret: its protocol, host and port.

    Passwords stand before the host, but many cameras and servers have them in the path as well.
    """
    protocol, _, rest = url.partition("://")
    # A password may hold any character, so the host is what follows the last @.
    place = rest.rpartition("@")[2] if "@" in rest else rest
    return f"{protocol.lower()}://{re.split(r'[/?#]', place, maxsplit=1)[0]}"


def file_stem(url: str) -> str:
    """A file's name for a stream, of its host and port."""
    return "-".join(["stream", *re.findall(r"[\w.]+", public_name(url).partition("://")[2])])


def read_stream(
    url: str,
    gray: bool = False,
    opening: float = OPENING,
    silence: float = SILENCE,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """Frames of a stream, with the time since the first one, in the sender's clock.

    What cannot be decoded is left out, as happens until the first whole picture. Where the
    sender's clock starts anew, time goes on; another size of the picture is an end.

    Raises StreamError where it does not open or shows nothing, StoppedError where one that
    was to go on does not, and LimitError where its pictures are too large.
    """
    from av.video.reformatter import VideoReformatter

    name = public_name(url)
    convert = to_gray if gray else to_bgr
    reformatter = VideoReformatter()
    limits = limits or Limits()
    with _opened(url, name, opening, silence) as container:
        stream = container.streams.video[0]
        limits.check_video(name, stream.width, stream.height)
        stream.codec_context.options = {"max_pixels": str(limits.pixels)}
        endless = container.duration is None
        clock = _Clock(stream.average_rate)
        count = 0
        size: tuple[int, int] | None = None
        pictures = _pictures(container)
        why = "it ended"
        while True:
            try:
                picture = next(pictures, None)
            except _Silent as error:
                why, endless = str(error), True
                break
            if picture is None:
                break
            frame = Frame(convert(picture, reformatter), name, count, clock(picture))
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                was, now = (f"{w}x{h}" for w, h in (size, (frame.width, frame.height)))
                why, endless = f"its size changed from {was} to {now}", True
                break
            yield frame
            count += 1
    if count == 0:
        raise StreamError(name, f"shows no picture: {why}")
    if endless:
        raise StoppedError(name, f"the stream stopped after {count} frames: {why}")


class _Silent(Exception):  # noqa: N818 (tells an end, and never leaves this module)
    """Nothing more comes; its text says why."""


class _Clock:
    """Times of pictures since the first one, which always grow."""

    def __init__(self, rate: Fraction | None) -> None:
        self._step = 1 / rate if rate else _USUAL_STEP
        self._zero: Fraction | None = None
        self._last = -self._step

    def __call__(self, picture: VideoFrame) -> Fraction:
        """The time of the next picture."""
        ticks = picture.dts if picture.pts is None else picture.pts
        following = self._last + self._step
        if ticks is None or picture.time_base is None:
            self._last = following
            return following
        stated = ticks * picture.time_base
        if self._zero is None or stated - self._zero <= self._last:
            self._zero = stated - following
        self._last = stated - self._zero
        return self._last


def _opened(url: str, name: str, opening: float, silence: float) -> InputContainer:
    import av
    from av.error import FFmpegError

    options = _ALLOWED | _OPTIONS.get(url.partition("://")[0].lower(), {})
    try:
        container = av.open(
            url, "r", options=options, timeout=(opening, silence), metadata_errors="replace"
        )
    except (FFmpegError, OSError, ValueError) as error:
        raise StreamError(name, f"does not open: {_reason(error)}") from None
    if not container.streams.video or not container.streams.video[0].codec_context:
        container.close()
        raise StreamError(name, "holds no video that can be decoded")
    return container


def _reason(error: Exception) -> str:
    """What went wrong, without the URL, which an error's own text repeats."""
    return getattr(error, "strerror", None) or type(error).__name__


def _pictures(container: InputContainer) -> Iterator[VideoFrame]:
    from av.error import EOFError, FFmpegError, InvalidDataError

    stream = container.streams.video[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except EOFError:
            return
        except FFmpegError as error:
            raise _Silent(_reason(error)) from error
        if packet is None:
            return
        try:
            pictures = stream.decode(packet)
        except (InvalidDataError, EOFError):
            continue
        yield from (picture for picture in pictures if not picture.is_corrupt)

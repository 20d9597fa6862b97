"""Reads network streams: frames as they arrive, until the stream stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from fkd_infer.errors import StoppedError, StreamError
from fkd_infer.limits import Limits
from fkd_infer.media.video.converter import PictureConverter
from fkd_infer.media.video.filtering import deinterlaced
from fkd_infer.types import Frame, ReadSettings

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

PROTOCOLS = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp")
OPEN_TIMEOUT_S = 15.0
"""Within which a stream has to open."""
READ_TIMEOUT_S = 10.0
"""Without any data, after which a stream counts as stopped."""
_TRANSPORTS = ("tcp", "tls", "rtp", "httpproxy", "crypto")
_ALLOWED = {"protocol_whitelist": ",".join((*PROTOCOLS, *_TRANSPORTS))}
"""Playlists name further addresses, which must not be local files. libav has such a list by default
for HTTP, but not for all other protocols."""
_OPTIONS = {"rtsp": {"rtsp_transport": "tcp"}, "rtsps": {"rtsp_transport": "tcp"}}
"""TCP: UDP loses packets, and most routers block it."""
_DEFAULT_STEP = Fraction(1, 25)


def is_stream(text: str) -> bool:
    """Returns whether a SOURCE argument is the URL of a stream."""
    protocol, separator, rest = text.partition("://")
    return bool(separator and rest) and protocol.lower() in PROTOCOLS


def public_name(url: str) -> str:
    """Returns the part of a URL that holds no secret: protocol, host and port.

    Passwords precede the host, but many cameras and servers have them in the path too.
    """
    protocol, _, rest = url.partition("://")
    # A password may contain any character, so the host follows the last @.
    address = rest.rpartition("@")[2] if "@" in rest else rest
    return f"{protocol.lower()}://{re.split(r'[/?#]', address, maxsplit=1)[0]}"


def file_stem(url: str) -> str:
    """Returns a file name for a stream, of its host and port, without a suffix."""
    return "-".join(["stream", *re.findall(r"[\w.]+", public_name(url).partition("://")[2])])


def read_stream(
    url: str,
    settings: ReadSettings = ReadSettings(),  # noqa: B008 (frozen)
    open_timeout_s: float = OPEN_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """Yields the frames of a stream, with times since the first one by the sender's clock.

    Packets that cannot be decoded are skipped, as until the first key frame. If the sender's clock
    restarts, times continue. Frames of another size are scaled to that of the first.

    Raises StreamError if it does not open or shows nothing, StoppedError if a live stream stops,
    and LimitError for frames that are too large.
    """
    name = public_name(url)
    convert = PictureConverter(settings)
    limits = limits or Limits()
    with _open(url, name, open_timeout_s, read_timeout_s) as container:
        stream = container.streams.video[0]
        limits.check_video(name, stream.width, stream.height)
        stream.codec_context.options = {"max_pixels": str(limits.pixels)}
        is_live = container.duration is None
        clock = _Clock(stream.average_rate)
        count = 0
        pictures = ((picture, clock(picture)) for picture in _pictures(container))
        timed = deinterlaced(pictures) if settings.deinterlace else pictures
        why = "it ended"
        while True:
            try:
                following = next(timed, None)
            except _InterruptedError as error:
                why, is_live = str(error), True
                break
            if following is None:
                break
            image, stored = convert(following[0])
            yield Frame(image, name, count, following[1], stored)
            count += 1
    if count == 0:
        raise StreamError(name, f"shows no picture: {why}")
    if is_live:
        raise StoppedError(name, f"the stream stopped after {count} frames: {why}")


class _InterruptedError(Exception):
    """Nothing more arrives; the text says why. Never leaves this module."""


class _Clock:
    """Times of pictures since the first one, which always increase."""

    def __init__(self, rate: Fraction | None) -> None:
        self._step = 1 / rate if rate else _DEFAULT_STEP
        self._zero: Fraction | None = None
        self._last = -self._step

    def __call__(self, picture: VideoFrame) -> Fraction:
        """Returns the time of the next picture."""
        ticks = picture.dts if picture.pts is None else picture.pts
        following = self._last + self._step
        if ticks is None or picture.time_base is None:
            self._last = following
            return following
        timestamp = ticks * picture.time_base
        if self._zero is None or timestamp - self._zero <= self._last:
            self._zero = timestamp - following
        self._last = timestamp - self._zero
        return self._last


def _open(url: str, name: str, open_timeout_s: float, read_timeout_s: float) -> InputContainer:
    import av
    from av.error import FFmpegError

    options = _ALLOWED | _OPTIONS.get(url.partition("://")[0].lower(), {})
    timeouts = (open_timeout_s, read_timeout_s)
    try:
        container = av.open(url, "r", options=options, timeout=timeouts, metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise StreamError(name, f"does not open: {_reason(error)}") from None
    if not container.streams.video or not container.streams.video[0].codec_context:
        container.close()
        raise StreamError(name, "holds no video that can be decoded")
    return container


def _reason(error: Exception) -> str:
    """Returns why it failed, without the URL, which is part of the error's text."""
    from av.error import FFmpegError

    text = error.strerror if isinstance(error, FFmpegError | OSError) else None
    return text or type(error).__name__


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
            raise _InterruptedError(_reason(error)) from error
        if packet is None:
            return
        try:
            pictures = stream.decode(packet)
        except (InvalidDataError, EOFError):
            continue
        yield from (picture for picture in pictures if not picture.is_corrupt)

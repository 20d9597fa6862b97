"""What of a video could not be decoded."""

from __future__ import annotations

from fractions import Fraction

from fkd_infer.errors import DamagedVideoError
from fkd_infer.media.video.container import OpenVideo


class Damage:
    """Collects the damage of a video; the first of it is an error if `strict`.

    Damage before `start`, in seconds, does not count: pictures there may depend on others that were
    not read. `count` is the number of pictures decoded before it.
    """

    def __init__(self, video: OpenVideo, start: Fraction, strict: bool) -> None:
        self._video = video
        self._start = start
        self._strict = strict
        self.forget()

    def forget(self) -> None:
        """Starts again, as after a seek."""
        self._bad_packets = self._bad_pictures = 0
        self._since: Fraction | None = None
        self._end = ""

    def add_packet(self, time: Fraction | None, of_picture: bool, count: int) -> None:
        """Adds a packet of picture or sound that the file itself marks as damaged."""
        if self._counts(time):
            self._refuse(f"cut short or damaged after frame {count}")
            self._bad_packets += of_picture

    def add_picture(self, time: Fraction | None, count: int, why: str = "damaged") -> None:
        """Adds a picture of which not all could be decoded."""
        if self._counts(time):
            self._refuse(f"{why} (after frame {count})")
            self._bad_pictures += 1

    def end(self, why: str) -> None:
        """Notes that the video ends too early."""
        self._refuse(why)
        self._end = why

    def check(self) -> None:
        """Raises DamagedVideoError if there was any damage."""
        count = max(self._bad_packets, self._bad_pictures)
        parts = []
        if count:
            frames = "1 frame is" if count == 1 else f"{count} frames are"
            parts.append(f"{frames} damaged or missing{self._place()}")
        elif self._since is not None:
            parts.append(f"its sound is damaged{self._place()}")
        if self._end:
            parts.append(self._end)
        if parts:
            raise DamagedVideoError(self._video.path, ", and ".join(parts))

    def _refuse(self, why: str) -> None:
        if self._strict:
            raise self._video.damaged(why)

    def _counts(self, time: Fraction | None) -> bool:
        """Whether damage at a time counts; remembers the first."""
        if self._start and (time is None or time < self._start):
            return False
        if self._since is None:
            self._since = time
        return True

    def _place(self) -> str:
        if self._since is None:
            return ""
        minutes, seconds = divmod(max(float(self._since), 0.0), 60)
        return f" from {minutes:.0f}:{seconds:04.1f} on"

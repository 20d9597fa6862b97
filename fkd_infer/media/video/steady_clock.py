"""Times of packets that go on where the clock of a recording restarts."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_LONGEST_GAP_S = Fraction(10)
"""Between packets of a stream in a format whose clock may restart; ffmpeg's dts_delta_threshold."""
_LONGEST_STEP_BACK_S = Fraction(1, 10)


class SteadyClock:
    """Shifts the times of packets, in place, so that they go on where the clock restarts.

    It does where decoding times go back, and, if it `may_jump` as in MPEG-TS, where they leap
    ahead: recordings that were joined, broadcasts, cameras that set their clock. All streams
    restart together, so the first that does sets the shift of the others, and sound stays in step
    with its picture.
    """

    def __init__(self, may_jump: bool) -> None:
        self._may_jump = may_jump
        self._shifts: dict[int, Fraction] = {}
        self._last: dict[int, tuple[Fraction, Fraction]] = {}  # time and step, by stream
        self._newest = Fraction(0)

    def __call__(self, packet: Packet[Stream]) -> None:
        """Shifts the next packet of the file."""
        stream, base = packet.stream_index, packet.time_base
        if packet.stream.type not in ("video", "audio"):  # too rare to tell a restart from a pause
            self._shifts[stream] = self._newest
        elif packet.dts is not None:
            stored = packet.dts * base
            if stream in self._last and self._restarts(stream, stored):
                self._shifts[stream] = self._shift(stream, stored)
            time = stored + self._shifts.get(stream, 0)
            before, step = self._last.get(stream, (time, Fraction(0)))
            step = packet.duration * base if packet.duration else max(step, time - before)
            self._last[stream] = (time, step)
        shift = self._shifts.get(stream)
        if shift:
            ticks = round(shift / base)
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks

    def _restarts(self, stream: int, stored: Fraction) -> bool:
        last, step = self._last[stream]
        time = stored + self._shifts.get(stream, 0)
        leaps = self._may_jump and time > last + step + _LONGEST_GAP_S
        return leaps or time < last - _LONGEST_STEP_BACK_S

    def _shift(self, stream: int, stored: Fraction) -> Fraction:
        """The newest shift if another stream set it at this restart, or one to where the stream
        was."""
        last, step = self._last[stream]
        is_new = self._newest != self._shifts.get(stream, 0)
        if not is_new or abs(stored + self._newest - last) >= _LONGEST_GAP_S:
            self._newest = last + step - stored
        return self._newest

"""Times of packets that go on where the clock of a recording restarts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_LONGEST_GAP_S = Fraction(10)
"""Between packets of a stream in a format whose clock may restart; ffmpeg's dts_delta_threshold."""
_LONGEST_STEP_BACK_S = Fraction(1, 10)


@dataclass(slots=True)
class _StreamClock:
    """The clock of a stream: whole numbers of its time base, since there are many packets.

    `last` is the shifted decoding time of its last packet, None before the first.
    """

    base: Fraction
    longest_gap: int
    longest_step_back: int
    shift: int = 0
    last: int | None = None
    step: int = 0

    @classmethod
    def of(cls, base: Fraction) -> _StreamClock:
        """A clock that was not read yet."""
        return cls(base, round(_LONGEST_GAP_S / base), round(_LONGEST_STEP_BACK_S / base))

    def note(self, time: int, duration: int | None) -> None:
        """Notes a packet's shifted time."""
        before = time if self.last is None else self.last
        self.step = duration or max(self.step, time - before)
        self.last = time


class SteadyClock:
    """Shifts the times of packets, in place, so that they go on where the clock restarts.

    It does where decoding times go back, and, if it `may_jump` as in MPEG-TS, where they leap
    ahead: recordings that were joined, broadcasts, cameras that set their clock. All streams
    restart together, so the first that does sets the shift of the others, and sound stays in step
    with its picture.
    """

    def __init__(self, may_jump: bool) -> None:
        self._may_jump = may_jump
        self._clocks: dict[int, _StreamClock] = {}
        self._newest = Fraction(0)

    def __call__(self, packet: Packet[Stream]) -> None:
        """Shifts the next packet of the file."""
        clock = self._clocks.get(packet.stream.index)
        if clock is None:
            clock = self._clocks[packet.stream.index] = _StreamClock.of(packet.time_base)
        dts = packet.dts
        if packet.stream.type not in ("video", "audio"):  # too rare to tell a restart from a pause
            clock.shift = round(self._newest / clock.base) if self._newest else 0
        elif dts is not None:
            if self._restarts(clock, dts + clock.shift):
                clock.shift = self._shift(clock, dts)
            clock.note(dts + clock.shift, packet.duration)
        if clock.shift:
            packet.dts = None if dts is None else dts + clock.shift
            packet.pts = None if packet.pts is None else packet.pts + clock.shift

    def _restarts(self, clock: _StreamClock, time: int) -> bool:
        if clock.last is None:
            return False
        leaps = self._may_jump and time > clock.last + clock.step + clock.longest_gap
        return leaps or time < clock.last - clock.longest_step_back

    def _shift(self, clock: _StreamClock, stored: int) -> int:
        """The newest shift if another stream set it at this restart, or one to where the stream
        was."""
        assert clock.last is not None
        newest = round(self._newest / clock.base)
        if newest == clock.shift or abs(stored + newest - clock.last) >= clock.longest_gap:
            newest = clock.last + clock.step - stored
            self._newest = newest * clock.base
        return newest

"""Reads the chosen source: paces files, holds the picture in pauses, changes to other sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from fkd_infer.errors import FkdError, LiveError
from fkd_infer.live.latest import Latest
from fkd_infer.live.pacing import PlaybackClock
from fkd_infer.live.shared_settings import SharedSettings
from fkd_infer.live.source import LiveSource
from fkd_infer.types import Frame

_CHECK_S = 0.2
"""Seconds between checks, in a pause, whether the run has ended."""


@dataclass(frozen=True)
class ReadFrame:
    """A frame, and the number of the source that it is of."""

    source: int
    frame: Frame


class SourceReader:
    """Reads frames of the source that the settings name, into `latest`, until `stop` is set.

    A source that was chosen and gives no frame is refused: `problem` says why, and the source
    before it is opened again.
    """

    def __init__(
        self,
        sources: Sequence[LiveSource],
        settings: SharedSettings,
        latest: Latest[ReadFrame],
        stop: threading.Event,
    ) -> None:
        self.problem = ""
        self._sources, self._settings, self._latest, self._stop = sources, settings, latest, stop
        self._held: ReadFrame | None = None

    def run(self) -> None:
        """Reads until a camera or stream ends; raises the error by which a source fails."""
        ended = False
        while not ended and not self._stop.is_set():
            number, shown = self._settings.value.source, self._held
            try:
                ended = self._play(number)
            except FkdError as error:
                if shown is None or shown.source == number or self._held is not shown:
                    raise
                self._refuse(number, shown.source, error)

    def _play(self, number: int) -> bool:
        """Plays a source; returns whether it has ended, and not another one been chosen."""
        source, clock = self._sources[number], PlaybackClock()
        while True:
            is_empty = True
            with closing(_as_generator(source.frames())) as frames:
                for frame in frames:
                    if is_empty:
                        self._accept(number)
                    is_empty = False
                    wait = clock.wait(frame.time, time.monotonic()) if source.repeated else 0
                    if wait > 0:
                        self._stop.wait(wait)
                    if not self._is_chosen(number):
                        return False
                    self._put(ReadFrame(number, frame), source)
            if is_empty:
                raise LiveError("", "the source gave no frame", "does it play elsewhere?")
            if not source.repeated:
                return True
            clock.restart()

    def _put(self, read: ReadFrame, source: LiveSource) -> None:
        """Hands on a frame; in a pause, the one before it again after each change."""
        seen = self._settings.value
        if not seen.paused or self._held is None or self._held.source != read.source:
            self._held = read
            self._latest.put(read)
            return
        self._latest.put(self._held)
        while source.repeated and self._settings.value.paused and self._is_chosen(read.source):
            self._settings.wait_for_change(seen, _CHECK_S)
            if self._settings.value != seen:
                seen = self._settings.value
                self._latest.put(self._held)

    def _is_chosen(self, number: int) -> bool:
        return not self._stop.is_set() and self._settings.value.source == number

    def _accept(self, number: int) -> None:
        """Forgets the refusal of another source, once one was chosen that gives frames."""
        if self._held is None or self._held.source != number:
            self.problem = ""

    def _refuse(self, number: int, previous: int, error: FkdError) -> None:
        self.problem = f"{self._sources[number].title}: {error.without_subject}"
        settings = self._settings.value
        if settings.source == number:
            self._settings.replace_if(settings, replace(settings, source=previous))


def _as_generator(frames: Iterator[Frame]) -> Generator[Frame, None, None]:
    """The frames as a generator, so that closing it also closes a generator within."""
    yield from frames

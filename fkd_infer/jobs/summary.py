"""The summary of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkd_infer.errors import FkdError
from fkd_infer.stores.address import Place
from fkd_infer.system.hash_set import HashSet

if TYPE_CHECKING:
    from fkd_infer.jobs.failures import Failure

MAX_LISTED_PICTURES = 10
"""A summary lists this many pictures and counts the others."""


@dataclass
class Summary:
    """Counts, times and failures of a run.

    `stages` are seconds by stage, of all threads together. `pictures` lists the first pictures of
    `picture_count`. `reached` are the names of the sources that the run came to, and `skipped`
    counts those that an earlier run had completed. `complete` says whether all were reached;
    `stopped` whether a signal ended the run, and `fatal_error` which error did. `tracking` is a
    line about followed faces, or empty; `notes` are lines about outputs that keep something of
    their source in another form. `suffixes` counts those of completed sources and their outputs.
    """

    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    pictures: list[Place] = field(default_factory=list)
    picture_count: int = 0
    reached: HashSet = field(default_factory=HashSet)
    failures: list[Failure] = field(default_factory=list)
    skipped: int = 0
    complete: bool = False
    stopped: bool = False
    fatal_error: FkdError | None = None
    tracking: str = ""
    notes: list[str] = field(default_factory=list)
    suffixes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add_picture(self, picture: Place) -> None:
        """Counts a picture, and lists it if there is room."""
        self.picture_count += 1
        if len(self.pictures) < MAX_LISTED_PICTURES:
            self.pictures.append(picture)

    def lines(self) -> list[str]:
        """The summary as text: counts, speed, and time per stage."""
        lines = [self._counts(), self._stage_times()] if self.frames else []
        if self.skipped:
            verb = "was" if self.skipped == 1 else "were"
            lines.append(f"{counted(self.skipped, 'source')} {verb} complete from an earlier run")
        return [*lines, self.tracking] if self.tracking else lines

    def _counts(self) -> str:
        rate = self.frames / self.seconds if self.seconds else 0.0
        prefix = "stopped early: " if self.stopped else ""
        counts = f"{counted(self.frames, 'frame')}, {counted(self.faces, 'face')}"
        return f"{prefix}{counts} in {self.seconds:.1f} s, {rate:.1f} frames/s"

    def _stage_times(self) -> str:
        """Time per stage, with its share if several threads add up to more than the run."""
        parts = [f"{name} {1000 * s / self.frames:.1f}" for name, s in self.stages.items()]
        total = sum(self.stages.values())
        if total <= self.seconds:
            return f"ms per frame: {', '.join(parts)}"
        shares = [f"({100 * s / total:.0f} %)" for s in self.stages.values()]
        parts = [f"{part} {share}" for part, share in zip(parts, shares, strict=True)]
        return f"ms per frame, added up over all threads: {', '.join(parts)}"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural if needed."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""The summary of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import FkdError

if TYPE_CHECKING:
    from fkd_infer.jobs.failures import Failure

PICTURES_NAMED = 10
"""Outputs that a summary names."""


@dataclass
class Summary:
    """What a run did. `pictures` are the first of those made, which are `pictured`; `reached` names
    the sources whose turn came; `kept` counts those that an earlier run had completed; `whole`
    says whether all were reached, `ended` is why not where an error ended the run, and `followed`
    what is to be told of following faces."""

    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    pictured: int = 0
    reached: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    kept: int = 0
    whole: bool = False
    stopped: bool = False
    ended: FkdError | None = None
    followed: str = ""

    def lines(self) -> list[str]:
        """The summary for people: counts, speed, and each stage's time.

        Stages of several threads are longer in sum than the run, so there their shares are told.
        """
        rate = self.frames / self.seconds if self.seconds else 0.0
        ended = "stopped early: " if self.stopped else ""
        counts = f"{counted(self.frames, 'frame')}, {counted(self.faces, 'face')}"
        parts = [f"{name} {1000 * s / max(1, self.frames):.1f}" for name, s in self.stages.items()]
        per_frame = "ms per frame"
        whole = sum(self.stages.values())
        if whole > self.seconds:
            shares = [f"({100 * s / whole:.0f} %)" for s in self.stages.values()]
            parts = [f"{part} {share}" for part, share in zip(parts, shares, strict=True)]
            per_frame += ", those of all threads added up"
        lines = [
            f"{ended}{counts} in {self.seconds:.1f} s, {rate:.1f} frames/s",
            f"{per_frame}: {', '.join(parts)}",
        ]
        lines = lines if self.frames else []
        if self.kept:
            was = "was" if self.kept == 1 else "were"
            lines.append(f"{counted(self.kept, 'source')} {was} complete from an earlier run")
        return [*lines, self.followed] if self.followed else lines


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it has to be."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

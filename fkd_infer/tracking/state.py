"""The state of a tracker between two frames: saved, restored and compared.

Trackers of one video that began at different frames come to the same state, but for the ids, and
from then on they find the same faces, to the bit: points are placed in rounded boxes, speeds are
low-passes, what was lost is forgotten, and searches follow the video's own clock. A mark tells
that they did, without keeping their states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from fkd_infer.tracking.detection_schedule import DetectionSchedule
from fkd_infer.tracking.scene_change import SceneChangeDetector
from fkd_infer.tracking.track import MAX_PREDICTED, Track

_DIGEST_BYTES = 16


@dataclass(eq=False)
class TrackerState:
    """All that a tracker's next frame depends on, apart from its settings."""

    tracks: list[Track]
    last_id: int
    source: str | None
    time: Fraction
    scene: SceneChangeDetector
    schedule: DetectionSchedule

    def mark(self) -> TrackerMark:
        """What tells whether another tracker is in the same state after the same frame."""
        by_content = sorted((_content(track), track.id) for track in self.tracks)
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for content, _ in by_content:
            digest.update(content)
        digest.update(repr(self.schedule.state()).encode())
        return TrackerMark(digest.digest(), tuple(id for _, id in by_content), self.last_id)


@dataclass(frozen=True, slots=True)
class TrackerMark:
    """A tracker's state after a frame: a digest of all but ids, the `ids` of its tracks, ordered
    by the tracks' content, and the last id that it gave."""

    digest: bytes
    ids: tuple[int, ...]
    last_id: int

    def agrees_with(self, other: TrackerMark) -> bool:
        """Whether both trackers find the same faces in all later frames, whatever their ids."""
        return self.digest == other.digest

    def has_order_of(self, other: TrackerMark) -> bool:
        """Whether the ids of trackers that agree are in the same order."""
        return _order(self.ids) == _order(other.ids)

    def ids_of(self, other: TrackerMark) -> Ids:
        """Leads from the ids of another tracker that agrees to those of this one."""
        return Ids(dict(zip(other.ids, self.ids, strict=True)), self.last_id - other.last_id)


@dataclass(frozen=True, slots=True)
class Ids:
    """Leads from a tracker's ids to those of another: of faces that were there when both came to
    agree, by `known`; later ones are `shift` higher."""

    known: Mapping[int, int]
    shift: int

    def __getitem__(self, id: int) -> int:
        return self.known.get(id, id + self.shift)

    def then(self, further: Ids) -> Ids:
        """Leads from the same ids to where `further` leads from the ids that this leads to."""
        known = {one: further[other] for one, other in self.known.items()}
        return Ids(known, self.shift + further.shift)


def _order(ids: Sequence[int]) -> list[int]:
    return sorted(range(len(ids)), key=lambda n: ids[n])


def _content(track: Track) -> bytes:
    """All of a track that its future depends on, but its id."""
    pattern = track.pattern
    arrays: list[NDArray[np.generic] | None] = [
        *(track.points, track.box, track.speed, track.spread, track.cells),
        *((None, None) if pattern is None else (pattern.cells, pattern.offset)),
    ]
    # Longer than this, it does not matter for how long a face has been seen.
    seen = min(track.observed - track.first, MAX_PREDICTED)
    numbers = (
        *(track.score, track.presence, track.misses, track.lost, track.predicted, track.cut),
        *(track.time, track.observed, seen, track.any_roll),
        track.tilt if track.any_roll else 0.0,
        None if pattern is None else pattern.cell,
    )
    parts = (b"" if array is None else array.tobytes() for array in arrays)
    return repr(numbers).encode() + b"".join(parts)

"""Faces followed from frame to frame: detected now and then, framed by their own points between.

A face's next box is that of its last points, moved on by its speed. The points placed in it are its
own where the network is sure of them, or, where a network does not say, as long as a detector goes
on finding it; in any case only while they stay in the frame, keep their size and do not leap.
docs/tracking.md has the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import Smoothing
from fkd_infer.detection.base import Detector
from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import apply_rule, square_boxes
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.pipeline import ImageDetections, Pipeline, Presence
from fkd_infer.tracking.association import assigned, centres, distances, nearness, sides, squares
from fkd_infer.tracking.detection_schedule import Schedule
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.tracking.scene_change import Glance
from fkd_infer.types import Detections, Face, Frame

MEMORY = 1.0
"""Seconds for which a lost face keeps its id."""
SAME = 0.5
"""A detection this near to a followed face, in face sizes, is of it."""
NEAR = 1.5
"""A face this near to where a lost one was, or would be by now, is that one."""
GROWN = 1.35
"""A face's size does not change more from one frame to the next."""
LEAP = 0.4
"""Points further from the middle of their box, in its sides, are of something else."""
TWICE = 0.25
"""Faces nearer than this to each other, in sizes of the larger one, are one, followed twice."""
AFRESH = 0.04
"""Points whose box is off the one that they were placed in by more, in sides, are placed again."""
MISSES = 3
"""Searches in a row that do not find a face, after which it is lost if the network has no say."""
SPEED_SECONDS = 0.05
"""Time constant of a face's speed."""
AHEAD = 0.2
"""Seconds for which a speed is believed."""


@dataclass
class TrackingSummary:
    """What was followed, and how often a detector was asked."""

    frames: int = 0
    detections: int = 0

    def __str__(self) -> str:
        """A line for people."""
        return f"detector ran on {self.detections} of {self.frames} frames"


@dataclass(eq=False)
class _Track:
    """A face that is followed, or was until less than MEMORY ago."""

    id: int
    points: Floats
    box: Floats
    """Tight square (4,) of its last points."""
    score: float
    presence: float
    seen: Fraction
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """In pixels a second."""
    misses: int = 0
    lost: bool = False

    @classmethod
    def of(cls, name: int, face: Face, time: Fraction) -> _Track:
        """A face that was found for the first time."""
        box = squares(face.points[None])[0]
        return cls(name, face.points, box, face.score, _presence(face), time)

    def box_at(self, time: Fraction) -> Floats:
        """Where its box would be."""
        seconds = min(float(time - self.seen), AHEAD)
        return self.box + np.tile(self.speed * seconds, 2).astype(np.float32)

    def move(self, points: Floats, presence: float, time: Fraction) -> None:
        """Takes points of a later frame."""
        box = squares(points[None])[0]
        seconds = float(time - self.seen)
        if self.lost:
            self.speed = np.zeros(2)
        elif seconds > 0:
            now = (centres(box) - centres(self.box)) / seconds
            self.speed = self.speed + (now - self.speed) * seconds / (SPEED_SECONDS + seconds)
        self.points, self.box, self.presence = points, box, presence
        self.seen, self.lost = time, False

    def find(self, face: Face, time: Fraction) -> None:
        """Takes a face that a detector found, wherever it is."""
        self.lost = True  # so that its leap is not taken for a speed
        self.move(face.points, _presence(face), time)
        self.score, self.misses = face.score, 0


class Tracker:
    """Follows the faces of one video at a time, frame by frame; frames come in order.

    `detector` searches whole frames: every `detect_every` frames, or, where that is None, as often
    as what happens asks for (see Schedule), and at once where a face is lost. Faces have an `id`
    from 1 on, which they keep while they are followed and where they come back within a second,
    and are in order of it. Their `score` is the last that a detector gave, their `box` is drawn
    around their points as the detector would draw it. Another source, or a time that does
    not go on, begins anew; one Tracker is for one thread.

    It is not for WholeImageDetector, whose pictures are crops already, nor for boxes from a file.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        detector: Detector,
        detect_every: int | None = None,
        smoothing: Smoothing = "off",
    ) -> None:
        self.pipeline = pipeline
        self.detector = detector
        self.summary = TrackingSummary()
        self._schedule = Schedule(detect_every)
        self._smoother = Smoother(smoothing)
        self.reset()

    @property
    def smoothing(self) -> Smoothing:
        """The level of smoothing, which may be changed between frames."""
        return self._smoother.level

    @smoothing.setter
    def smoothing(self, level: Smoothing) -> None:
        self._smoother.level = level

    def reset(self) -> None:
        """Forgets all faces; ids begin with 1 again. The summary goes on."""
        self._tracks: list[_Track] = []
        self._count = 0
        self._source: str | None = None
        self._time = Fraction(0)
        self._glance: Glance | None = None
        self._schedule.reset()
        self._smoother.reset()

    def __call__(self, frame: Frame) -> list[Face]:
        """The faces of the next frame."""
        if frame.source != self._source or frame.time <= self._time:
            self.reset()
        self._tracks = [t for t in self._tracks if frame.time - t.seen <= MEMORY]
        glance = Glance.at(frame.image)
        if self._glance is not None and glance.is_cut_from(self._glance):
            self._cut()
        self._follow(frame)
        self._source, self._time, self._glance = frame.source, frame.time, glance
        boxes = _boxes(self._followed())
        if self._schedule.due(frame.time, glance, boxes):
            self._detect(frame)
            self._schedule.searched(frame.time, glance)
            self.summary.detections += 1
        self.summary.frames += 1
        faces = [self._face(track) for track in self._followed()]
        return [self._drawn(face) for face in self._smoother(frame.time, faces)]

    def _cut(self) -> None:
        """Another shot begins: a network without a say would see the old faces in it."""
        self._smoother.reset()
        self._schedule.news()
        if not self._asks:
            self._lose(self._followed())

    def _followed(self) -> list[_Track]:
        return [track for track in self._tracks if not track.lost]

    def _lose(self, tracks: list[_Track]) -> None:
        for track in tracks:
            track.lost = True
        if tracks:
            self._schedule.news()

    @property
    def _asks(self) -> bool:
        """Whether the network's word decides on faces."""
        return self.pipeline.card.output.score and self.pipeline.min_presence > 0

    def _follow(self, frame: Frame) -> None:
        """Places the points of all faces anew; lost ones are looked for where they were."""
        tracks = self._tracks if self._asks else self._followed()
        if not tracks:
            return
        boxes = np.stack([t.box if t.lost else t.box_at(frame.time) for t in tracks])
        points, presence = self._placed(frame, boxes)
        good = _plausible(frame, boxes, points) & self._sure(presence)
        placed = squares(points)
        taken: list[int] = []
        lost: list[_Track] = []
        # Of two tracks on one face the older stays, and any stays before one that was lost.
        for number in sorted(range(len(tracks)), key=lambda n: (tracks[n].lost, tracks[n].id)):
            track = tracks[number]
            apart = nearness(placed[[number]], placed[taken])
            if good[number] and (apart > TWICE).all():
                taken.append(number)
                track.move(points[number], float(presence[number]), frame.time)
            elif not track.lost:
                lost.append(track)
        self._lose(lost)

    def _sure(self, presence: Presence) -> NDArray[np.bool_]:
        """Which faces the network sees too; all, where it has no say."""
        return np.isnan(presence) | (presence >= self.pipeline.min_presence)

    def _placed(self, frame: Frame, boxes: Floats) -> tuple[Floats, Presence]:
        """Points (n, k, 2) and presence (n,), placed again where the first are far off the box."""
        points, presence = self.pipeline.landmarks_with_presence(frame.image, boxes)
        placed = squares(points)
        off = np.abs(placed - boxes).max(axis=1) > AFRESH * sides(boxes)
        anew = np.flatnonzero(off & (sides(placed) > 1))
        if self.pipeline.refine and anew.size:
            points[anew], presence[anew] = self.pipeline.landmarks_with_presence(
                frame.image, placed[anew]
            )
        return points, presence

    def _detect(self, frame: Frame) -> None:
        """Searches the frame: for the followed faces, those that were lost, and new ones."""
        searched = self.pipeline.detect(frame.image, self.detector)
        found, rule = searched.detections, searched.rule
        tight = square_boxes(*apply_rule(found.boxes, rule))
        followed = self._followed()
        pairs = dict(assigned(distances(tight, _boxes(followed)), SAME))
        for number, which in pairs.items():
            followed[which].misses = 0
            followed[which].score = float(found.scores[number])
        unseen = [t for which, t in enumerate(followed) if which not in pairs.values()]
        rest = [number for number in range(len(found)) if number not in pairs]
        if rest:
            left = Detections(found.boxes[rest], found.scores[rest])
            faces = self.pipeline.place_points([ImageDetections(searched.image, left, rule)])[0]
            unseen = self._corrected(frame, faces, unseen)
        for track in unseen:
            self._missed(track)

    def _corrected(self, frame: Frame, faces: list[Face], unseen: list[_Track]) -> list[_Track]:
        """Takes found faces that no followed one was matched to: new ones, those that were lost,
        and followed ones that have slipped to another size. Gives those that are still unseen."""
        followed = self._followed()
        places = _boxes(followed)
        new: list[Face] = []
        for face in faces:
            square = squares(face.points[None])
            near = np.flatnonzero(nearness(square, places)[0] <= TWICE)
            if not near.size:
                places = np.concatenate([places, square])
                new.append(face)
            elif near[0] < len(followed) and (twin := followed[near[0]]) in unseen:
                twin.find(face, frame.time)
                unseen = [track for track in unseen if track is not twin]
        if new:
            self._schedule.news()
            self._named(frame, new)
        return unseen

    def _named(self, frame: Frame, faces: list[Face]) -> None:
        """Takes found faces that nobody is followed as: those that were lost, and new ones."""
        lost = [track for track in self._tracks if track.lost]
        places = squares(np.stack([face.points for face in faces]))
        # One that was lost is where it was, or where it was heading for.
        stayed = distances(places, _boxes(lost))
        went = distances(places, np.array([t.box_at(frame.time) for t in lost]).reshape(-1, 4))
        pairs = dict(assigned(np.minimum(stayed, went), NEAR))
        for number, face in enumerate(faces):
            if number in pairs:
                lost[pairs[number]].find(face, frame.time)
            else:
                self._count += 1
                self._tracks.append(_Track.of(self._count, face, frame.time))

    def _missed(self, track: _Track) -> None:
        """A followed face that a search did not find: the network's word outweighs it."""
        if not self._asks:
            track.misses += 1
            track.lost = track.misses >= MISSES
            self._schedule.news()

    def _face(self, track: _Track) -> Face:
        presence = None if np.isnan(track.presence) else track.presence
        return Face(track.points, track.box, track.score, track.id, presence)

    def _drawn(self, face: Face) -> Face:
        """The face with its box as the detector would draw it around its points."""
        rule = self.detector.rule
        back = BoxRule(1 / rule.scale, (-rule.shift[0] / rule.scale, -rule.shift[1] / rule.scale))
        return replace(face, box=square_boxes(*apply_rule(squares(face.points[None]), back))[0])


def _plausible(frame: Frame, boxes: Floats, points: Floats) -> NDArray[np.bool_]:
    """Whether points (n, k, 2) may be of what was in boxes (n, 4) a frame ago."""
    placed, widths = squares(points), sides(boxes)
    grown = np.maximum(sides(placed), 1e-3) / widths
    leap = np.linalg.norm(centres(placed) - centres(boxes), axis=-1) / widths
    inside = ((points > -0.5) & (points < (frame.width - 0.5, frame.height - 0.5))).all(axis=-1)
    kept = (grown < GROWN) & (grown > 1 / GROWN) & (leap < LEAP)
    return np.asarray(kept & (inside.mean(axis=1) >= 0.5))


def _presence(face: Face) -> float:
    return np.nan if face.presence is None else face.presence


def _boxes(tracks: list[_Track]) -> Floats:
    return np.array([track.box for track in tracks], np.float32).reshape(-1, 4)

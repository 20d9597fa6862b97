"""Tracks faces from frame to frame: detected now and then, framed by their own points in between.

The box of a face in the next frame is the box of its last points, moved on by its speed. The points
placed in it belong to the face if the network's presence score says so or, without a score, while
searches keep detecting the face; and only if they stay in the frame, keep their size and do not
leap. If they do not belong to it, its picture says where it went, as when motion blurs it.
docs/explanation/tracking.md describes the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import Smoothing
from fkd_infer.detection.base import Detector
from fkd_infer.geometry.arrays import Floats
from fkd_infer.pipeline import ImageDetections, Pipeline, Placement, tight_boxes
from fkd_infer.system.arguments import AtLeastOne, checked
from fkd_infer.tracking.association import (
    FAR,
    assign,
    centre_distances,
    centres,
    face_distances,
    rounded,
    sides,
    squares,
)
from fkd_infer.tracking.detection_schedule import DetectionSchedule
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.tracking.pattern import Pattern
from fkd_infer.tracking.scene_change import SceneChangeDetector, Thumbnail, face_cells
from fkd_infer.tracking.state import TrackerMark, TrackerState
from fkd_infer.tracking.track import MAX_PREDICTED, Track
from fkd_infer.tracking.tracked_frame import TrackedFrame, finished_faces
from fkd_infer.types import Face, Frame

MEMORY_SECONDS = 1.0
"""A lost face keeps its id for this long."""
SAME_FACE = 0.5
"""A detection at a smaller distance from a tracked face, in sides, is that face."""
SAME_LOST_FACE = 1.5
"""A detection at a smaller distance from where a face was lost, or was heading, is that face."""
DUPLICATE = 0.25
"""Faces at a smaller distance, in sides of the larger, are one face."""
MAX_GROWTH = 1.35
"""A face's size does not change more from one frame to the next."""
MAX_LEAP = 0.4
"""Points further from the middle of their box, in its sides, belong to something else."""
MAX_OFFSET = 0.04
"""Points whose box is off the box that they were placed in by more, in sides, are placed again."""
MAX_MISSES = 3
"""Without a presence score, a face is lost after this many searches in a row without it."""


@dataclass
class TrackingSummary:
    """Numbers of tracked frames and of searches."""

    frames: int = 0
    detections: int = 0

    def __str__(self) -> str:
        """One line for the user."""
        return f"detector ran on {self.detections} of {self.frames} frames"


class Tracker:
    """Tracks the faces of one video at a time; frames come in order.

    `detector` searches every `detect_every` frames or, if that is None, when something changes; and
    also after a face was lost. `smoothing` is "off", "low", "medium" or "high".

    Faces have an `id` from 1 on and are sorted by it; they keep it while they are tracked and if
    they return within a second. Their `score` is that of the last detection, their `box` is drawn
    around the points as the detector would draw it. A face on which no points can be placed is
    `predicted` for up to 0.3 s. Another source, or a time that does not advance, starts anew. A
    Tracker is not thread-safe. Raises SettingsError.

    Trusted detectors, such as `none`, and boxes from a file need no tracking.

    Examples:
        >>> import fkd_infer
        >>> (video,) = fkd_infer.expand_sources("party.mp4")
        >>> pipeline = fkd_infer.load()
        >>> tracker = fkd_infer.Tracker(pipeline, pipeline.detector, smoothing="medium")
        >>> for frame in fkd_infer.frames_from(video, fkd_infer.FrameRange(max_frames=2)):
        ...     print([face.id for face in tracker(frame)])
        [1]
        [1]
        >>> str(tracker.summary)
        'detector ran on 1 of 2 frames'
    """

    @checked
    def __init__(
        self,
        pipeline: Pipeline,
        detector: Detector,
        detect_every: AtLeastOne | None = None,
        smoothing: Smoothing = "off",
    ) -> None:
        self.pipeline = pipeline
        self.detector = detector
        self.summary = TrackingSummary()
        self._detect_every = detect_every
        self._schedule = DetectionSchedule(detect_every)
        self._smoother = Smoother(smoothing)
        self.reset()

    def another(self) -> Tracker:
        """A tracker with the same settings that has seen nothing."""
        return Tracker(self.pipeline, self.detector, self._detect_every, self.smoothing)

    @property
    def smoothing(self) -> Smoothing:
        """The level of smoothing, which may be changed between frames."""
        return self._smoother.level

    @smoothing.setter
    def smoothing(self, level: Smoothing) -> None:
        self._smoother.level = level

    def reset(self, number: int = 0) -> None:
        """Forgets all faces; ids start at 1 again. The summary continues.

        `number` is that of the next frame, counted from 0, if it is not the first of its video.
        """
        self._tracks: list[Track] = []
        self._last_id = 0
        self._source: str | None = None
        self._time = Fraction(0)
        self._contested = False
        self._scene = SceneChangeDetector()
        self._schedule.reset(number)
        self._smoother.reset()

    def __call__(self, frame: Frame) -> list[Face]:
        """The faces of the next frame, sorted by id; points in its pixels."""
        return finished_faces(self.track(frame), self._smoother, self.detector.rule)

    def track(self, frame: Frame) -> TrackedFrame:
        """The faces of the next frame, without smoothing."""
        starts = self._source is None or frame.time <= self._time or frame.source != self._source
        if starts and self._source is not None:
            self.reset()
        self._contested = False
        self._tracks = [t for t in self._tracks if frame.time - t.observed <= MEMORY_SECONDS]
        thumbnail = Thumbnail.of(frame.image)
        if cut := self._scene.is_cut(thumbnail):
            self._start_shot()
        self._track(frame)
        self._rename_strangers(frame)
        self._source, self._time = frame.source, frame.time
        if self._is_missed(frame.time):
            self._schedule.report_event()
        searched = self._schedule.is_due(frame.time, thumbnail, _boxes(self._shown()))
        if searched:
            self._search(frame)
            self._schedule.report_search(frame.time, thumbnail)
            self.summary.detections += 1
        self.summary.frames += 1
        for track in self._tracked():
            track.cells, track.cut = face_cells(frame.image, track.box), False
        for track in self._shown():
            track.pattern = Pattern.of(frame.image, track.box)
        faces = [track.to_face() for track in self._shown()]
        return TrackedFrame(frame.time, faces, starts or cut, self._contested, searched)

    def state(self) -> TrackerState:
        """A copy of the state after the last frame, but for the smoothing."""
        state = self._tracks, self._last_id, self._source, self._time, self._scene, self._schedule
        return deepcopy(TrackerState(*state))

    def restore(self, state: TrackerState) -> None:
        """Continues from a state, of this tracker or of one with the same settings."""
        state = deepcopy(state)
        self._tracks, self._last_id = state.tracks, state.last_id
        self._source, self._time = state.source, state.time
        self._scene, self._schedule = state.scene, state.schedule
        self._smoother.reset()

    def mark(self) -> TrackerMark:
        """The mark of the state after the last frame."""
        state = self._tracks, self._last_id, self._source, self._time, self._scene, self._schedule
        return TrackerState(*state).mark()

    def _start_shot(self) -> None:
        """Reacts to a cut. Without a presence score, old faces would be seen in the new shot."""
        self._schedule.report_event()
        for track in self._tracks:
            track.cut = True
        if not self._uses_presence:
            self._lose(self._shown())

    def _rename_strangers(self, frame: Frame) -> None:
        """Gives faces a new id that are in the place of others after a cut, but unlike them."""
        strangers = [
            track
            for track in self._tracked()
            if track.cut and not track.may_be(face_cells(frame.image, track.box))
        ]
        for track in strangers:
            self._last_id += 1
            track.id = self._last_id
        self._tracks.sort(key=lambda track: track.id)
        self._contested |= len(strangers) > 1

    def _shown(self) -> list[Track]:
        return [track for track in self._tracks if not track.lost]

    def _tracked(self) -> list[Track]:
        return [track for track in self._shown() if not track.predicted]

    def _lose(self, tracks: Sequence[Track]) -> None:
        for track in tracks:
            track.lost, track.predicted = True, False
        if tracks:
            self._schedule.report_event()

    def _is_missed(self, time: Fraction) -> bool:
        """Whether a face was seen a short while ago, but not in the frame at `time`."""
        return any(0 < time - track.observed <= MAX_PREDICTED for track in self._tracks)

    @property
    def _uses_presence(self) -> bool:
        """Whether the network's presence score decides if a face is still there."""
        return self.pipeline.card.output.score and self.pipeline.min_presence > 0

    def _track(self, frame: Frame) -> None:
        """Places points on all faces; lost faces are tried where they were."""
        tracks = self._tracks if self._uses_presence else self._shown()
        boxes = [t.box if t.lost else t.box_at(frame.time) for t in tracks]
        unseen = self._observe(frame, tracks, boxes)
        shown = [track for track in unseen if not track.lost]
        self._follow(frame, shown)
        self._lose([track for track in shown if track.time < frame.time])

    def _observe(
        self, frame: Frame, tracks: Sequence[Track], boxes: Sequence[Floats]
    ) -> list[Track]:
        """Places points on faces in boxes (4,); returns the tracks of those that are not there."""
        if not tracks:
            return []
        rolls = np.array([track.roll for track in tracks])
        known = rounded(np.stack(boxes))
        placement, placed = self._place(frame, known, rolls)
        valid = _plausible(frame, known, placement.points, placed)
        valid &= self.pipeline.is_present(placement.presence)
        kinds = [track.rank[:2] for track in tracks]
        unseen: list[Track] = []
        for number in sorted(range(len(tracks)), key=lambda n: tracks[n].rank):
            track, box, kind = tracks[number], placed[number], kinds[number]
            rivals = [t for t, other in zip(tracks, kinds, strict=True) if other == kind]
            taken = valid[number] and self._is_taken(box, frame, rivals)
            if not valid[number] or taken or track.is_another(frame, box):
                unseen.append(track)
                continue
            track.move(
                placement.points[number],
                box,
                float(placement.presence[number]),
                frame.time,
                placement.spread_of(number),
            )
        return unseen

    def _follow(self, frame: Frame, tracks: Sequence[Track]) -> None:
        """Places points on faces where their pictures are found; else predicts them there."""
        found = {track.id: track.find(frame.image, frame.time) for track in tracks}
        boxes = {number: box for number, box in found.items() if box is not None}
        followed = [track for track in tracks if track.id in boxes]
        for track in self._observe(frame, followed, [boxes[track.id] for track in followed]):
            box = boxes[track.id]
            inside = np.abs(centres(box) / (frame.width, frame.height) - 0.5).max() < 0.5
            if (
                inside
                and track.is_predictable(frame.time)
                and not self._is_taken(box, frame, followed)
            ):
                track.predict(box, frame.time)

    def _is_taken(self, box: Floats, frame: Frame, rivals: Sequence[Track]) -> bool:
        """Whether a face was already seen in the place of a box (4,) of this frame.

        If by one of the `rivals`, which come before others by their ids alone, it was contested.
        """
        seen = [track for track in self._tracks if track.time == frame.time]
        near = (centre_distances(box[None], _boxes(seen)) <= DUPLICATE)[0]
        takers = [track for track, is_near in zip(seen, near, strict=True) if is_near]
        self._contested |= any(track in rivals for track in takers)
        return bool(takers)

    def _place(self, frame: Frame, boxes: Floats, rolls: Floats) -> tuple[Placement, Floats]:
        """Places points in boxes (n, 4), twice if they are far off; also returns their own squares.

        `rolls` (n,) are how far the faces are turned, in degrees clockwise.
        """
        placement = self.pipeline.place(frame.image, boxes, rolls=rolls)
        placed = squares(placement.points)
        off = np.abs(placed - boxes).max(axis=1) > MAX_OFFSET * sides(boxes)
        rows = np.flatnonzero(off & (sides(placed) > 1))
        if self.pipeline.refine and rows.size:
            again = self.pipeline.place(frame.image, placed[rows], rolls=rolls[rows])
            placement.replace(rows, again)
            placed[rows] = squares(again.points)
        return placement, placed

    def _search(self, frame: Frame) -> None:
        """Searches the frame for tracked, lost and new faces."""
        has_hidden_colour = frame.image.ndim == 2 and frame.stored is not None
        sees_it = has_hidden_colour and self.detector.traits.sees_colour
        image = frame.bgr() if sees_it else frame.image
        found = self.pipeline.detect(image, self.detector)
        detections, rule = found.detections, found.rule
        tight = tight_boxes(detections, rule)
        tracked = self._tracked()
        pairs = dict(assign(face_distances(tight, _boxes(tracked)), SAME_FACE))
        for number, which in pairs.items():
            tracked[which].misses = 0
            tracked[which].score = float(detections.scores[number])
        missed = [track for which, track in enumerate(tracked) if which not in pairs.values()]
        unmatched = [number for number in range(len(detections)) if number not in pairs]
        if unmatched:
            rest = detections.select(np.array(unmatched))
            faces = self.pipeline.place_points([ImageDetections(frame.image, rest, rule)])[0]
            missed = self._add_unmatched(frame, faces, missed)
        for track in missed:
            self._count_miss(track)
        self._lose([track for track in self._shown() if track.predicted and self._is_seen(track)])

    def _is_seen(self, predicted: Track) -> bool:
        """Whether a face was found in the place of one that is predicted."""
        distances = centre_distances(predicted.box[None], _boxes(self._tracked()))
        return bool((distances <= DUPLICATE).any())

    def _add_unmatched(
        self, frame: Frame, faces: Sequence[Face], missed: list[Track]
    ) -> list[Track]:
        """Adds faces that match no track, and corrects tracks that slipped to another size.

        Returns the tracks that are still missed.
        """
        tracked = self._tracked()
        known = _boxes(tracked)
        new: list[Face] = []
        for face in faces:
            square = squares(face.points[None])
            near = np.flatnonzero(centre_distances(square, known)[0] <= DUPLICATE)
            if not near.size:
                known = np.concatenate([known, square])
                new.append(face)
            elif near[0] < len(tracked) and (twin := tracked[near[0]]) in missed:
                twin.recover(face, frame.time)
                missed = [track for track in missed if track is not twin]
        if new:
            self._schedule.report_event()
            self._identify(frame, new)
        return missed

    def _identify(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Matches detected faces to lost ones, and starts tracks of the others."""
        lost = [track for track in self._tracks if track.lost or track.predicted]
        boxes = squares(np.stack([face.points for face in faces]))
        # A lost face is where it was, or where it was heading for.
        from_last = face_distances(boxes, _boxes(lost))
        expected = np.array([t.box_at(frame.time) for t in lost]).reshape(-1, 4)
        from_expected = face_distances(boxes, expected)
        costs = np.minimum(from_last, from_expected)
        for number, box in enumerate(boxes):
            cells = face_cells(frame.image, box)
            costs[number, [not track.may_be(cells) for track in lost]] = FAR
        pairs = dict(assign(costs, SAME_LOST_FACE))
        any_roll = self.detector.traits.any_roll
        for number, face in enumerate(faces):
            if number in pairs:
                lost[pairs[number]].recover(face, frame.time)
            else:
                self._last_id += 1
                self._tracks.append(Track.start(self._last_id, face, frame.time, any_roll))

    def _count_miss(self, track: Track) -> None:
        """Counts a search that did not detect a tracked face; a presence score outweighs it."""
        if not self._uses_presence:
            track.misses += 1
            track.lost = track.misses >= MAX_MISSES
            self._schedule.report_event()


def _plausible(frame: Frame, boxes: Floats, points: Floats, placed: Floats) -> NDArray[np.bool_]:
    """Whether points (n, k, 2), and the squares around them, may be of the faces that were in boxes
    (n, 4) a frame ago."""
    widths = sides(boxes)
    growth = np.maximum(sides(placed), 1e-3) / widths
    leap = np.linalg.norm(centres(placed) - centres(boxes), axis=-1) / widths
    inside = ((points > -0.5) & (points < (frame.width - 0.5, frame.height - 0.5))).all(axis=-1)
    similar = (growth < MAX_GROWTH) & (growth > 1 / MAX_GROWTH) & (leap < MAX_LEAP)
    return np.asarray(similar & (inside.mean(axis=1) >= 0.5))


def _boxes(tracks: Sequence[Track]) -> Floats:
    return np.array([track.box for track in tracks], np.float32).reshape(-1, 4)

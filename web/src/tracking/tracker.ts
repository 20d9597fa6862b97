/**
 * Tracks faces from frame to frame: detected now and then, framed by their own points in between.
 *
 * The rules are those of `fkd_infer/tracking/tracker.py`, without its pictures of faces: it neither
 * follows blurred faces nor tells cuts.
 */

import { SEARCH_SIZES, SMOOTHINGS, type Smoothing } from "../choices";
import { SettingsError } from "../errors";
import type { Pixels } from "../geometry/arrays";
import { derivedBox } from "../geometry/boxes";
import { inverseRule } from "../geometry/rules";
import { checkMaxSize, square, type Pipeline, type Placement } from "../pipeline";
import { selectDetections, type Box, type Face } from "../types";
import {
  assign,
  centre,
  centreDistance,
  distance,
  faceDistance,
  rounded,
  side,
} from "./association";
import { DetectionSchedule } from "./detection-schedule";
import { Smoother } from "./one-euro";
import { Track } from "./track";

/** A lost face keeps its id for this long. */
export const MEMORY_SECONDS = 1;
/** A detection at a smaller distance from a tracked face, in sides, is that face. */
export const SAME_FACE = 0.5;
/** A detection at a smaller distance from where a face was lost is that face. */
export const SAME_LOST_FACE = 1.5;
/** Faces at a smaller distance, in sides of the larger, are one face. */
export const DUPLICATE = 0.25;
/** A face's size does not change more from one frame to the next. */
export const MAX_GROWTH = 1.35;
/** Points further from the middle of their box, in its sides, belong to something else. */
export const MAX_LEAP = 0.4;
/** Points whose box is off the box that they were placed in by more, in sides, are placed again. */
export const MAX_OFFSET = 0.04;
/** Without a presence score, a face is lost after this many searches in a row without it. */
export const MAX_MISSES = 3;

/** Tracks the faces of one video; frames come in order. */
export class Tracker {
  private readonly smoother: Smoother;
  private readonly maxSize: number;
  private schedule = new DetectionSchedule();
  private tracks: Track[] = [];
  private lastId = 0;
  private seconds = -Infinity;

  constructor(
    private readonly pipeline: Pipeline,
    smoothing: Smoothing = "off",
    maxSize: number = SEARCH_SIZES.videos,
  ) {
    this.maxSize = checkMaxSize(maxSize);
    if (!SMOOTHINGS.includes(smoothing)) {
      throw new SettingsError(
        "smoothing",
        `is '${smoothing}'; it must be ${SMOOTHINGS.join(", ")}`,
      );
    }
    this.smoother = new Smoother(smoothing);
  }

  /** Forgets all faces; ids start at 1 again. */
  reset(): void {
    this.schedule = new DetectionSchedule();
    [this.tracks, this.lastId, this.seconds] = [[], 0, -Infinity];
    this.smoother.reset();
  }

  /** The faces of the next frame, by id; a time that does not advance starts anew. */
  async track(image: Pixels, seconds: number): Promise<Face[]> {
    if (seconds <= this.seconds) this.reset();
    this.tracks = this.tracks.filter((track) => seconds - track.seconds <= MEMORY_SECONDS);
    await this.follow(image, seconds);
    this.seconds = seconds;
    if (this.schedule.isDue(seconds, this.shown().length)) {
      await this.search(image, seconds);
      this.schedule.reportSearch(seconds);
    }
    const faces = this.shown().map((track) => this.toFace(track));
    return this.smoother
      .smooth(seconds, faces)
      .map((face) => ({ ...face, box: this.detectorBox(face) }));
  }

  private shown(): Track[] {
    return this.tracks.filter((track) => !track.lost);
  }

  /** Whether the network's presence score decides if a face is still there. */
  private get usesPresence(): boolean {
    return this.pipeline.session.card.output.score && this.pipeline.minPresence > 0;
  }

  /** Places points on all faces; lost faces are tried where they were. */
  private async follow(image: Pixels, seconds: number): Promise<void> {
    const tracks = (this.usesPresence ? [...this.tracks] : this.shown()).sort(
      (one, two) => Number(one.lost) - Number(two.lost) || one.id - two.id,
    );
    const boxes = tracks.map((track) => rounded(track.boxAt(seconds)));
    const placements = await this.place(image, boxes);
    const seen: Box[] = [];
    tracks.forEach((track, number) => {
      const placement = placements[number];
      const box = square(placement.points);
      const valid =
        isPlausible(image, boxes[number], placement) && this.pipeline.isPresent(placement);
      if (valid && seen.every((other) => centreDistance(box, other) > DUPLICATE)) {
        track.move(placement, seconds);
        seen.push(box);
      } else if (!track.lost) {
        track.lost = true;
        this.schedule.reportEvent();
      }
    });
  }

  /** Places points in boxes, twice if they are far off. */
  private async place(image: Pixels, boxes: readonly Box[]): Promise<Placement[]> {
    const placements = await this.pipeline.place(image, boxes);
    if (!this.pipeline.refine) return placements;
    const squares = placements.map(({ points }) => square(points));
    const rows = squares.flatMap((box, row) => {
      const off = Math.max(...box.map((edge, i) => Math.abs(edge - boxes[row][i])));
      return off > MAX_OFFSET * side(boxes[row]) && side(box) > 1 ? [row] : [];
    });
    const again = await this.pipeline.place(
      image,
      rows.map((row) => squares[row]),
    );
    rows.forEach((row, number) => (placements[row] = again[number]));
    return placements;
  }

  /** Searches the frame for tracked, lost and new faces. */
  private async search(image: Pixels, seconds: number): Promise<void> {
    const detections = await this.pipeline.detector.search(image, this.maxSize);
    const tight = detections.boxes.map((box) => derivedBox(box, this.pipeline.detector.rule));
    const tracked = this.shown();
    const pairs = assign(
      tight.map((box) => tracked.map((track) => faceDistance(box, track.box))),
      SAME_FACE,
    );
    for (const [row, which] of pairs) {
      [tracked[which].misses, tracked[which].score] = [0, detections.scores[row]];
    }
    const unmatched = [...tight.keys()].filter((row) => !pairs.has(row));
    const rest = selectDetections(detections, unmatched);
    const faces = await this.pipeline.placePoints(image, rest);
    const detected = new Set(pairs.values());
    let missed = tracked.filter((_, which) => !detected.has(which));
    const fresh: Face[] = [];
    for (const face of faces) {
      const box = square(face.points);
      const isNear = (other: Box): boolean => centreDistance(box, other) <= DUPLICATE;
      const twin = tracked.find((track) => isNear(track.box));
      if (twin !== undefined && missed.includes(twin)) {
        // It slipped to another size.
        twin.recover(face, seconds);
        missed = missed.filter((track) => track !== twin);
      } else if (twin === undefined && !fresh.some(({ points }) => isNear(square(points)))) {
        fresh.push(face);
      }
    }
    this.identify(fresh, seconds);
    missed.forEach((track) => this.countMiss(track));
  }

  /** Matches detected faces to lost ones, and starts tracks of the others. */
  private identify(faces: readonly Face[], seconds: number): void {
    if (faces.length > 0) this.schedule.reportEvent();
    const lost = this.tracks.filter((track) => track.lost);
    const boxes = faces.map(({ points }) => square(points));
    const pairs = assign(
      boxes.map((box) => lost.map((track) => faceDistance(box, track.box))),
      SAME_LOST_FACE,
    );
    faces.forEach((face, row) => {
      const which = pairs.get(row);
      if (which === undefined) this.tracks.push(new Track(++this.lastId, face, seconds));
      else lost[which].recover(face, seconds);
    });
    this.tracks.sort((one, two) => one.id - two.id);
  }

  /** Counts a search that did not detect a tracked face; a presence score outweighs it. */
  private countMiss(track: Track): void {
    if (this.usesPresence) return;
    track.lost = ++track.misses >= MAX_MISSES;
    this.schedule.reportEvent();
  }

  private toFace({ points, box, score, presence, spread, id }: Track): Face {
    return { points, box, score, presence, spread, id };
  }

  /** The box as the detector would draw it around the points. */
  private detectorBox({ points }: Face): Box {
    return derivedBox(square(points), inverseRule(this.pipeline.detector.rule));
  }
}

/** Whether points may be of the face that was in a box a frame ago. */
function isPlausible({ width, height }: Pixels, box: Box, { points }: Placement): boolean {
  const placed = square(points);
  const growth = Math.max(side(placed), 1e-3) / side(box);
  const leap = distance(centre(placed), centre(box)) / side(box);
  const inside = points.filter(
    ([x, y]) => x > -0.5 && y > -0.5 && x < width - 0.5 && y < height - 0.5,
  );
  const similar = growth < MAX_GROWTH && growth > 1 / MAX_GROWTH && leap < MAX_LEAP;
  return similar && inside.length >= points.length / 2;
}

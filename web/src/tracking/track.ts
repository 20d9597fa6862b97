/** The state of one tracked face. */

import { square, type Placement } from "../pipeline";
import type { Box, Face, Point, Points } from "../types";
import { centre } from "./association";

/** Time constant of the low-pass of a face's speed. */
export const SPEED_SECONDS = 0.05;
/** Seconds for which a face is assumed to keep its speed. */
export const MAX_EXTRAPOLATION = 0.2;

/** A face that is tracked, or was lost a short while ago. */
export class Track {
  points: Points;
  /** The tight square around the points. */
  box: Box;
  score: number;
  presence: number | null;
  spread: readonly number[] | null;
  /** Searches in a row that did not detect it. */
  misses = 0;
  lost = false;
  private speed: Point = [0, 0];

  constructor(
    readonly id: number,
    face: Face,
    /** Of the frame in which points were last placed. */
    public seconds: number,
  ) {
    this.box = square(face.points);
    ({
      points: this.points,
      score: this.score,
      presence: this.presence,
      spread: this.spread,
    } = face);
  }

  /** The box moved on by the face's speed; that of a lost face stays. */
  boxAt(seconds: number): Box {
    const passed = this.lost ? 0 : Math.min(seconds - this.seconds, MAX_EXTRAPOLATION);
    const [x, y] = this.speed.map((speed) => speed * passed);
    const [left, top, right, bottom] = this.box;
    return [left + x, top + y, right + x, bottom + y];
  }

  /** Continues with the points of a later frame. */
  move({ points, presence, spread }: Placement, seconds: number): void {
    const box = square(points);
    const passed = seconds - this.seconds;
    if (this.lost) {
      this.speed = [0, 0];
    } else if (passed > 0) {
      const [before, after] = [centre(this.box), centre(box)];
      const share = passed / (SPEED_SECONDS + passed);
      const step = (axis: 0 | 1): number =>
        this.speed[axis] + ((after[axis] - before[axis]) / passed - this.speed[axis]) * share;
      this.speed = [step(0), step(1)];
    }
    [this.points, this.presence, this.spread, this.box] = [points, presence, spread, box];
    [this.seconds, this.lost] = [seconds, false];
  }

  /** Continues with a detected face, wherever it is. */
  recover(face: Face, seconds: number): void {
    this.lost = true; // so that the leap does not count as speed
    this.move(face, seconds);
    [this.score, this.misses] = [face.score, 0];
  }
}

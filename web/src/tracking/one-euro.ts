/**
 * Smooths the points of tracked faces with little lag, frame by frame, as
 * `fkd_infer/tracking/one_euro.py`, which explains the filter (Casiez, Roussel, Vogel, CHI 2012).
 *
 * The points of a face are split into its motion and its shape. With points as complex numbers, the
 * similarity z = m + a r leads from the points r of the first filtered frame to the current ones:
 * m and log a are filtered with a high cutoff, the shape (z - m) / a with a low one.
 */

import type { Smoothing } from "../choices";
import { pointsBox } from "../geometry/boxes";
import type { Face, Point, Points } from "../types";

/** Parameters of a filter: `minimum` and `speed` in Hz, `slope` in Hz per unit and second. */
export interface Cutoffs {
  readonly minimum: number;
  readonly slope: number;
  readonly speed: number;
}

interface FaceCutoffs {
  readonly motion: Cutoffs;
  readonly shape: Cutoffs;
}

function cutoffs(minimum: number, slope: number): Cutoffs {
  return { minimum, slope, speed: 2 };
}

/** The levels but "off"; a test compares them with Python's. */
export const LEVELS: Readonly<Record<Exclude<Smoothing, "off">, FaceCutoffs>> = {
  low: { motion: cutoffs(4, 40), shape: cutoffs(2, 20) },
  medium: { motion: cutoffs(1, 40), shape: cutoffs(1, 20) },
  high: { motion: cutoffs(0.5, 20), shape: cutoffs(0.4, 10) },
};

/**
 * Distance of a face from its filter, in face sizes, and change of log size, from which the filter
 * restarts: the face did not move there.
 */
export const MAX_JUMP = 0.5;

/** A complex number: real and imaginary part. */
type Complex = Point;

/** Filters of complex values, each with its own speed. */
class OneEuro {
  private constructor(
    readonly values: readonly Complex[],
    private readonly speeds: readonly Complex[],
  ) {}

  /** Filters at rest. */
  static start(values: readonly Complex[]): OneEuro {
    return new OneEuro(
      values,
      values.map((): Complex => [0, 0]),
    );
  }

  /** The filters after new values; `unit` is the length that speeds are measured in. */
  step(
    values: readonly Complex[],
    seconds: number,
    { minimum, slope, speed }: Cutoffs,
    unit: number,
  ): OneEuro {
    const weight = alpha(speed, seconds);
    const speeds = this.speeds.map(([re, im], i): Complex => {
      const [value, before] = [values[i], this.values[i]];
      return [
        re + weight * ((value[0] - before[0]) / seconds - re),
        im + weight * ((value[1] - before[1]) / seconds - im),
      ];
    });
    const filtered = this.values.map(([re, im], i): Complex => {
      const cutoff = minimum + (slope * Math.hypot(...speeds[i])) / unit;
      const share = alpha(cutoff, seconds);
      return [re + share * (values[i][0] - re), im + share * (values[i][1] - im)];
    });
    return new OneEuro(filtered, speeds);
  }
}

/** The weight of a new value, for a cutoff in Hz. */
function alpha(cutoff: number, seconds: number): number {
  return 1 / (1 + 1 / (2 * Math.PI * cutoff * seconds));
}

/** Points split into place m, log a, and shape. */
interface Split {
  readonly place: Complex;
  readonly size: Complex;
  readonly shape: readonly Complex[];
}

/** The filters of one face. */
class FaceFilter {
  private constructor(
    /** The centred points of the first frame, in sizes. */
    private readonly first: readonly Complex[],
    private readonly place: OneEuro,
    private readonly size: OneEuro,
    private readonly shape: OneEuro,
  ) {}

  /** Filters at rest at these points. */
  static start(points: Points): FaceFilter {
    const [left, top, right, bottom] = pointsBox(points);
    const side = Math.max(right - left, bottom - top, 1e-6);
    const place = mean(points);
    const first = points.map(([x, y]): Complex => [(x - place[0]) / side, (y - place[1]) / side]);
    const size = OneEuro.start([[Math.log(side), 0]]);
    return new FaceFilter(first, OneEuro.start([place]), size, OneEuro.start(first));
  }

  /** Whether a face may have moved to these points. */
  continues(points: Points): boolean {
    const { place, size } = this.split(points);
    const [[x, y]] = this.place.values;
    const distance = Math.hypot(place[0] - x, place[1] - y) / Math.exp(size[0]);
    return distance < MAX_JUMP && Math.abs(size[0] - this.size.values[0][0]) < MAX_JUMP;
  }

  /** The filters after points of a later frame. */
  step(points: Points, seconds: number, { motion, shape }: FaceCutoffs): FaceFilter {
    const split = this.split(points);
    return new FaceFilter(
      this.first,
      this.place.step([split.place], seconds, motion, Math.exp(split.size[0])),
      this.size.step([split.size], seconds, motion, 1),
      this.shape.step(split.shape, seconds, shape, 1),
    );
  }

  /** The filtered points. */
  get points(): Points {
    const [[x, y]] = this.place.values;
    const [[logarithm, angle]] = this.size.values;
    const scale = Math.exp(logarithm);
    const [re, im] = [scale * Math.cos(angle), scale * Math.sin(angle)];
    return this.shape.values.map(([u, v]): Point => [
      Math.fround(x + re * u - im * v),
      Math.fround(y + re * v + im * u),
    ]);
  }

  private split(points: Points): Split {
    const place = mean(points);
    const centred = points.map(([x, y]): Complex => [x - place[0], y - place[1]]);
    let [re, im, square] = [0, 0, 0];
    centred.forEach(([x, y], i) => {
      const [u, v] = this.first[i];
      re += u * x + v * y;
      im += u * y - v * x;
      square += u * u + v * v;
    });
    square = Math.max(square, 1e-12);
    [re, im] = [re / square, im / square];
    if (Math.hypot(re, im) < 1e-9) [re, im] = [1e-9, 0];
    const norm = re * re + im * im;
    // The roll is known up to full turns; the one nearest to the last roll is right.
    const angle = Math.atan2(im, re);
    const turns = Math.round((this.size.values[0][1] - angle) / (2 * Math.PI));
    return {
      place,
      size: [Math.log(norm) / 2, angle + 2 * Math.PI * turns],
      shape: centred.map(([x, y]): Complex => [(x * re + y * im) / norm, (y * re - x * im) / norm]),
    };
  }
}

function mean(points: Points): Complex {
  let [x, y] = [0, 0];
  for (const point of points) {
    x += point[0];
    y += point[1];
  }
  return [x / points.length, y / points.length];
}

/**
 * Smooths the points of faces with ids, frame by frame. A filter restarts if its face is missing in
 * a frame or jumps; all restart if time does not advance.
 */
export class Smoother {
  private filters = new Map<number, FaceFilter>();
  private seconds: number | null = null;

  constructor(readonly level: Smoothing = "off") {}

  /** Forgets all faces. */
  reset(): void {
    this.filters = new Map();
    this.seconds = null;
  }

  /** The faces of the frame at this time, smoothed, in order; faces without id are unchanged. */
  smooth(seconds: number, faces: readonly Face[]): Face[] {
    if (this.level === "off") return [...faces];
    const passed = this.seconds === null ? 0 : seconds - this.seconds;
    const filters = new Map<number, FaceFilter>();
    for (const { id, points } of faces) {
      if (id === null) continue;
      const earlier = passed > 0 ? this.filters.get(id) : undefined;
      const filter = earlier?.continues(points) ? earlier : FaceFilter.start(points);
      filters.set(id, passed > 0 ? filter.step(points, passed, LEVELS[this.level]) : filter);
    }
    [this.filters, this.seconds] = [filters, seconds];
    return faces.map((face) => {
      const filter = face.id === null ? undefined : filters.get(face.id);
      return filter === undefined ? face : { ...face, points: filter.points };
    });
  }
}

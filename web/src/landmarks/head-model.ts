/**
 * Fits a scaled rotation of a mean head to points, by least squares, as
 * `fkd_infer/landmarks/head_model.py`.
 *
 * The head's axes: x to the picture's right, y down, z towards the camera. The unit is the distance
 * of its outer eye corners.
 */

import head from "../../../fkd_infer/landmarks/head.json";
import type { Point, Points } from "../types";

export type Vector = readonly [x: number, y: number, z: number];

/** Projection of the mean head into a picture: a point p lands on rotation · p + centre. */
export interface HeadPose {
  /** Two rows, in pixels. */
  readonly rotation: readonly [Vector, Vector];
  readonly centre: Point;
  /** Pixels of the picture per unit of the head. */
  readonly scale: number;
}

/** The mean head's 68 points in iBUG order. */
export const MEAN_HEAD: readonly Vector[] = head.map(([x, y, z]): Vector => [x, y, z]);

/** Weight of a point: less for those that move with speech and facial expressions. */
function weightOf(point: number): number {
  if (point >= 3 && point < 14) return 0.3;
  if (point >= 17 && point < 27) return 0.4;
  return point >= 48 ? 0.2 : 1;
}

const TOTAL = MEAN_HEAD.reduce((sum, _, point) => sum + weightOf(point), 0);
const WEIGHTS = MEAN_HEAD.map((_, point) => weightOf(point) / TOTAL);
const HEAD_CENTRE = [0, 1, 2].map((axis) => weighted(MEAN_HEAD.map((point) => point[axis])));
const CENTRED = MEAN_HEAD.map(([x, y, z]): Vector => [
  x - HEAD_CENTRE[0],
  y - HEAD_CENTRE[1],
  z - HEAD_CENTRE[2],
]);
const INVERSE = inverseOfGram();

/** The pose of a face's 68 points; null if they are not finite, or coincide. */
export function fitPose(points: Points): HeadPose | null {
  if (!points.flat().every(Number.isFinite)) return null;
  const x = fitAxis(points.map((point) => point[0]));
  const y = fitAxis(points.map((point) => point[1]));
  // The nearest scaled rotation of the two rows: (M Mᵀ)^(-1/2) M, with a square root of 2 × 2.
  const [xx, xy, yy] = [dot(x, x), dot(x, y), dot(y, y)];
  const root = Math.sqrt(Math.max(xx * yy - xy * xy, 0));
  const trace = Math.sqrt(xx + yy + 2 * root);
  const scale = trace / 2;
  if (!(scale >= 1e-3) || root < 1e-9 * (xx + yy)) return null;
  const [a, b, d] = [xx + root, xy, yy + root];
  const factor = (scale * trace) / (a * d - b * b);
  const rotation: [Vector, Vector] = [
    mix(x, y, factor * d, -factor * b),
    mix(x, y, -factor * b, factor * a),
  ];
  const centre: Point = [
    weighted(points.map((point) => point[0])) - dot(rotation[0], HEAD_CENTRE),
    weighted(points.map((point) => point[1])) - dot(rotation[1], HEAD_CENTRE),
  ];
  return { rotation, centre, scale: Math.sqrt(dot(rotation[0], rotation[0])) };
}

/** The row that leads, in least squares, from the centred head to one coordinate of the points. */
function fitAxis(values: readonly number[]): Vector {
  const middle = weighted(values);
  const sums = [0, 1, 2].map((axis) =>
    weighted(values.map((value, point) => CENTRED[point][axis] * (value - middle))),
  );
  const [x, y, z] = INVERSE.map((row) => dot(row, sums));
  return [x, y, z];
}

/** The inverse of the head's weighted second moments (3, 3). */
function inverseOfGram(): Vector[] {
  const moment = (i: number, j: number): number =>
    weighted(CENTRED.map((point) => point[i] * point[j]));
  const [a, b, c, d, e, f] = [
    moment(0, 0),
    moment(0, 1),
    moment(0, 2),
    moment(1, 1),
    moment(1, 2),
    moment(2, 2),
  ];
  const determinant = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d);
  const rows: Vector[] = [
    [d * f - e * e, c * e - b * f, b * e - c * d],
    [c * e - b * f, a * f - c * c, b * c - a * e],
    [b * e - c * d, b * c - a * e, a * d - b * b],
  ];
  return rows.map(([x, y, z]): Vector => [x / determinant, y / determinant, z / determinant]);
}

function weighted(values: readonly number[]): number {
  return values.reduce((sum, value, point) => sum + WEIGHTS[point] * value, 0);
}

function mix(one: Vector, two: Vector, first: number, second: number): Vector {
  const at = (axis: 0 | 1 | 2): number => first * one[axis] + second * two[axis];
  return [at(0), at(1), at(2)];
}

export function dot(one: readonly number[], two: readonly number[]): number {
  return one[0] * two[0] + one[1] * two[1] + one[2] * two[2];
}

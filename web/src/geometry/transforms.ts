/** Transforms of the plane as matrices (2, 3), row by row. */

import type { Point, Points } from "../types";

/** The rows (a, b, x) and (c, d, y): (u, v) leads to (a u + b v + x, c u + d v + y). */
export type Matrix = readonly [a: number, b: number, x: number, c: number, d: number, y: number];

const { fround } = Math;

/** The matrix of a crop: a square of `side` pixels around (x, y), at `size` pixels. */
export function similarity(x: number, y: number, side: number, size: number): Matrix {
  const scale = size / side;
  const middle = (size - 1) / 2;
  return [scale, 0, middle - scale * x, 0, scale, middle - scale * y];
}

export function invert([a, b, x, c, d, y]: Matrix): Matrix {
  const determinant = a * d - b * c;
  const [e, f, g, h] = [d, -b, -c, a].map((entry) => entry / determinant);
  return [e, f, -(e * x + f * y), g, h, -(g * x + h * y)];
}

export function transformPoint([a, b, x, c, d, y]: Matrix, [u, v]: Point): Point {
  return [a * u + b * v + x, c * u + d * v + y];
}

/** The points in float32, as networks and records have them. */
export function transform(points: Points, matrix: Matrix): Points {
  return points.map((point) => {
    const [x, y] = transformPoint(matrix, point);
    return [fround(x), fround(y)];
  });
}

/** Transforms of the plane, fitted to pairs of points by least squares. */

import type { Points } from "../types";
import type { Matrix } from "./transforms";

function mean(points: Points): [number, number] {
  let [x, y] = [0, 0];
  for (const point of points) {
    x += point[0] / points.length;
    y += point[1] / points.length;
  }
  return [x, y];
}

/** The rotation, scale and shift that best map `source` to `target`. */
export function fitSimilarity(source: Points, target: Points): Matrix {
  const [from, to] = [mean(source), mean(target)];
  let [re, im, square] = [0, 0, 0];
  source.forEach((point, i) => {
    const [u, v] = [point[0] - from[0], point[1] - from[1]];
    const [x, y] = [target[i][0] - to[0], target[i][1] - to[1]];
    re += u * x + v * y;
    im += u * y - v * x;
    square += u * u + v * v;
  });
  [re, im] = [re / square, im / square];
  const x = to[0] - re * from[0] + im * from[1];
  const y = to[1] - im * from[0] - re * from[1];
  return [re, -im, x, im, re, y];
}

/** The affine matrix that best maps `source` to `target`. */
export function fitAffine(source: Points, target: Points): Matrix {
  const [from, to] = [mean(source), mean(target)];
  let [uu, uv, vv, ux, vx, uy, vy] = [0, 0, 0, 0, 0, 0, 0];
  source.forEach((point, i) => {
    const [u, v] = [point[0] - from[0], point[1] - from[1]];
    const [x, y] = [target[i][0] - to[0], target[i][1] - to[1]];
    uu += u * u;
    uv += u * v;
    vv += v * v;
    ux += u * x;
    vx += v * x;
    uy += u * y;
    vy += v * y;
  });
  const determinant = uu * vv - uv * uv;
  const [a, b] = [(vv * ux - uv * vx) / determinant, (uu * vx - uv * ux) / determinant];
  const [c, d] = [(vv * uy - uv * vy) / determinant, (uu * vy - uv * uy) / determinant];
  const [x, y] = [to[0] - a * from[0] - b * from[1], to[1] - c * from[0] - d * from[1]];
  return [a, b, x, c, d, y];
}

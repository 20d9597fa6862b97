/** Triangles: Delaunay's between points (Bowyer 1981, Watson 1981), and the pixels in them. */

import type { Point, Points } from "../types";
import { pointsBox } from "./boxes";

/** Three points by their indices. */
export type Triangle = readonly [number, number, number];
export type Corners = readonly [Point, Point, Point];

/** How far outside of a triangle its pixels may be, so that none between two is left out. */
const RIM = 0.5;

/** Delaunay triangles of points, as indices of points. */
export function delaunay(points: Points): Triangle[] {
  const count = points.length;
  const all = [...points, ...outerCorners(points)];
  let triangles: Triangle[] = [[count, count + 1, count + 2]];
  for (let point = 0; point < count; point++) {
    const hit = triangles.filter((triangle) => isInCircle(all, triangle, all[point]));
    // The outline of the triangles that are replaced: edges that only one of them has.
    const edges = hit.flatMap(
      ([a, b, c]) =>
        [
          [a, b],
          [b, c],
          [c, a],
        ] as const,
    );
    const outline = edges.filter(([a, b]) => !edges.some(([c, d]) => a === d && b === c));
    triangles = triangles.filter((triangle) => !hit.includes(triangle));
    triangles.push(...outline.map(([a, b]): Triangle => [a, b, point]));
  }
  return triangles.filter((triangle) => Math.max(...triangle) < count);
}

/** The corners of a triangle around all points, as OpenCV's Subdiv2D has it: they shape the rim. */
function outerCorners(points: Points): Points {
  const [left, top, right, bottom] = pointsBox(points);
  const [x, y] = [left - 10, top - 10];
  const far = 3 * Math.max(Math.ceil(right - left + 20), Math.ceil(bottom - top + 20));
  return [
    [x + far, y],
    [x, y + far],
    [x - far, y - far],
  ];
}

/** Whether a point is inside the circle through a triangle's corners. */
function isInCircle(points: Points, [a, b, c]: Triangle, [x, y]: Point): boolean {
  const rows = [points[a], points[b], points[c]].map(([u, v]) => {
    const [p, q] = [u - x, v - y];
    return [p, q, p * p + q * q];
  });
  const [[p1, q1, r1], [p2, q2, r2], [p3, q3, r3]] = rows;
  const determinant =
    p1 * (q2 * r3 - q3 * r2) - q1 * (p2 * r3 - p3 * r2) + r1 * (p2 * q3 - p3 * q2);
  return determinant * orientation(points[a], points[b], points[c]) > 0;
}

/** Twice the signed area of a triangle. */
export function orientation(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/**
 * Visits the pixels of a picture whose centres are in a triangle, or nearly so; `isInside` tells
 * which.
 */
export function visitPixels(
  [a, b, c]: Corners,
  width: number,
  height: number,
  visit: (x: number, y: number, isInside: boolean) => void,
): void {
  const turn = Math.sign(orientation(a, b, c)) || 1;
  const pairs: [Point, Point][] = [
    [a, b],
    [b, c],
    [c, a],
  ];
  // The distance of (x, y) from an edge is u · x + v · y + w, positive towards the inside.
  const edges = pairs.map(([[x0, y0], [x1, y1]]) => {
    const length = turn * Math.hypot(x1 - x0, y1 - y0) || 1;
    const [u, v] = [(y0 - y1) / length, (x1 - x0) / length];
    return [u, v, -u * x0 - v * y0] as const;
  });
  const [left, top, right, bottom] = pointsBox([a, b, c]);
  for (let y = Math.max(0, Math.floor(top)); y <= Math.min(height - 1, Math.ceil(bottom)); y++) {
    for (let x = Math.max(0, Math.floor(left)); x <= Math.min(width - 1, Math.ceil(right)); x++) {
      let depth = Infinity;
      for (const [u, v, w] of edges) depth = Math.min(depth, u * x + v * y + w);
      if (depth >= -RIM) visit(x, y, depth >= 0);
    }
  }
}

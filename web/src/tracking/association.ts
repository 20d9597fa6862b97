/** Distances between boxes of faces, and their assignment, nearest first. */

import type { Box, Point } from "../types";

/** Square boxes of one face do not differ more in size. */
export const MAX_SIZE_RATIO = 1.6;
/** Bits of a box's side in steps of the grid that it is rounded to: 512 to 1024 steps. */
export const GRID_BITS = 10;

/** Distance between square boxes, in sides; infinite if their sizes are too different. */
export function faceDistance(one: Box, two: Box): number {
  const ratio = side(one) / side(two);
  if (Math.max(ratio, 1 / ratio) > MAX_SIZE_RATIO) return Infinity;
  return distance(centre(one), centre(two)) / Math.sqrt(side(one) * side(two));
}

/** Distance between square boxes of any size, in sides of the larger. */
export function centreDistance(one: Box, two: Box): number {
  return distance(centre(one), centre(two)) / Math.max(side(one), side(two));
}

/** Pairs of row and column, each once: the lowest cost first, and each below the limit. */
export function assign(costs: readonly (readonly number[])[], limit: number): Map<number, number> {
  const candidates = costs
    .flatMap((row, i) => row.map((cost, j) => ({ i, j, cost })))
    .filter(({ cost }) => cost < limit)
    .sort((one, two) => one.cost - two.cost);
  const pairs = new Map<number, number>();
  const taken = new Set<number>();
  for (const { i, j } of candidates) {
    if (pairs.has(i) || taken.has(j)) continue;
    pairs.set(i, j);
    taken.add(j);
  }
  return pairs;
}

/** A square box whose side and centre are rounded, so that points placed in it do not depend on the
 * last digits of those before. */
export function rounded(box: Box): Box {
  const step = 2 ** (Math.floor(Math.log2(side(box))) + 1 - GRID_BITS);
  const [x, y] = centre(box).map((place) => Math.round(place / step) * step);
  const half = (Math.round(side(box) / step) * step) / 2;
  return [x - half, y - half, x + half, y + half];
}

export function centre([left, top, right, bottom]: Box): Point {
  return [(left + right) / 2, (top + bottom) / 2];
}

/** The side of a square box. */
export function side([left, , right]: Box): number {
  return right - left;
}

export function distance([x, y]: Point, [u, v]: Point): number {
  return Math.hypot(x - u, y - v);
}

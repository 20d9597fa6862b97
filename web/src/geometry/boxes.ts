/** Boxes (left, top, right, bottom) in pixels, rounded to float32 as in `fkd_infer`. */

import type { Box, Points } from "../types";
import type { BoxRule } from "./rules";

const { fround } = Math;

/** A square: its centre and its side. */
export interface Square {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/** The tight box of points. */
export function pointsBox(points: Points): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return [left, top, right, bottom];
}

/** The square that a rule derives from a box. */
export function derivedSquare([left, top, right, bottom]: Box, rule: BoxRule): Square {
  const longer = fround(Math.max(right - left, bottom - top));
  const x = fround((left + right) / 2);
  const y = fround((top + bottom) / 2);
  return {
    x: fround(x + fround(longer * fround(rule.shift[0]))),
    y: fround(y + fround(longer * fround(rule.shift[1]))),
    side: fround(longer * fround(rule.scale)),
  };
}

/** The square that a rule derives from a box, as a box too. */
export function derivedBox(box: Box, rule: BoxRule): Box {
  const { x, y, side } = derivedSquare(box, rule);
  const half = side / 2;
  return [fround(x - half), fround(y - half), fround(x + half), fround(y + half)];
}

export function hasArea([left, top, right, bottom]: Box): boolean {
  return right > left && bottom > top;
}

/** Non-maximum suppression. */

import type { Box } from "../types";

/** Intersection over union. */
export function iou(one: Box, two: Box): number {
  const shared = intersection(one, two);
  return shared / (area(one) + area(two) - shared);
}

/** The intersection over the area of the smaller box. */
export function coverage(one: Box, two: Box): number {
  return intersection(one, two) / Math.min(area(one), area(two));
}

/**
 * Rows of the boxes that greedy non-maximum suppression selects, best first: a box is left out if
 * its measure with a better selected box is above `limit`.
 */
export function suppress(
  boxes: readonly Box[],
  scores: readonly number[],
  limit: number,
  measure: (one: Box, two: Box) => number,
): number[] {
  const order = boxes.map((_, row) => row).sort((one, two) => scores[two] - scores[one]);
  const selected: number[] = [];
  for (const row of order) {
    if (selected.every((better) => !(measure(boxes[better], boxes[row]) > limit))) {
      selected.push(row);
    }
  }
  return selected;
}

function intersection(one: Box, two: Box): number {
  const width = Math.min(one[2], two[2]) - Math.max(one[0], two[0]);
  const height = Math.min(one[3], two[3]) - Math.max(one[1], two[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

function area([left, top, right, bottom]: Box): number {
  return (right - left) * (bottom - top);
}

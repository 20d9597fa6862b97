/** A layer of a filter: a picture, and how it follows the face; docs/how-to/filters.md has its fields. */

import type { Blend, FilterWhen } from "../choices";
import { flipPermutation, IBUG68 } from "../landmarks/schemes";
import type { Point } from "../types";
import {
  checked,
  flag,
  integer,
  listOf,
  literal,
  name,
  number,
  pairOf,
  record,
  shown,
  type Parser,
} from "../system/strict";

/** Largest coordinate of an anchor, in pixels of the picture. */
const MAX_PIXEL = 1e5;
/** Largest length in units of the head, and largest scale. */
const MAX_LENGTH = 1000;
const MIN_SCALE = 0.001;

export type WarpName = "head" | "similarity" | "affine" | "piecewise";

/** Ties the mean of these points of a face to this pixel of the picture. */
export interface Anchor {
  readonly points: readonly number[];
  readonly at: Point;
}

export interface FilterLayer {
  readonly image: string;
  readonly anchors: readonly Anchor[];
  readonly warp: WarpName;
  readonly z: number;
  readonly offset: Point;
  readonly scale: number;
  readonly depth: number;
  readonly turn: number;
  readonly round: boolean;
  readonly mirrored: boolean;
  readonly blend: Blend;
  readonly opacity: number;
  readonly brightness: boolean;
  readonly when: FilterWhen;
}

const anchor = checked(record({ points: listOf(integer), at: pairOf(number) }), anchorProblem);

const fields = record<
  Pick<FilterLayer, "image" | "anchors">,
  Omit<FilterLayer, "image" | "anchors">
>(
  { image: name, anchors: listOf(anchor) },
  {
    warp: [literal("head", "similarity", "affine", "piecewise"), "head"],
    z: [number, 0],
    offset: [pairOf(number), [0, 0]],
    scale: [number, 1],
    depth: [number, 0],
    turn: [number, 0],
    round: [flag, false],
    mirrored: [flag, false],
    blend: [literal("normal", "multiply", "screen"), "normal"],
    opacity: [number, 1],
    brightness: [flag, true],
    when: [literal("always", "mouth_open"), "always"],
  },
);

/** Parses a layer; what its warp requires is checked too. */
export const parseLayer: Parser<FilterLayer> = checked(
  fields,
  (layer) => numbersProblem(layer) || warpProblem(layer),
);

/** The layer for the other side of the face, for the mirror image of a picture this wide. */
export function mirrorLayer(layer: FilterLayer, width: number): FilterLayer {
  const opposite = flipPermutation(IBUG68);
  return {
    ...layer,
    anchors: layer.anchors.map(({ points, at: [x, y] }) => ({
      points: points.map((point) => opposite[point]),
      at: [width - 1 - x, y],
    })),
    offset: [-layer.offset[0], layer.offset[1]],
    turn: -layer.turn,
  };
}

function anchorProblem({ points, at }: Anchor): string {
  if (points.length === 0) return "points is empty; name one point or more";
  const unknown = points.find((point) => point < 0 || point >= IBUG68.count);
  if (unknown !== undefined) {
    return `points names point ${unknown}, but ${IBUG68.name} has 0 to ${IBUG68.count - 1}`;
  }
  const far = Math.max(...at.map(Math.abs)) > MAX_PIXEL;
  return far ? `at is ${shown(at)}; both numbers must be from -${MAX_PIXEL} to ${MAX_PIXEL}` : "";
}

function numbersProblem({ offset, depth, scale, opacity }: FilterLayer): string {
  for (const [field, value] of [
    ["offset[0]", offset[0]],
    ["offset[1]", offset[1]],
    ["depth", depth],
  ] as const) {
    if (Math.abs(value) > MAX_LENGTH)
      return `${field} is ${value}; it must be -${MAX_LENGTH} to ${MAX_LENGTH}`;
  }
  if (!(scale >= MIN_SCALE && scale <= MAX_LENGTH)) {
    return `scale is ${scale}; it must be ${MIN_SCALE} to ${MAX_LENGTH}`;
  }
  return opacity > 0 && opacity <= 1
    ? ""
    : `opacity is ${opacity}; it must be above 0 and at most 1`;
}

/** What a layer lacks that its warp needs. */
function warpProblem({ warp, anchors, depth, turn, round }: FilterLayer): string {
  if (warp !== "head" && (depth !== 0 || turn !== 0 || round)) {
    return `depth, turn and round are for the warp 'head', not '${warp}'`;
  }
  const needed = warp === "head" || warp === "similarity" ? 2 : 3;
  if (anchors.length < needed) {
    return `anchors has ${anchors.length}, but the warp '${warp}' needs ${needed} or more`;
  }
  const pixels = anchors.map(({ at }) => at);
  const rank = rankOf(pixels);
  if (rank < needed - 1) {
    const where = rank === 0 ? "in one place" : "on one line";
    return `anchors lie ${where} of the picture; move them apart`;
  }
  const places = new Set(pixels.map(String));
  const twice = warp === "piecewise" && places.size < pixels.length;
  return twice ? "anchors has two with the same at; a piecewise warp needs them apart" : "";
}

/** In how many directions pixels are apart, by half a pixel or more. */
function rankOf(pixels: readonly Point[]): number {
  const mean = (axis: 0 | 1): number =>
    pixels.reduce((sum, at) => sum + at[axis], 0) / pixels.length;
  const [x, y] = [mean(0), mean(1)];
  let [xx, xy, yy] = [0, 0, 0];
  for (const at of pixels) {
    const [u, v] = [at[0] - x, at[1] - y];
    [xx, xy, yy] = [xx + u * u, xy + u * v, yy + v * v];
  }
  const root = Math.hypot((xx - yy) / 2, xy);
  const singular = [(xx + yy) / 2 + root, (xx + yy) / 2 - root].map((value) =>
    Math.sqrt(Math.max(value, 0)),
  );
  return singular.filter((value) => value > 0.5).length;
}

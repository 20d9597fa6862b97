/**
 * Landmark schemes: names, groups and symmetries of a face's points, as in
 * `fkd_infer/landmarks/schemes.py`, from the same tables.
 */

import five from "../../../fkd_infer/landmarks/tables/five.json";
import mediapipe478 from "../../../fkd_infer/landmarks/tables/mediapipe478.json";
import wflw98 from "../../../fkd_infer/landmarks/tables/wflw98.json";
import {
  checked,
  integer,
  listOf,
  name,
  pairOf,
  record,
  tableOf,
  type Parser,
} from "../system/strict";

const MAX_POINTS = 5000;

type Pair = readonly [number, number];

/** A set of `count` points, numbered from 0. */
export interface LandmarkScheme {
  readonly name: string;
  readonly count: number;
  /** Facial region → its points, in drawing order; every point is in exactly one group. */
  readonly groups: Readonly<Record<string, readonly number[]>>;
  /** (left, right) points that swap in a mirrored image. */
  readonly mirror_pairs: readonly Pair[];
  readonly outer_eye_corners: Pair;
  /** Groups whose last point joins the first when drawn. */
  readonly closed: readonly string[];
  /** Groups whose points are not joined by a line when drawn. */
  readonly unjoined: readonly string[];
}

/** Parses a scheme in full, as cards of other schemes have it. */
export const parseScheme: Parser<LandmarkScheme> = checked(
  record<Omit<LandmarkScheme, "closed" | "unjoined">, Pick<LandmarkScheme, "closed" | "unjoined">>(
    {
      name,
      count: integer,
      groups: tableOf(listOf(integer)),
      mirror_pairs: listOf(pairOf(integer)),
      outer_eye_corners: pairOf(integer),
    },
    { closed: [listOf(name), []], unjoined: [listOf(name), []] },
  ),
  schemeProblem,
);

function span(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function mirrored(...pairs: [left: number[], right: number[]][]): Pair[] {
  return pairs.flatMap(([left, right]) => left.map((point, i): Pair => [point, right[i]]));
}

/** 68 points in iBUG order; right is the person's right. */
export const IBUG68: LandmarkScheme = {
  name: "ibug68",
  count: 68,
  groups: {
    jaw: span(0, 16),
    right_brow: span(17, 21),
    left_brow: span(22, 26),
    nose_bridge: span(27, 30),
    nose_base: span(31, 35),
    right_eye: span(36, 41),
    left_eye: span(42, 47),
    outer_lips: span(48, 59),
    inner_lips: span(60, 67),
  },
  closed: ["right_eye", "left_eye", "outer_lips", "inner_lips"],
  unjoined: [],
  mirror_pairs: mirrored(
    [span(0, 7), span(9, 16).reverse()],
    [span(17, 21), span(22, 26).reverse()],
    [
      [31, 32],
      [35, 34],
    ],
    [
      [36, 37, 38, 39, 40, 41],
      [45, 44, 43, 42, 47, 46],
    ],
    [
      [48, 49, 50, 59, 58],
      [54, 53, 52, 55, 56],
    ],
    [
      [60, 61, 67],
      [64, 63, 65],
    ],
  ),
  outer_eye_corners: [36, 45],
};

const TABLES: Readonly<Record<string, unknown>> = { five, mediapipe478, wflw98 };

/** The names of the built-in schemes. */
export const SCHEMES = [IBUG68.name, "wflw98", "coco-face", "mediapipe478", "five"];

/** A built-in scheme by its name, or null. */
export function builtinScheme(scheme: string): LandmarkScheme | null {
  if (!SCHEMES.includes(scheme)) return null;
  if (scheme === IBUG68.name) return IBUG68;
  if (scheme === "coco-face") return { ...IBUG68, name: scheme };
  return parseScheme(TABLES[scheme], scheme);
}

/** For each point, the one that takes its place in a mirrored picture. */
export function flipPermutation({ count, mirror_pairs }: LandmarkScheme): number[] {
  const permutation = span(0, count - 1);
  for (const [left, right] of mirror_pairs) {
    permutation[left] = right;
    permutation[right] = left;
  }
  return permutation;
}

/** The groups whose points are joined when drawn, and whether the last one joins the first. */
export function lines({
  groups,
  closed,
  unjoined,
}: LandmarkScheme): [readonly number[], boolean][] {
  return Object.entries(groups)
    .filter(([group]) => !unjoined.includes(group))
    .map(([group, points]) => [points, closed.includes(group)]);
}

function schemeProblem(scheme: LandmarkScheme): string {
  const { count, groups } = scheme;
  if (count < 2 || count > MAX_POINTS) {
    return `count is ${count}, and 2 to ${MAX_POINTS} points are allowed`;
  }
  const members = Object.values(groups).flat();
  const problem =
    pointsProblem("groups", members, count) ||
    pointsProblem("mirror_pairs", scheme.mirror_pairs.flat(), count) ||
    pointsProblem("outer_eye_corners", scheme.outer_eye_corners, count);
  if (problem) return problem;
  if (members.length < count) return "a point is in none of the groups";
  for (const [group, points] of Object.entries(groups)) {
    if (points.length === 0) return `group '${group}' has no points`;
  }
  for (const group of [...scheme.closed, ...scheme.unjoined]) {
    if (!(group in groups)) return `closed or unjoined names '${group}', which is not a group`;
  }
  const both = scheme.closed.find((group) => scheme.unjoined.includes(group));
  return both === undefined ? "" : `group '${both}' is both closed and unjoined`;
}

/** Checks that each point is in the scheme, and named once. */
function pointsProblem(field: string, points: readonly number[], count: number): string {
  const outside = points.find((point) => point < 0 || point >= count);
  if (outside !== undefined) return `${field} names point ${outside}, but has 0 to ${count - 1}`;
  const twice = points.find((point, index) => points.indexOf(point) !== index);
  return twice === undefined ? "" : `${field} names point ${twice} more than once`;
}
